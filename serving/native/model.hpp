// What Python hands over: addresses and sizes (native.py has the same structures).
#pragma once

#include "attention.hpp"

constexpr int GRANULE = 16;    // [ranks] that adapters are held in
constexpr int MOST_PARTS = 3;  // projections fused in one product

extern "C" {

struct Linear {
  const int8_t* weight;  // [rows + granules · parts · 16, inputs]: the base's, then the adapters' A
  const float* scale;    // of each row
  const float* bias;     // [rows] or null
  // B of each part, [granules, 16, outputs[part]]; its scales are in A's.
  const int8_t* ups[MOST_PARTS];
  int32_t outputs[MOST_PARTS];
  int32_t rows, inputs, parts, halves;
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
  const Span* spans;
  const int32_t* tables;
  const int64_t* sampled;  // tokens whose logits are wanted
  float* logits;           // [sampled, vocabulary]
  int32_t num_tokens, width, num_spans, num_sampled, num_threads;
};

}  // extern "C"
