// For any processor: loops that compilers know how to vectorise, int16 times int16 in int32.
#pragma once

#include "groups.hpp"

struct FourBits {
  static constexpr int MOST_ROWS = 6;

  template <int ROWS>
  static void sum_tile(const int8_t* const* rows, const uint8_t* weight, const int8_t* scales,
                       const int32_t*, int width, FourDoubles* sums) {
    for (int r = 0; r < ROWS; ++r) sums[r] = FourDoubles{};
    for (int c = 0; c < COLUMNS; ++c)
      for (int k = 0; k < width; k += GROUP) {
        int8_t levels[GROUP];
        const uint8_t* own = weight + int64_t(c) * (width / 2) + k / PAIR * GROUP;
        const int shift = k % PAIR == 0 ? 0 : 4;
        for (int i = 0; i < GROUP; ++i) levels[i] = NIBBLES[own[i] >> shift & 15];
        const int scale = scales[c * (width / GROUP) + k / GROUP];
        for (int r = 0; r < ROWS; ++r)
          sums[r][c] += double(scale * dot(rows[r] + k, levels, GROUP));
      }
  }

  template <class T, class W>
  static int32_t dot(const T* one, const W* other, int count) {
    int32_t total = 0;
    for (int k = 0; k < count; ++k) total += int32_t(one[k]) * other[k];
    return total;
  }
};

struct Kernel {
  using Groups = FourBits;
  static constexpr const char* NAME = "portable";
  using Activation = int16_t;
  using Sums = FourDoubles;
  static constexpr int MOST_ROWS = 6;
  static constexpr int FLUSH = 512;  // times 127 · 32,767 stays under 2^31

  template <int ROWS, class T>
  static void sum_tile(const T* const* rows, const int32_t*, const int8_t* weight, int width,
                       FourDoubles* sums) {
    for (int r = 0; r < ROWS; ++r) sums[r] = FourDoubles{};
    for (int begin = 0; begin < width; begin += FLUSH) {
      const int count = std::min(width - begin, FLUSH);
      int16_t wide[COLUMNS][FLUSH];
      for (int c = 0; c < COLUMNS; ++c)
        for (int k = 0; k < count; ++k) wide[c][k] = weight[int64_t(c) * width + begin + k];
      for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < COLUMNS; ++c)
          sums[r][c] += FourBits::dot(rows[r] + begin, wide[c], count);
    }
  }
};
