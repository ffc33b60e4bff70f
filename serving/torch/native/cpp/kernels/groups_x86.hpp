// Weights in four bits with AVX2 or AVX-512: activations without sign times levels, summed by pairs
// in int16, and by fours with their group's scale in int32.
#pragma once

#include "groups.hpp"

// All lanes of a row together may be beyond int32.
INLINED inline FourDoubles wide_total(const __m256i* own) {
  const auto wide = [](__m256i lanes) INLINED {
    return _mm256_add_pd(_mm256_cvtepi32_pd(_mm256_castsi256_si128(lanes)),
                         _mm256_cvtepi32_pd(_mm256_extracti128_si256(lanes, 1)));
  };
  const __m256d ab = _mm256_hadd_pd(wide(own[0]), wide(own[1]));
  const __m256d cd = _mm256_hadd_pd(wide(own[2]), wide(own[3]));
  return (FourDoubles)_mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20),
                                    _mm256_permute2f128_pd(ab, cd, 0x31));
}

INLINED inline __m128i sixteen_levels() { return _mm_loadu_si128((const __m128i*)NIBBLES); }

template <class T>
INLINED inline T read(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

#if defined(__AVX512BW__)
struct FourBits : TiledGroups<FourBits> {
  // Of both pairs the first groups, and the second ones.
  struct Weights {
    __m512i levels[2], scales[2];
  };
  struct Inputs {
    __m512i values[2];
  };
  using Sum = __m512i;
  static constexpr int MOST_ROWS = 6, OFFSET = 128, STEP = 2 * PAIR;

  static constexpr int columns(int rows) { return rows <= 2 ? 4 : 2; }

  template <bool WHOLE>
  INLINED static Weights weights(const uint8_t* from, const int8_t* scales) {
    const __m512i bytes = two<WHOLE>(from, from + GROUP);
    const __m512i table = _mm512_broadcast_i32x4(sixteen_levels()), lower = _mm512_set1_epi8(15);
    // Their bytes to the upper halves of 16 bits, where a shift gives them their signs.
    const __m512i four = _mm512_set1_epi32(WHOLE ? read<int32_t>(scales) : read<uint16_t>(scales));
    const auto scale = [=](int group) INLINED {
      const __m256i first = _mm256_set1_epi16(int16_t(group << 8 | 128));
      const __m256i second = _mm256_set1_epi16(int16_t((group + 2) << 8 | 128));
      const __m512i places = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
      return _mm512_srai_epi16(_mm512_shuffle_epi8(four, places), 8);
    };
    return {{_mm512_shuffle_epi8(table, _mm512_and_si512(bytes, lower)),
             _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), lower))},
            {scale(0), scale(1)}};
  }
  template <bool WHOLE>
  INLINED static Inputs inputs(const int8_t* from) {
    const auto one = [=](const int8_t* own) INLINED {
      return _mm512_xor_si512(two<WHOLE>(own, own + PAIR), _mm512_set1_epi8(-128));
    };
    return {{one(from), one(from + GROUP)}};
  }
  // The second one is zeros if it is not there: so are the scales that it meets.
  template <bool WHOLE>
  INLINED static __m512i two(const void* first, const void* second) {
    const __m512i low = _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i*)first));
    return WHOLE ? _mm512_inserti64x4(low, _mm256_loadu_si256((const __m256i*)second), 1) : low;
  }
  INLINED static void add(Sum& total, const Weights& w, const Inputs& a) {
    each<2>([&](auto n) INLINED {
      const __m512i pairs = _mm512_maddubs_epi16(a.values[n], w.levels[n]);
      asm("vpdpwssd %2, %1, %0" : "+v"(total) : "v"(pairs), "v"(w.scales[n]));
    });
  }
  INLINED static FourDoubles total(const Sum* own) {
    __m256i low[COLUMNS], high[COLUMNS];
    for (int c = 0; c < COLUMNS; ++c) {
      low[c] = _mm512_castsi512_si256(own[c]);
      high[c] = _mm512_extracti64x4_epi64(own[c], 1);
    }
    return wide_total(low) + wide_total(high);
  }
};
#else
struct FourBits : TiledGroups<FourBits> {
  struct Weights {
    __m256i levels[2], scales[2];
  };
  struct Inputs {
    __m256i values[2];
  };
  using Sum = __m256i;
  static constexpr int MOST_ROWS = 4, OFFSET = 128, STEP = PAIR;

  static constexpr int columns(int rows) { return rows <= 1 ? 4 : 2; }

  template <bool>
  INLINED static Weights weights(const uint8_t* from, const int8_t* scales) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i*)from);
    const __m256i table = _mm256_broadcastsi128_si256(sixteen_levels());
    const __m256i lower = _mm256_set1_epi8(15);
    const __m256i both = _mm256_set1_epi16(read<int16_t>(scales));
    return {{_mm256_shuffle_epi8(table, _mm256_and_si256(bytes, lower)),
             _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), lower))},
            {_mm256_srai_epi16(_mm256_slli_epi16(both, 8), 8), _mm256_srai_epi16(both, 8)}};
  }
  template <bool>
  INLINED static Inputs inputs(const int8_t* from) {
    const auto one = [=](int n) INLINED {
      return _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)from + n), _mm256_set1_epi8(-128));
    };
    return {{one(0), one(1)}};
  }
  INLINED static void add(Sum& total, const Weights& w, const Inputs& a) {
    each<2>([&](auto n) INLINED {
      const __m256i pairs = _mm256_maddubs_epi16(a.values[n], w.levels[n]);
      total = _mm256_add_epi32(total, _mm256_madd_epi16(pairs, w.scales[n]));
    });
  }
  INLINED static FourDoubles total(const Sum* own) { return wide_total(own); }
};
#endif
