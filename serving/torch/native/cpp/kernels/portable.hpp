// For any processor: loops that compilers know how to vectorise, int16 times int16 in int32.
#pragma once

#include "tile.hpp"

struct Kernel {
  static constexpr const char* NAME = "portable";
  using Activation = int16_t;
  using Sums = FourDoubles;
  static constexpr int LEVELS = 32767, MOST_ROWS = 6;
  static constexpr int FLUSH = 512;  // times 127 · 32,767 stays under 2^31

  template <int ROWS>
  static void sum_tile(const int16_t* const* rows, const int32_t*, const int8_t* weight, int width,
                       FourDoubles* sums) {
    for (int r = 0; r < ROWS; ++r) sums[r] = FourDoubles{};
    for (int begin = 0; begin < width; begin += FLUSH) {
      const int count = std::min(width - begin, FLUSH);
      int16_t wide[COLUMNS][FLUSH];
      for (int c = 0; c < COLUMNS; ++c)
        for (int k = 0; k < count; ++k) wide[c][k] = weight[int64_t(c) * width + begin + k];
      for (int r = 0; r < ROWS; ++r)
        for (int c = 0; c < COLUMNS; ++c) sums[r][c] += dot(rows[r] + begin, wide[c], count);
    }
  }

  static int32_t dot(const int16_t* one, const int16_t* other, int count) {
    int32_t total = 0;
    for (int k = 0; k < count; ++k) total += int32_t(one[k]) * other[k];
    return total;
  }
};
