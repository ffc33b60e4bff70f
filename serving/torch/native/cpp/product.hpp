// int8 products: rounded activations of several tokens times rows of weights; the sums are exact.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "kernel.hpp"

using Activation = Kernel::Activation;

// Of the activations, where `wanted` would do with int8; one int16 has the bits of two.
constexpr int halves_of(int wanted) { return sizeof(Activation) > 1 ? 1 : wanted; }

// Rounded activations: of token t the row t, and with two halves (what rounding lost, in steps of
// 1/254) the row num_tokens + t.
struct Rounded {
  Activation* values;  // [halves · num_tokens, width]
  int32_t* row_sums;   // [halves · num_tokens]
  float* steps;        // [num_tokens]
  int num_tokens, width, halves;
};

constexpr float HALF_STEPS = 254;

// Rounds what `value` gives for each of a row; returns the sum.
template <class Value>
INLINED inline int32_t round_values(int width, Activation* to, Value value) {
  int32_t sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) {
    const int32_t own = int32_t(rounded(value(i)));
    to[i] = Activation(own);
    sum += own;
  }
  return sum;
}

inline void round_row(const float* values, const Rounded& to, int token) {
  const int width = to.width;
  float largest = 0, poison = 0;  // NaN, if a value is no number
#pragma omp simd reduction(max : largest) reduction(+ : poison)
  for (int i = 0; i < width; ++i) {
    largest = std::fabs(values[i]) > largest ? std::fabs(values[i]) : largest;
    poison += values[i] - values[i];
  }
  const float step = (largest > 1e-12f ? largest : 1e-12f) * (1.0f / Kernel::LEVELS);
  const float inverse = 1 / step, finer = HALF_STEPS * inverse;
  Activation* high = to.values + int64_t(token) * width;
  to.row_sums[token] = round_values(width, high, [=](int i) { return values[i] * inverse; });
  to.steps[token] = step + poison;
  if (to.halves == 1) return;
  to.row_sums[to.num_tokens + token] =
      round_values(width, high + int64_t(to.num_tokens) * width,
                   [=](int i) { return (values[i] - float(high[i]) * step) * finer; });
}

// What a product is to be computed of, and where its outputs go.
struct Part {
  const int32_t* tokens;  // [count]
  float* const* outputs;  // [count], each as long as there are weight rows
  int count;
};

// A block of weight rows, few enough to stay in the cache while many tokens are computed.
struct Weights {
  const int8_t* values;  // [count, width]
  const float* scales;   // [count]
  int count;
};

// One tile of tokens: ROWS of activations, HALVES for each token.
template <int ROWS, int HALVES>
void multiply_tile(const Rounded& in, const Part& part, const Weights& weights, int begin) {
  constexpr int COUNT = ROWS / HALVES;
  const Activation* rows[ROWS];
  int32_t row_sums[ROWS];
  float steps[COUNT];
  for (int r = 0; r < ROWS; ++r) {
    const int64_t row = part.tokens[begin + r % COUNT] + int64_t(r / COUNT) * in.num_tokens;
    rows[r] = in.values + row * in.width;
    row_sums[r] = in.row_sums[row];
    if (r < COUNT) steps[r] = in.steps[row];
  }
  const auto columns = [&](const int8_t* values, const float* scale, int n, size_t size) INLINED {
    Kernel::Sums sums[ROWS];
    Kernel::sum_tile<ROWS>(rows, row_sums, values, in.width, sums);
    FourFloats scales = {};
    std::memcpy(&scales, scale, size);
    for (int t = 0; t < COUNT; ++t) {
      FourFloats product = __builtin_convertvector(sums[t], FourFloats);
      if (HALVES == 2)
        product += __builtin_convertvector(sums[ROWS - COUNT + t], FourFloats) * (1 / HALF_STEPS);
      product *= scales * steps[t];
      std::memcpy(part.outputs[begin + t] + n, &product, size);
    }
  };
  const int whole = weights.count / COLUMNS * COLUMNS, odd = weights.count - whole;
  for (int n = 0; n < whole; n += COLUMNS)
    columns(weights.values + int64_t(n) * in.width, weights.scales + n, n, sizeof(FourFloats));
  if (odd == 0) return;
  std::vector<int8_t> padded(int64_t(COLUMNS) * in.width);
  std::memcpy(padded.data(), weights.values + int64_t(whole) * in.width, int64_t(odd) * in.width);
  columns(padded.data(), weights.scales + whole, whole, odd * sizeof(float));
}

using MultiplyTile = void (*)(const Rounded&, const Part&, const Weights&, int);

// Tiles of 1 … tokens, for one half and for two.
template <int HALVES, int... I>
constexpr auto tiles(std::integer_sequence<int, I...>) {
  return std::array<MultiplyTile, sizeof...(I)>{multiply_tile<HALVES*(I + 1), HALVES>...};
}
constexpr auto ONE_HALF = tiles<1>(std::make_integer_sequence<int, Kernel::MOST_ROWS>());
constexpr auto TWO_HALVES = tiles<2>(std::make_integer_sequence<int, Kernel::MOST_ROWS / 2>());

inline void multiply(const Rounded& in, const Part& part, const Weights& weights) {
  const MultiplyTile* own = in.halves == 1 ? ONE_HALF.data() : TWO_HALVES.data();
  const int most = Kernel::MOST_ROWS / in.halves;
  const int num_tiles = (part.count + most - 1) / most;
  for (int tile = 0, begin = 0; tile < num_tiles; ++tile) {
    const int count = (part.count - begin) / (num_tiles - tile);  // of all the same height
    own[count - 1](in, part, weights, begin);
    begin += count;
  }
}
