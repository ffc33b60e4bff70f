// AVX-512 VNNI: 64 products an instruction, summed by fours in int32.
#pragma once

#include "groups_x86.hpp"

struct Kernel : Tiled<Kernel> {
  static constexpr const char* NAME = "avx512_vnni";
  using Groups = FourBits;
  using Activation = int8_t;
  using Sums = FourInts;
  using Sum = __m512i;
  using Weight = __m512i;
  using Input = __m512i;
  static constexpr int MOST_ROWS = 6, STEP = 64, FLUSH = 1 << 16;
  // The instruction takes one factor without sign: weights + 128; 128 times the sum of the
  // activations is taken off again.
  static constexpr int SHIFT = 128;

  static constexpr int columns(int) { return COLUMNS; }
  static FourInts offset(int32_t row_sum) { return FourInts{} - SHIFT * row_sum; }

  INLINED static Weight weight(const int8_t* from) {
    return _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi8(-128));
  }
  INLINED static Input input(const int8_t* from) { return _mm512_loadu_si512(from); }
  INLINED static void add(Sum& total, Weight w, Input a) {
    // As an intrinsic, gcc 12 copies its totals to and fro.
    asm("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(w), "v"(a));
  }
  INLINED static FourInts total(const Sum* own) {
    const auto pairs = [](__m512i a, __m512i b) INLINED {
      return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    };
    const __m512i ab = pairs(own[0], own[1]), cd = pairs(own[2], own[3]);
    const __m512i all =
        _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i half =
        _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return (FourInts)_mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
};
