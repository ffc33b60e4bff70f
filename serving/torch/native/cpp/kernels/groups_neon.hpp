// Weights in four bits with Arm's dot products: activations times levels, summed by fours in int32,
// and those with their group's scale.
#pragma once

#include "groups.hpp"

struct FourBits : TiledGroups<FourBits> {
  struct Weights {
    int8x16_t levels[4];
    int8_t scales[2];
  };
  struct Inputs {
    int8x16_t values[4];
  };
  using Sum = int32x4_t;
  static constexpr int MOST_ROWS = 4, OFFSET = 0, STEP = PAIR;

  static constexpr int columns(int rows) { return rows <= 1 ? 2 : 1; }

  template <bool>
  INLINED static Weights weights(const uint8_t* from, const int8_t* scales) {
    const int8x16_t table = vld1q_s8(NIBBLES);
    const uint8x16_t one = vld1q_u8(from), two = vld1q_u8(from + 16), lower = vdupq_n_u8(15);
    return {{vqtbl1q_s8(table, vandq_u8(one, lower)), vqtbl1q_s8(table, vandq_u8(two, lower)),
             vqtbl1q_s8(table, vshrq_n_u8(one, 4)), vqtbl1q_s8(table, vshrq_n_u8(two, 4))},
            {scales[0], scales[1]}};
  }
  template <bool>
  INLINED static Inputs inputs(const int8_t* from) {
    return {{vld1q_s8(from), vld1q_s8(from + 16), vld1q_s8(from + 32), vld1q_s8(from + 48)}};
  }
  INLINED static void add(Sum& total, const Weights& w, const Inputs& a) {
    each<2>([&](auto n) INLINED {
      int32x4_t sums = vdotq_s32(vdupq_n_s32(0), w.levels[2 * n], a.values[2 * n]);
      sums = vdotq_s32(sums, w.levels[2 * n + 1], a.values[2 * n + 1]);
      total = vmlaq_n_s32(total, sums, w.scales[n]);
    });
  }
  INLINED static FourDoubles total(const Sum* own) {
    return FourDoubles{double(vaddlvq_s32(own[0])), double(vaddlvq_s32(own[1])),
                       double(vaddlvq_s32(own[2])), double(vaddlvq_s32(own[3]))};
  }
};
