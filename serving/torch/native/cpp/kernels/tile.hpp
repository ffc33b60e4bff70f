// What the kernels share: some rows of activations times four rows of weights.
//
// A kernel K has: Activation, what activations are rounded to; Groups, the same for weights in four
// bits; Sums, four exact sums; Sum, Weight and Input, vectors; STEP, the columns that they take;
// FLUSH, the columns after which its sums would overflow; columns(rows), the weight rows that the
// registers hold beside them.
#pragma once

#include <algorithm>

#include "../vector.hpp"

constexpr int COLUMNS = 4;   // weight rows in a tile
constexpr int PREFETCH = 4;  // [weight rows] ahead: the processor does not see the order by itself
constexpr int LINE = 64;     // [bytes] of a cache line

using FourInts = int32_t __attribute__((vector_size(16), aligned(4)));
using FourFloats = float __attribute__((vector_size(16), aligned(4)));
using FourDoubles = double __attribute__((vector_size(32), aligned(8)));

template <class K>
struct Tiled {
  // sums[r] = rows[r] times each of four rows of weights.
  template <int ROWS, class Activation, class Sums>
  INLINED static void sum_tile(const Activation* const* rows, const int32_t* row_sums,
                               const int8_t* weight, int width, Sums* sums) {
    constexpr int TOGETHER = K::columns(ROWS);
    each<ROWS>([&](auto r) INLINED { sums[r] = K::offset(row_sums[r]); });
    for (int begin = 0; begin < width; begin += K::FLUSH) {
      const int end = std::min(width - begin, K::FLUSH) + begin;
      typename K::Sum totals[ROWS][COLUMNS];
      int rest = begin;
      each<COLUMNS / TOGETHER>([&](auto group) INLINED {
        typename K::Sum own[ROWS][TOGETHER] = {};
        const int8_t* first = weight + int64_t(group) * TOGETHER * width;
        rest = accumulate(rows, first, width, begin, end, own);
        each<ROWS>([&](auto r) INLINED {
          each<TOGETHER>([&](auto c) INLINED { totals[r][group * TOGETHER + c] = own[r][c]; });
        });
      });
      each<ROWS>([&](auto r) INLINED {
        sums[r] += K::total(totals[r]);
        for (int k = rest; k < end; ++k)
          each<COLUMNS>([&](int c) INLINED {
            sums[r][c] += rows[r][k] * (weight[int64_t(c) * width + k] + K::SHIFT);
          });
      });
    }
  }

  // Adds the columns from `begin` on; returns the first of those, fewer than a STEP, that are left.
  template <int ROWS, int COUNT, class Activation, class Sum>
  INLINED static int accumulate(const Activation* const* rows, const int8_t* weight, int width,
                                int begin, int end, Sum (&totals)[ROWS][COUNT]) {
    const auto add = [&](int k) INLINED {
      typename K::Weight w[COUNT];
      each<COUNT>([&](auto c) INLINED { w[c] = K::weight(weight + int64_t(c) * width + k); });
      each<ROWS>([&](auto r) INLINED {
        const typename K::Input a = K::input(rows[r] + k);
        each<COUNT>([&](auto c) INLINED { K::add(totals[r][c], w[c], a); });
      });
    };
    int k = begin;
    for (; k + LINE <= end; k += LINE) {
      each<COUNT>([&](auto c)
                      INLINED { __builtin_prefetch(weight + int64_t(c + PREFETCH) * width + k); });
      each<LINE / K::STEP>([&](auto part) INLINED { add(k + part * K::STEP); });
    }
    for (; k + K::STEP <= end; k += K::STEP) add(k);
    return k;
  }
};
