// Arm's dot products: 16 products an instruction, summed by fours in int32.
#pragma once

#include "groups_neon.hpp"

struct Kernel : Tiled<Kernel> {
  static constexpr const char* NAME = "neon_dotprod";
  using Groups = FourBits;
  using Activation = int8_t;
  using Sums = FourInts;
  using Sum = int32x4_t;
  using Weight = int8x16_t;
  using Input = int8x16_t;
  static constexpr int MOST_ROWS = 6, STEP = 16, FLUSH = 1 << 16, SHIFT = 0;

  static constexpr int columns(int) { return COLUMNS; }
  static FourInts offset(int32_t) { return FourInts{}; }

  INLINED static Weight weight(const int8_t* from) { return vld1q_s8(from); }
  INLINED static Input input(const int8_t* from) { return vld1q_s8(from); }
  INLINED static void add(Sum& total, Weight w, Input a) { total = vdotq_s32(total, w, a); }
  INLINED static FourInts total(const Sum* own) {
    return (FourInts)vpaddq_s32(vpaddq_s32(own[0], own[1]), vpaddq_s32(own[2], own[3]));
  }
};
