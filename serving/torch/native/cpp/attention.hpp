// Attention of some queries of one sequence over its cached keys and values.
#pragma once

#include <algorithm>
#include <vector>

#include "vector.hpp"

constexpr int BLOCK = 16;              // [tokens] of the cache
constexpr int SHARED_ROWS = 16;        // queries that read keys and values together, at the most
constexpr int MOST_DIM = 256;          // of a head
constexpr int ROW = MOST_DIM + LANES;  // [floats] between two rows of a block, whatever the dim
constexpr float LARGEST = 65504;       // of keys and values, as float16 has it

struct Cache {
  float16 *keys, *values;  // [slots, kv heads, head dim]
  int num_kv_heads, head_dim;
};

// Consecutive tokens of one sequence, in the step and in their own context.
struct Span {
  int32_t begin, end;  // among the step's tokens
  int32_t start;       // the first one's position in its sequence
  int32_t table;       // where its blocks begin in the step's tables
};

inline void widen_row(const float16* from, float* to, int width) {
  int i = 0;
  for (; i + LANES <= width; i += LANES) store(to + i, load_float16(from + i));
  if (i == width) return;
  float16 rest[LANES] = {};
  std::memcpy(rest, from + i, (width - i) * sizeof(float16));
  const Floats wide = load_float16(rest);
  for (int j = 0; i + j < width; ++j) to[i + j] = wide[j];
}

// What an adapter that has diverged computes must not stay in the cache: blocks pass from one
// request to the next, and what is masked counts zero times only if it is a number.
inline void keep(const float* values, float16* to, int width) {
  for (int i = 0; i < width; i += LANES) {
    const int count = std::min(LANES, width - i);
    Floats own = {};
    std::memcpy(&own, values + i, count * sizeof(float));
    own = own == own ? own : Floats{};
    own = own > LARGEST ? Floats{} + LARGEST : own;
    own = own < -LARGEST ? Floats{} - LARGEST : own;
    float16 narrow[LANES];
    store_float16(narrow, own);
    std::memcpy(to + i, narrow, count * sizeof(float16));
  }
}

// The keys or values of a block, for one head; meanwhile those of the next block are fetched.
inline void widen_block(const float16* from, const float16* next, int stride, int dim, float* to) {
  for (int row = 0; row < BLOCK; ++row) {
    for (int i = 0; i < dim; i += 2 * LANES) __builtin_prefetch(next + int64_t(row) * stride + i);
    widen_row(from + int64_t(row) * stride, to + row * ROW, dim);
  }
}

// Scores of positions a query may not see are -inf; what it sees is never nothing.
inline void softmax(float* scores, int count) {
  Floats most = load(scores), total = {};
  for (int i = LANES; i < count; i += LANES) most = larger(most, load(scores + i));
  const float offset = largest(most);
  for (int i = 0; i < count; i += LANES) {
    const Floats own = load(scores + i);
    const Floats power = own == -INFINITY ? Floats{} : exponential(own - offset);
    store(scores + i, power);
    total += power;
  }
  const float factor = 1 / sum(total);
  for (int i = 0; i < count; i += LANES) store(scores + i, load(scores + i) * factor);
}

// What one thread needs to attend with. Beyond a head's dim the rows of a block stay zero.
struct Desk {
  float block[BLOCK * ROW] = {};
  std::vector<float> queries, outputs, scores;
};

// Adds the values in a block, each times its weight, for some rows of queries at a time.
template <int ROWS>
inline void add_values(Desk& desk, int first, int width, int b, int padded) {
  const float* weights = &desk.scores[int64_t(first) * width + b * BLOCK];
  float* outputs = &desk.outputs[first * padded];
  for (int i = 0; i < padded; i += LANES) {
    Floats totals[ROWS];
    each<ROWS>([&](auto row) INLINED { totals[row] = load(outputs + row * padded + i); });
    each<BLOCK>([&](auto j) INLINED {
      const Floats value = load(desk.block + j * ROW + i);
      each<ROWS>([&](auto row)
                     INLINED { totals[row] += weights[int64_t(row) * width + j] * value; });
    });
    each<ROWS>([&](auto row) INLINED { store(outputs + row * padded + i, totals[row]); });
  }
}

// Consecutive tokens of a span, `count` from `first` on, with all query heads of one key head.
struct Share {
  int span, first, count;
};

// queries, outputs: [tokens of the step, heads, head dim]; window: [tokens], 0 for none.
inline void attend(const Cache& cache, const int32_t* blocks, const Span& span, const Share& share,
                   int kv_head, int group, int window, const float* queries, float* outputs,
                   Desk& desk) {
  const int dim = cache.head_dim, padded = (dim + LANES - 1) / LANES * LANES;
  const int position = span.start + share.first - span.begin;  // of the first query
  const int rows = share.count * group, num_heads = cache.num_kv_heads * group;
  const int stride = cache.num_kv_heads * dim;
  const auto begin_of = [&](int t) { return window ? std::max(0, position + t + 1 - window) : 0; };
  const int first_block = begin_of(0) / BLOCK;
  const int num_blocks = (position + share.count + BLOCK - 1) / BLOCK - first_block;
  const int width = num_blocks * BLOCK;
  const auto offset = [&](int b) {
    return (int64_t(blocks[first_block + b]) * BLOCK * cache.num_kv_heads + kv_head) * dim;
  };
  const auto at = [&](int row) {
    return (int64_t(share.first + row / group) * num_heads + kv_head * group + row % group) * dim;
  };
  desk.scores.resize(int64_t(rows) * width);
  desk.queries.assign(int64_t(rows) * padded, 0);
  desk.outputs.assign(int64_t(rows) * padded, 0);
  for (int row = 0; row < rows; ++row)
    std::copy_n(queries + at(row), dim, &desk.queries[row * padded]);

  for (int b = 0; b < num_blocks; ++b) {
    widen_block(cache.keys + offset(b), cache.keys + offset(std::min(b + 1, num_blocks - 1)),
                stride, dim, desk.block);
    for (int row = 0; row < rows; ++row) {
      const float* query = &desk.queries[row * padded];
      float* scores = &desk.scores[int64_t(row) * width + b * BLOCK];
      for (int first = 0; first < BLOCK; first += LANES) {
        const float* keys = desk.block + first * ROW;
        Floats products[LANES] = {};
        for (int i = 0; i < padded; i += LANES) {
          const Floats own = load(query + i);
          each<LANES>([&](auto j) INLINED { products[j] += own * load(keys + j * ROW + i); });
        }
        store(scores + first, sums(products));
      }
    }
  }
  for (int row = 0; row < rows; ++row) {
    const int t = row / group, start = first_block * BLOCK;
    float* scores = &desk.scores[int64_t(row) * width];
    std::fill(scores, scores + begin_of(t) - start, -INFINITY);
    std::fill(scores + position + t + 1 - start, scores + width, -INFINITY);
    softmax(scores, width);
  }
  for (int b = 0; b < num_blocks; ++b) {
    widen_block(cache.values + offset(b), cache.values + offset(std::min(b + 1, num_blocks - 1)),
                stride, dim, desk.block);
    int row = 0;
    for (; row + 4 <= rows; row += 4) add_values<4>(desk, row, width, b, padded);
    for (; row < rows; ++row) add_values<1>(desk, row, width, b, padded);
  }
  for (int row = 0; row < rows; ++row)
    std::copy_n(&desk.outputs[row * padded], dim, outputs + at(row));
}
