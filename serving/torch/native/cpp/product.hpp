// Products with rounded weights: rounded activations of several tokens times rows of weights, in
// one byte each, or in four bits by groups of columns. The sums of integers are exact.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "kernel.hpp"

using Activation = Kernel::Activation;  // beside weights of a byte

// Of the activations, where `wanted` would do with int8; one int16 has the bits of two.
template <class T>
constexpr int halves_of(int wanted) {
  return sizeof(T) > 1 ? 1 : wanted;
}

// Rounded activations: of token t the row t, and with two halves (what rounding lost, in steps of
// 1/254) the row num_tokens + t.
template <class T>
struct Rounded {
  T* values;          // [halves · num_tokens, width]
  int32_t* row_sums;  // [halves · num_tokens]
  float* steps;       // [num_tokens]
  int num_tokens, width, halves;
};

constexpr float HALF_STEPS = 254;

// Rounds what `value` gives for each of a row; returns the sum.
template <class T, class Value>
INLINED inline int32_t round_values(int width, T* to, Value value) {
  int32_t sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int i = 0; i < width; ++i) {
    const int32_t own = int32_t(rounded(value(i)));
    to[i] = T(own);
    sum += own;
  }
  return sum;
}

template <class T>
inline void round_row(const float* values, const Rounded<T>& to, int token) {
  const int width = to.width;
  float largest = 0, poison = 0;  // NaN, if a value is no number
#pragma omp simd reduction(max : largest) reduction(+ : poison)
  for (int i = 0; i < width; ++i) {
    largest = std::fabs(values[i]) > largest ? std::fabs(values[i]) : largest;
    poison += values[i] - values[i];
  }
  const float step = (largest > 1e-12f ? largest : 1e-12f) * (1.0f / std::numeric_limits<T>::max());
  const float inverse = 1 / step, finer = HALF_STEPS * inverse;
  T* high = to.values + int64_t(token) * width;
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
struct Bytes {
  static constexpr int MOST_ROWS = Kernel::MOST_ROWS;
  using Sums = Kernel::Sums;
  const int8_t* values;  // [count, width]
  const float* scales;   // [count]
  int count;

  template <int ROWS, class T>
  INLINED void sum_tile(const T* const* rows, const int32_t* row_sums, int n, int width,
                        Sums* sums) const {
    Kernel::sum_tile<ROWS>(rows, row_sums, values + int64_t(n) * width, width, sums);
  }
};

// The same in four bits, of which there are whole tiles; see nibbles.hpp.
struct Nibbles {
  static constexpr int MOST_ROWS = Kernel::Groups::MOST_ROWS;
  using Sums = FourDoubles;
  const uint8_t* values;    // [count, width / 2]
  const int8_t* groups;     // scales of groups of columns [count, width / GROUP]
  const int32_t* row_sums;  // of all that a row's weights stand for, in its steps [count]
  const float* scales;      // a row's step [count]
  int count;

  template <int ROWS>
  INLINED void sum_tile(const int8_t* const* rows, const int32_t*, int n, int width,
                        Sums* sums) const {
    Kernel::Groups::template sum_tile<ROWS>(rows, values + int64_t(n) * (width / 2),
                                            groups + int64_t(n) * (width / GROUP), row_sums + n,
                                            width, sums);
  }
};

// One tile of tokens: ROWS of activations, HALVES for each token.
template <int ROWS, int HALVES, class T, class Weights>
void multiply_tile(const Rounded<T>& in, const Part& part, const Weights& weights, int begin) {
  constexpr int COUNT = ROWS / HALVES;
  const T* rows[ROWS];
  int32_t row_sums[ROWS];
  float steps[COUNT];
  for (int r = 0; r < ROWS; ++r) {
    const int64_t row = part.tokens[begin + r % COUNT] + int64_t(r / COUNT) * in.num_tokens;
    rows[r] = in.values + row * in.width;
    row_sums[r] = in.row_sums[row];
    if (r < COUNT) steps[r] = in.steps[row];
  }
  const auto columns = [&](const Weights& own, int from, int n, size_t size) INLINED {
    typename Weights::Sums sums[ROWS];
    own.template sum_tile<ROWS>(rows, row_sums, from, in.width, sums);
    FourFloats scales = {};
    std::memcpy(&scales, weights.scales + n, size);
    for (int t = 0; t < COUNT; ++t) {
      FourFloats product = __builtin_convertvector(sums[t], FourFloats);
      if (HALVES == 2)
        product += __builtin_convertvector(sums[ROWS - COUNT + t], FourFloats) * (1 / HALF_STEPS);
      product *= scales * steps[t];
      std::memcpy(part.outputs[begin + t] + n, &product, size);
    }
  };
  const int whole = weights.count / COLUMNS * COLUMNS, odd = weights.count - whole;
  for (int n = 0; n < whole; n += COLUMNS) columns(weights, n, n, sizeof(FourFloats));
  if constexpr (std::is_same_v<Weights, Bytes>) {
    if (odd == 0) return;
    std::vector<int8_t> padded(int64_t(COLUMNS) * in.width);
    std::memcpy(padded.data(), weights.values + int64_t(whole) * in.width, int64_t(odd) * in.width);
    columns({padded.data(), nullptr, odd}, 0, whole, odd * sizeof(float));
  }
}

// Tiles of 1 … tokens, for one half and for two.
template <int HALVES, class T, class Weights, int... I>
constexpr auto tiles(std::integer_sequence<int, I...>) {
  using Tile = void (*)(const Rounded<T>&, const Part&, const Weights&, int);
  return std::array<Tile, sizeof...(I)>{multiply_tile<HALVES*(I + 1), HALVES, T, Weights>...};
}
template <int HALVES, class T, class Weights>
constexpr auto TILES =
    tiles<HALVES, T, Weights>(std::make_integer_sequence<int, Weights::MOST_ROWS / HALVES>());

template <class T, class Weights>
void multiply(const Rounded<T>& in, const Part& part, const Weights& weights) {
  const auto* own = in.halves == 1 ? TILES<1, T, Weights>.data() : TILES<2, T, Weights>.data();
  const int most = Weights::MOST_ROWS / in.halves;
  const int num_tiles = (part.count + most - 1) / most;
  for (int tile = 0, begin = 0; tile < num_tiles; ++tile) {
    const int count = (part.count - begin) / (num_tiles - tile);  // of all the same height
    own[count - 1](in, part, weights, begin);
    begin += count;
  }
}
