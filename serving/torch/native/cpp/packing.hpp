// Rows of weights rounded to four bits (nibbles.hpp).
//
// Each group of columns takes the scale that loses about the least of it: the best of those that
// suit the levels next to its numbers, for some scales to begin with, by least squares. What large
// numbers lose counts more: so less is lost of answers, though more of the weights (measured with
// benchmarks/four_bits).
#pragma once

#include <array>

#include "nibbles.hpp"
#include "vector.hpp"

constexpr float LARGEST_LEVEL = 63;
constexpr float STARTS[] = {0.8f, -0.8f, 1, -1};  // of those that make the largest number a level
constexpr float MOST_START = 1.1f;                // what may come of it
static_assert(GROUP % LANES == 0);

constexpr std::array<float, 16> wide_levels() {
  std::array<float, 16> levels{};
  for (int i = 0; i < 16; ++i) levels[i] = NIBBLES[i];
  return levels;
}

// Up to where a level is the nearest.
constexpr std::array<float, 16> upper_ends() {
  std::array<float, 16> ends{};
  for (int i = 0; i < 15; ++i) ends[i] = float(NIBBLES[i] + NIBBLES[i + 1]) / 2;
  return ends;
}

// What a row becomes.
struct PackedRow {
  uint8_t* values;  // [width / 2]
  int8_t* groups;   // [width / GROUP]
  int32_t* sum;     // of all levels times their scales
  float* scale;     // the row's step; NaN if a value is no number
};

// Which level is next to each of some numbers, and that level.
struct Nearest {
  Floats number, level;
};

#if defined(__AVX512F__)
INLINED inline Nearest nearest(Floats x) {
  alignas(64) static constexpr auto ends = upper_ends();
  alignas(64) static constexpr auto levels = wide_levels();
  const __m512 own = (__m512)x, table = _mm512_load_ps(ends.data());
  __m512i number = _mm512_setzero_si512();
  for (int half = 8; half > 0; half /= 2) {
    const __m512i last = _mm512_add_epi32(number, _mm512_set1_epi32(half - 1));
    const auto above = _mm512_cmp_ps_mask(own, _mm512_permutexvar_ps(last, table), _CMP_GT_OQ);
    number = _mm512_mask_add_epi32(number, above, last, _mm512_set1_epi32(1));
  }
  return {(Floats)_mm512_cvtepi32_ps(number),
          (Floats)_mm512_permutexvar_ps(number, _mm512_load_ps(levels.data()))};
}
#else
INLINED inline Nearest nearest(Floats x) {
  constexpr auto ends = upper_ends();
  constexpr auto levels = wide_levels();
  Nearest found{{}, Floats{} + levels[0]};
  for (int i = 0; i < 15; ++i) {
    found.number += x > ends[i] ? Floats{} + 1.0f : Floats{};
    found.level += x > ends[i] ? Floats{} + (levels[i + 1] - levels[i]) : Floats{};
  }
  return found;
}
#endif

// How much a number's squared error counts: √(its square + the group's mean square).
inline std::array<float, GROUP> importance_of(const float* group) {
  std::array<float, GROUP> importance;
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int i = 0; i < GROUP; ++i) total += group[i] * group[i];
#pragma omp simd
  for (int i = 0; i < GROUP; ++i) importance[i] = std::sqrt(group[i] * group[i] + total / GROUP);
  return importance;
}

// The scale that suits the levels next to a group's numbers, and what of the group's square it
// keeps.
struct Fit {
  float scale, kept;
};

// Of several scales side by side: each by itself would wait for its own searches.
template <size_t COUNT>
std::array<Fit, COUNT> fits(const float* group, const float* importance,
                            const std::array<float, COUNT>& scales) {
  Floats products[COUNT] = {}, squares[COUNT] = {};
  for (int i = 0; i < GROUP; i += LANES) {
    const Floats own = load(group + i), counts = load(importance + i);
    each<COUNT>([&](auto s) INLINED {
      const Floats level = nearest(own * (1 / scales[s])).level, counted = level * counts;
      products[s] += counted * own;
      squares[s] += counted * level;
    });
  }
  std::array<Fit, COUNT> found;
  for (size_t s = 0; s < COUNT; ++s) {
    const float product = sum(products[s]), square = sum(squares[s]);
    found[s] = {product / square, product * product / square};
  }
  return found;
}

inline float largest_of(const float* values, int count) {
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (int i = 0; i < count; ++i)
    largest = std::fabs(values[i]) > largest ? std::fabs(values[i]) : largest;
  return largest;
}

inline int best_scale(const float* group, float row_step) {
  const float largest = largest_of(group, GROUP);
  if (largest == 0) return 0;
  const std::array<float, GROUP> importance = importance_of(group);
  std::array<float, std::size(STARTS)> starts;
  for (size_t s = 0; s < starts.size(); ++s) starts[s] = STARTS[s] * largest / LARGEST_LEVEL;
  Fit best{0, 0};
  for (const Fit& own : fits(group, importance.data(), starts))
    if (own.kept > best.kept) best = own;
  if (best.scale == 0) return 0;  // so small that its square is none
  best = fits<1>(group, importance.data(), {best.scale})[0];
  return std::clamp(int(rounded(best.scale / row_step)), -MOST_SCALE, MOST_SCALE);
}

// Returns the sum of the group's levels.
inline int pack_group(const float* group, float step, uint8_t* to, int shift) {
  std::array<float, GROUP> numbers;
  Floats levels = {};
  for (int i = 0; i < GROUP; i += LANES) {
    const Nearest own = nearest(load(group + i) * (1 / step));
    store(&numbers[i], own.number);
    levels += own.level;
  }
  for (int i = 0; i < GROUP; ++i)
    to[i] = uint8_t(shift ? to[i] | int(numbers[i]) << shift : int(numbers[i]));
  return int(sum(levels));
}

// What a row's bits stand for.
inline void unpack_row(const uint8_t* values, const int8_t* groups, float step, int width,
                       float* to) {
  for (int k = 0; k < width; k += GROUP) {
    std::array<float, 16> levels;
    for (int n = 0; n < 16; ++n) levels[n] = float(NIBBLES[n] * groups[k / GROUP]) * step;
    const uint8_t* own = values + k / PAIR * GROUP;
    const int shift = k % PAIR == 0 ? 0 : 4;
    for (int i = 0; i < GROUP; ++i) to[k + i] = levels[own[i] >> shift & 15];
  }
}

inline void pack_row(const float* row, int width, const PackedRow& to) {
  float poison = 0;
#pragma omp simd reduction(+ : poison)
  for (int i = 0; i < width; ++i) poison += row[i] - row[i];
  const float step =
      std::max(largest_of(row, width), 1e-12f) * (MOST_START / (LARGEST_LEVEL * MOST_SCALE));
  const bool is_number = poison == 0;
  *to.sum = 0;
  *to.scale = step + poison;
  for (int k = 0; k < width; k += GROUP) {
    const int scale = is_number ? best_scale(row + k, step) : 0;
    // Whichever levels: times a scale of 0 they are zeros.
    const float own = scale == 0 ? 1 : float(scale) * step;
    *to.sum += scale * (is_number ? pack_group(row + k, own, to.values + k / PAIR * GROUP,
                                               k % PAIR == 0 ? 0 : 4)
                                  : 0);
    to.groups[k / GROUP] = int8_t(scale);
  }
}
