// Rows of weights rounded to four bits (nibbles.hpp).
//
// Each group of columns takes the scale that loses about the least of it: the best of those that
// suit the levels next to its numbers, for some scales to begin with, by least squares. What large
// numbers lose counts more: so less is lost of answers, though more of the weights (measured with
// benchmarks/four_bits). As many groups are computed side by side as a vector has lanes.
#pragma once

#include <array>

#include "nibbles.hpp"
#include "vector.hpp"

constexpr float LARGEST_LEVEL = 63;
constexpr float STARTS[] = {0.8f, -0.8f, 1, -1};  // of those that make the largest number a level
constexpr float MOST_START = 1.1f;                // what may come of it

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
  Integers number;
  Floats level;
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
  return {(Integers)number, (Floats)_mm512_permutexvar_ps(number, _mm512_load_ps(levels.data()))};
}
#else
INLINED inline Nearest nearest(Floats x) {
  constexpr auto ends = upper_ends();
  constexpr auto levels = wide_levels();
  Nearest found{{}, Floats{} + levels[0]};
  for (int i = 0; i < 15; ++i) {
    found.number -= x > ends[i];  // -1 where it is
    found.level += x > ends[i] ? Floats{} + (levels[i + 1] - levels[i]) : Floats{};
  }
  return found;
}
#endif

// Groups side by side, each in a lane of its own.
using Groups = std::array<Floats, GROUP>;

// Beyond `count` groups there are zeros.
inline Groups side_by_side(const float* row, int count) {
  Groups groups = {};
  float* flat = reinterpret_cast<float*>(groups.data());
  for (int lane = 0; lane < count; ++lane)
    for (int i = 0; i < GROUP; ++i) flat[i * LANES + lane] = row[lane * GROUP + i];
  return groups;
}

// How much a number's squared error counts: √(its square + the group's mean square).
inline Groups importance_of(const Groups& groups) {
  Groups found;
  Floats total = {};
  for (const Floats& own : groups) total += own * own;
  for (int i = 0; i < GROUP; ++i) found[i] = groups[i] * groups[i] + total * (1.0f / GROUP);
  float* flat = reinterpret_cast<float*>(found.data());
#pragma omp simd
  for (int i = 0; i < GROUP * LANES; ++i) flat[i] = std::sqrt(flat[i]);
  return found;
}

// The scale that suits the levels next to a group's numbers, and what of the group's square it
// keeps. Neither is a number where the group is zeros, or so small that its square is none.
struct Fit {
  Floats scale, kept;
};

inline Fit fit(const Groups& groups, const Groups& importance, Floats scale) {
  const Floats inverse = 1 / scale;
  Floats product = {}, square = {};
  for (int i = 0; i < GROUP; ++i) {
    const Floats level = nearest(groups[i] * inverse).level, counted = level * importance[i];
    product += counted * groups[i];
    square += counted * level;
  }
  return {product / square, product * product / square};
}

// Whole numbers of the row's step, MOST_SCALE at most.
inline Floats best_scales(const Groups& groups, float row_step) {
  const Groups importance = importance_of(groups);
  Floats most = {};
  for (const Floats& own : groups) most = larger(most, larger(own, -own));
  Fit best{};
  for (const float start : STARTS) {
    const Fit own = fit(groups, importance, most * (start / LARGEST_LEVEL));
    best.scale = own.kept > best.kept ? own.scale : best.scale;
    best.kept = own.kept > best.kept ? own.kept : best.kept;
  }
  Floats scale = fit(groups, importance, best.scale).scale / row_step;
  scale = scale == scale ? scale : Floats{};
  scale = scale > MOST_SCALE ? Floats{} + MOST_SCALE : scale;
  scale = scale < -MOST_SCALE ? Floats{} - MOST_SCALE : scale;
  return (scale + ROUNDER) - ROUNDER;
}

// Some groups that follow one another, an even count.
inline void pack_groups(const float* row, int count, float row_step, const PackedRow& to) {
  const Groups groups = side_by_side(row, count);
  const Floats scales = best_scales(groups, row_step);
  // Whichever levels: times a scale of 0 they are zeros.
  const Floats inverse = 1 / (scales == 0 ? Floats{} + 1.0f : scales * row_step);
  Floats levels = {};
  for (int i = 0; i < GROUP; ++i) {
    const Nearest own = nearest(groups[i] * inverse);
    levels += own.level;
    uint64_t both[LANES / 2];
    std::memcpy(both, &own.number, sizeof both);
    for (int pair = 0; pair < count / 2; ++pair)
      to.values[pair * GROUP + i] = uint8_t(both[pair] | both[pair] >> 28);
  }
  for (int g = 0; g < count; ++g) {
    to.groups[g] = int8_t(scales[g]);
    *to.sum += int32_t(scales[g] * levels[g]);
  }
}

inline float largest_of(const float* values, int count) {
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (int i = 0; i < count; ++i)
    largest = std::fabs(values[i]) > largest ? std::fabs(values[i]) : largest;
  return largest;
}

// A row that holds what is no number becomes zeros, in steps that are none.
inline void pack_row(const float* row, int width, const PackedRow& to) {
  float poison = 0;
#pragma omp simd reduction(+ : poison)
  for (int i = 0; i < width; ++i) poison += row[i] - row[i];
  const float step =
      std::max(largest_of(row, width), 1e-12f) * (MOST_START / (LARGEST_LEVEL * MOST_SCALE));
  *to.sum = 0;
  *to.scale = step + poison;
  if (poison != 0) {
    std::fill_n(to.values, width / 2, uint8_t(0));
    std::fill_n(to.groups, width / GROUP, int8_t(0));
    return;
  }
  for (int k = 0; k < width; k += LANES * GROUP)
    pack_groups(row + k, std::min(LANES, (width - k) / GROUP), step,
                {to.values + k / 2, to.groups + k / GROUP, to.sum, to.scale});
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
