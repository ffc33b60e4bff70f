// int8 products: activations of several tokens times rows of weights, sums in int32.
#pragma once

#include <algorithm>
#include <vector>

#include "vector.hpp"

constexpr int COLUMNS = 4;    // weight rows in a tile
constexpr int TILE_ROWS = 6;  // activation rows in a tile: with COLUMNS, what the registers hold

using FourInts = int32_t __attribute__((vector_size(16), aligned(4)));
using FourFloats = float __attribute__((vector_size(16), aligned(4)));

#if defined(__AVX512VNNI__)

constexpr int PREFETCH = 4;  // [weight rows] ahead: the processor does not see the order by itself

// The instruction takes one factor without sign: weights + 128; 128 times the sum of the
// activations is taken off again.
template <int ROWS>
INLINED inline void sum_tile(const int8_t* const* rows, const int32_t* row_sums,
                             const int8_t* weight, int width, FourInts* sums) {
  const int whole = width / 64 * 64;
  __m512i totals[ROWS][COLUMNS], w[COLUMNS];
  each<ROWS>([&](auto r) INLINED {
    each<COLUMNS>([&](auto c) INLINED { totals[r][c] = _mm512_setzero_si512(); });
  });
  for (int k = 0; k < whole; k += 64) {
    each<COLUMNS>([&](auto c) INLINED {
      const __m512i own = _mm512_loadu_si512(weight + int64_t(c) * width + k);
      w[c] = _mm512_xor_si512(own, _mm512_set1_epi8(-128));
      _mm_prefetch((const char*)weight + int64_t(c + PREFETCH) * width + k, _MM_HINT_T0);
    });
    each<ROWS>([&](auto r) INLINED {
      const __m512i a = _mm512_loadu_si512(rows[r] + k);
      each<COLUMNS>([&](auto c) INLINED {
        // As an intrinsic, gcc 12 copies its totals to and fro.
        asm("vpdpbusd %2, %1, %0" : "+v"(totals[r][c]) : "v"(w[c]), "v"(a));
      });
    });
  }
  each<ROWS>([&](auto r) INLINED {
    const auto pairs = [](__m512i a, __m512i b) INLINED {
      return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    };
    const __m512i ab = pairs(totals[r][0], totals[r][1]), cd = pairs(totals[r][2], totals[r][3]);
    const __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    const __m128i last =
        _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    sums[r] = (FourInts)last - 128 * row_sums[r];
    for (int k = whole; k < width; ++k)
      each<COLUMNS>([&](int c) INLINED {
        sums[r][c] += rows[r][k] * (weight[int64_t(c) * width + k] + 128);
      });
  });
}

#else

template <int ROWS>
INLINED inline void sum_tile(const int8_t* const* rows, const int32_t*, const int8_t* weight,
                             int width, FourInts* sums) {
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < COLUMNS; ++c) {
      const int8_t* own = weight + int64_t(c) * width;
      int32_t total = 0;
#pragma omp simd reduction(+ : total)
      for (int k = 0; k < width; ++k) total += int32_t(rows[r][k]) * own[k];
      sums[r][c] = total;
    }
}

#endif

// Rounded activations: of token t the row t, and with two halves (what rounding lost, in steps of
// 1/254) the row num_tokens + t.
struct Rounded {
  int8_t* values;     // [halves · num_tokens, width]
  int32_t* row_sums;  // [halves · num_tokens]
  float* steps;       // [num_tokens]
  int num_tokens, width, halves;
};

constexpr float HALF_STEPS = 254;

inline void round_row(const float* values, const Rounded& to, int token) {
  const int width = to.width;
  float largest = 0, poison = 0;  // NaN, if a value is no number
#pragma omp simd reduction(max : largest) reduction(+ : poison)
  for (int i = 0; i < width; ++i) {
    largest = std::fabs(values[i]) > largest ? std::fabs(values[i]) : largest;
    poison += values[i] - values[i];
  }
  const float step = (largest > 1e-12f ? largest : 1e-12f) * (1.0f / 127);
  const float inverse = 1 / step;
  int8_t* high = to.values + int64_t(token) * width;
  int32_t high_sum = 0;
#pragma omp simd reduction(+ : high_sum)
  for (int i = 0; i < width; ++i) {
    const int32_t rounded = int32_t(std::nearbyint(values[i] * inverse));
    high[i] = int8_t(rounded);
    high_sum += rounded;
  }
  to.row_sums[token] = high_sum;
  to.steps[token] = step + poison;
  if (to.halves == 1) return;
  int8_t* low = high + int64_t(to.num_tokens) * width;
  const float finer = HALF_STEPS * inverse;
  int32_t low_sum = 0;
#pragma omp simd reduction(+ : low_sum)
  for (int i = 0; i < width; ++i) {
    const int32_t rounded = int32_t(std::nearbyint((values[i] - float(high[i]) * step) * finer));
    low[i] = int8_t(rounded);
    low_sum += rounded;
  }
  to.row_sums[to.num_tokens + token] = low_sum;
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
  const int8_t* rows[ROWS];
  int32_t row_sums[ROWS];
  float steps[COUNT];
  for (int r = 0; r < ROWS; ++r) {
    const int64_t row = part.tokens[begin + r % COUNT] + int64_t(r / COUNT) * in.num_tokens;
    rows[r] = in.values + row * in.width;
    row_sums[r] = in.row_sums[row];
    if (r < COUNT) steps[r] = in.steps[row];
  }
  const auto columns = [&](const int8_t* values, const float* scale, int n, size_t size) INLINED {
    FourInts sums[ROWS];
    sum_tile<ROWS>(rows, row_sums, values, in.width, sums);
    FourFloats scales = {};
    std::memcpy(&scales, scale, size);
    for (int t = 0; t < COUNT; ++t) {
      FourFloats product = __builtin_convertvector(sums[t], FourFloats);
      if (HALVES == 2)
        product += __builtin_convertvector(sums[COUNT + t], FourFloats) * (1 / HALF_STEPS);
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
constexpr MultiplyTile TILES[2][TILE_ROWS] = {
    {multiply_tile<1, 1>, multiply_tile<2, 1>, multiply_tile<3, 1>, multiply_tile<4, 1>,
     multiply_tile<5, 1>, multiply_tile<6, 1>},
    {multiply_tile<2, 2>, multiply_tile<4, 2>, multiply_tile<6, 2>},
};

inline void multiply(const Rounded& in, const Part& part, const Weights& weights) {
  const int most = TILE_ROWS / in.halves;
  for (int begin = 0; begin < part.count; begin += most) {
    const int count = std::min(most, part.count - begin);
    TILES[in.halves - 1][count - 1](in, part, weights, begin);
  }
}
