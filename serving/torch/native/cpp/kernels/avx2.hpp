// AVX2: 16 products an instruction, of int16, summed by pairs in int32. Activations of 15 bits cost
// what those of 7 would cost with vpmaddubsw, sign and sum included.
#pragma once

#include "groups_x86.hpp"

struct Kernel : Tiled<Kernel> {
  static constexpr const char* NAME = "avx2";
  using Groups = FourBits;
  using Activation = int16_t;
  using Sums = FourDoubles;
  using Sum = __m256i;
  using Weight = __m256i;
  using Input = __m256i;
  static constexpr int MOST_ROWS = 4, STEP = 16;
  static constexpr int FLUSH = 4096;  // a lane's 256 times 2 · 127 · 32,767 stay under 2^31
  static constexpr int SHIFT = 0;

  static constexpr int columns(int rows) { return rows <= 2 ? 4 : 2; }
  static FourDoubles offset(int32_t) { return FourDoubles{}; }

  INLINED static Weight weight(const int8_t* from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)from));
  }
  INLINED static Input input(const int16_t* from) {
    return _mm256_loadu_si256((const __m256i*)from);
  }
  INLINED static Input input(const int8_t* from) { return weight(from); }
  INLINED static void add(Sum& total, Weight w, Input a) {
    // As intrinsics, gcc 12 sums products of several columns first, and has no registers for them.
    __m256i products;
    asm("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(total), "=&x"(products) : "x"(w), "x"(a));
  }
  INLINED static FourDoubles total(const Sum* own) { return wide_total(own); }
};
