// Weights in four bits on any processor: some rows of activations times four rows of weights.
//
// A kernel G has: MOST_ROWS; Sum, of a row and a column; Weights and Inputs, of STEP columns, PAIR
// or twice as many, of which there are only the first PAIR if they are not WHOLE; OFFSET, what is
// added to each activation so that it has no sign; columns(rows), the weight rows that the
// registers hold beside them.
#pragma once

#include "../nibbles.hpp"
#include "tile.hpp"

template <class G>
struct TiledGroups {
  // sums[r] = rows[r] times each of four rows of weights, in their steps.
  template <int ROWS>
  INLINED static void sum_tile(const int8_t* const* rows, const uint8_t* weight,
                               const int8_t* scales, const int32_t* weight_sums, int width,
                               FourDoubles* sums) {
    constexpr int TOGETHER = G::columns(ROWS);
    const FourDoubles own_sums =
        __builtin_convertvector(*reinterpret_cast<const FourInts*>(weight_sums), FourDoubles);
    each<ROWS>([&](auto r) INLINED { sums[r] = own_sums * double(-G::OFFSET); });
    for (int begin = 0; begin < width; begin += GROUPS_FLUSH) {
      const int end = std::min(width - begin, GROUPS_FLUSH) + begin;
      typename G::Sum totals[ROWS][COLUMNS];
      each<COLUMNS / TOGETHER>([&](auto part) INLINED {
        typename G::Sum own[ROWS][TOGETHER] = {};
        const int64_t first = part * TOGETHER;
        accumulate(rows, weight + first * (width / 2), scales + first * (width / GROUP), width,
                   begin, end, own);
        each<ROWS>([&](auto r) INLINED {
          each<TOGETHER>([&](auto c) INLINED { totals[r][part * TOGETHER + c] = own[r][c]; });
        });
      });
      each<ROWS>([&](auto r) INLINED { sums[r] += G::total(totals[r]); });
    }
  }

  template <int ROWS, int COUNT, class Sum>
  INLINED static void accumulate(const int8_t* const* rows, const uint8_t* weight,
                                 const int8_t* scales, int width, int begin, int end,
                                 Sum (&totals)[ROWS][COUNT]) {
    const auto add = [&](int k, auto is_whole) INLINED {
      constexpr bool WHOLE = decltype(is_whole)::value;
      typename G::Weights w[COUNT];
      each<COUNT>([&](auto c) INLINED {
        const uint8_t* own = weight + int64_t(c) * (width / 2) + k / 2;
        const int8_t* own_scales = scales + int64_t(c) * (width / GROUP) + k / GROUP;
        w[c] = G::template weights<WHOLE>(own, own_scales);
        if (k / 2 % LINE == 0) __builtin_prefetch(own + int64_t(PREFETCH) * (width / 2));
        if (k / GROUP % LINE == 0)
          __builtin_prefetch(own_scales + int64_t(PREFETCH) * (width / GROUP));
      });
      each<ROWS>([&](auto r) INLINED {
        const typename G::Inputs a = G::template inputs<WHOLE>(rows[r] + k);
        each<COUNT>([&](auto c) INLINED { G::add(totals[r][c], w[c], a); });
      });
    };
    int k = begin;
    for (; k + G::STEP <= end; k += G::STEP) add(k, std::true_type());
    if (k < end) add(k, std::false_type());
  }
};
