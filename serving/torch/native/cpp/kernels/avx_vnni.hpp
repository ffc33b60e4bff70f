// AVX-VNNI: 32 products an instruction, summed by fours in int32. Where AVX-512 has the same
// instruction for 256 bits, this is compiled to it.
#pragma once

#include "groups_x86.hpp"

struct Kernel : Tiled<Kernel> {
  static constexpr const char* NAME = "avx_vnni";
  using Groups = FourBits;
  using Activation = int8_t;
  using Sums = FourInts;
  using Sum = __m256i;
  using Weight = __m256i;
  using Input = __m256i;
  static constexpr int MOST_ROWS = 6, STEP = 32, FLUSH = 1 << 16;
  static constexpr int SHIFT = 128;  // as in avx512_vnni.hpp

  static constexpr int columns(int rows) { return rows <= 2 ? 4 : 2; }
  static FourInts offset(int32_t row_sum) { return FourInts{} - SHIFT * row_sum; }

  INLINED static Weight weight(const int8_t* from) {
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)from), _mm256_set1_epi8(-128));
  }
  INLINED static Input input(const int8_t* from) {
    return _mm256_loadu_si256((const __m256i*)from);
  }
  INLINED static void add(Sum& total, Weight w, Input a) {
#if !defined(__AVX512VL__)
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(total) : "x"(w), "x"(a));
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(total) : "v"(w), "v"(a));
#endif
  }
  INLINED static FourInts total(const Sum* own) {
    const __m256i all =
        _mm256_hadd_epi32(_mm256_hadd_epi32(own[0], own[1]), _mm256_hadd_epi32(own[2], own[3]));
    return (FourInts)_mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  }
};
