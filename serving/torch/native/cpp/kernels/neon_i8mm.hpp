// Arm's int8 matrix products: two rows times two rows, eight columns, an instruction.
#pragma once

#include "groups_neon.hpp"

struct Kernel {
  static constexpr const char* NAME = "neon_i8mm";
  using Groups = FourBits;
  using Activation = int8_t;
  using Sums = FourInts;
  static constexpr int MOST_ROWS = 6, STEP = 16;

  template <int ROWS>
  INLINED static void sum_tile(const int8_t* const* rows, const int32_t*, const int8_t* weight,
                               int width, FourInts* sums) {
    constexpr int PAIRS = (ROWS + 1) / 2;  // an odd row is its own partner
    const int whole = width / STEP * STEP;
    int32x4_t totals[PAIRS][2] = {};  // [r0 · c0, r0 · c1, r1 · c0, r1 · c1]
    for (int k = 0; k < whole; k += STEP) {
      int8x16_t w[2][2];
      each<2>([&](auto c) INLINED {
        const int8_t* own = weight + int64_t(2 * c) * width + k;
        pair(own, own + width, w[c]);
        __builtin_prefetch(own + int64_t(PREFETCH) * width);
        __builtin_prefetch(own + int64_t(PREFETCH + 1) * width);
      });
      each<PAIRS>([&](auto p) INLINED {
        int8x16_t a[2];
        pair(rows[2 * p] + k, rows[std::min(2 * p + 1, ROWS - 1)] + k, a);
        each<2>([&](auto c) INLINED {
          each<2>([&](auto half)
                      INLINED { totals[p][c] = vmmlaq_s32(totals[p][c], a[half], w[c][half]); });
        });
      });
    }
    each<ROWS>([&](auto r) INLINED {
      const int64x2_t one = vreinterpretq_s64_s32(totals[r / 2][0]);
      const int64x2_t other = vreinterpretq_s64_s32(totals[r / 2][1]);
      sums[r] = (FourInts)(r % 2 ? vzip2q_s64(one, other) : vzip1q_s64(one, other));
      for (int k = whole; k < width; ++k)
        each<COLUMNS>([&](int c)
                          INLINED { sums[r][c] += rows[r][k] * weight[int64_t(c) * width + k]; });
    });
  }

  // Eight columns of both rows, and the next eight.
  INLINED static void pair(const int8_t* one, const int8_t* other, int8x16_t* to) {
    const int64x2_t a = vreinterpretq_s64_s8(vld1q_s8(one));
    const int64x2_t b = vreinterpretq_s64_s8(vld1q_s8(other));
    to[0] = vreinterpretq_s8_s64(vzip1q_s64(a, b));
    to[1] = vreinterpretq_s8_s64(vzip2q_s64(a, b));
  }
};
