// What Python hands over: addresses and sizes (structures.py has the same structures).
#pragma once

#include "attention.hpp"

constexpr int GRANULE = 16;    // [ranks] that adapters are held in
constexpr int MOST_PARTS = 3;  // projections fused in one product
constexpr int GROUPS = 4;      // of fused projections in a layer

extern "C" {

struct Linear {
  const void* weight;           // int8 [rows, inputs]; in four bits [rows, inputs / 2]
  const int8_t* groups;         // the scales of four bits [rows, inputs / GROUP], or null: int8
  const int32_t* row_sums;      // of what four bits stand for [rows], or null
  const float* scale;           // of each row
  const float* bias;            // [rows] or null
  int32_t outputs[MOST_PARTS];  // of each part that adapters may have
  int32_t rows, inputs, parts, halves, layer, group;
};

// 16 ranks of an adapter, where they lie: from theirs in the first layer on, for all layers.
struct Granule {
  const int8_t* rows[GROUPS];             // A [layers, count · parts · 16, inputs], or null
  const float* scales[GROUPS];            // of A's rows; B's are in them
  const int8_t* ups[GROUPS][MOST_PARTS];  // B [layers, count, 16, outputs], or null
  int64_t count;                          // granules of the adapter
};

struct Layer {
  const float *norm_before, *norm_after, *query_norm, *key_norm;  // the last two may be null
  Linear qkv, output, gate_up, down;
  float16 *keys, *values;  // [slots, kv heads, head dim]
  int32_t window;          // [tokens]; 0: none
};

struct Model {
  const Layer* layers;
  const float* norm;
  Linear head;
  float epsilon;
  int32_t num_layers, hidden, inner, num_heads, num_kv_heads, head_dim;
};

struct Step {
  float* hidden;            // [tokens, hidden]: embeddings
  const float *cos, *sin;   // [tokens, head dim]
  const int64_t* slots;     // [tokens] of the cache, to write to
  const int64_t* granules;  // [tokens, width]
  const float* scales;      // [tokens, width]; 0 for none
  const Granule* adapters;  // by granule
  const Span* spans;
  const int32_t* tables;
  const int64_t* sampled;  // tokens whose logits are wanted
  float* logits;           // [sampled, vocabulary]
  int32_t num_tokens, width, num_spans, num_sampled, num_threads;
};

}  // extern "C"
