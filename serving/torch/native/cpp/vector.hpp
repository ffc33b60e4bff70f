// As many floats at a time as a register of the processor holds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

using Floats = float __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
using Integers = int32_t __attribute__((vector_size(4 * LANES), aligned(4)));
using float16 = uint16_t;  // IEEE half precision

#define INLINED __attribute__((always_inline))

// Calls f for 0 … COUNT - 1, each a constant: written out, so that arrays can be registers.
template <class F, int... I>
inline INLINED void each(F f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>()), ...);
}
template <int COUNT, class F>
inline INLINED void each(F f) {
  each(f, std::make_integer_sequence<int, COUNT>());
}

// Not by std::memcpy, of which gcc makes two halves and a way through memory.
inline Floats load(const float* from) { return *reinterpret_cast<const Floats*>(from); }
inline void store(float* to, Floats values) { *reinterpret_cast<Floats*>(to) = values; }

#if defined(__AVX512F__)
inline Floats load_int8(const int8_t* from) {
  return (Floats)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)from)));
}
inline Floats load_float16(const float16* from) {
  return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)from));
}
inline void store_float16(float16* to, Floats values) {
  _mm256_storeu_si256((__m256i*)to, _mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__AVX2__) && defined(__F16C__)
inline Floats load_int8(const int8_t* from) {
  return (Floats)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)from)));
}
inline Floats load_float16(const float16* from) {
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)from));
}
inline void store_float16(float16* to, Floats values) {
  _mm_storeu_si128((__m128i*)to, _mm256_cvtps_ph((__m256)values, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__ARM_NEON)
inline Floats load_int8(const int8_t* from) {
  int32_t four;
  std::memcpy(&four, from, sizeof four);
  const int16x8_t wide = vmovl_s8(vcreate_s8(uint32_t(four)));
  return (Floats)vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
inline Floats load_float16(const float16* from) {
  return (Floats)vcvt_f32_f16(vld1_f16((const float16_t*)from));
}
inline void store_float16(float16* to, Floats values) {
  vst1_f16((float16_t*)to, vcvt_f16_f32((float32x4_t)values));
}
#else
inline Floats load_int8(const int8_t* from) {
  Floats values;
  for (int i = 0; i < LANES; ++i) values[i] = from[i];
  return values;
}
inline float widen(float16 half) {
  const uint32_t sign = uint32_t(half & 0x8000) << 16, exponent = half >> 10 & 31;
  const uint32_t fraction = half & 1023;
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * float(fraction) * 0x1p-24f;
  const uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline float16 narrow(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const float16 sign = float16(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits >= 0x477ff000) return sign | 0x7c00;  // rounds to more than 65,504
  if (bits < 0x38800000) return sign | float16(std::nearbyint(std::fabs(value) * 0x1p24f));
  bits += 0xfff + (bits >> 13 & 1);  // to the nearest, to even
  return sign | float16((bits >> 13) - (112 << 10));
}
inline Floats load_float16(const float16* from) {
  Floats values;
  for (int i = 0; i < LANES; ++i) values[i] = widen(from[i]);
  return values;
}
inline void store_float16(float16* to, Floats values) {
  for (int i = 0; i < LANES; ++i) to[i] = narrow(values[i]);
}
#endif

inline Floats larger(Floats one, Floats other) { return one > other ? one : other; }

inline float sum(Floats values) {
  float total = 0;
  for (int i = 0; i < LANES; ++i) total += values[i];
  return total;
}

inline float largest(Floats values) {
  float most = values[0];
  for (int i = 1; i < LANES; ++i) most = std::max(most, values[i]);
  return most;
}

// The sum of each of as many vectors as they have lanes.
inline Floats sums(const Floats* vectors) {
#if defined(__AVX512F__)
  __m512 pairs[8], fours[4];
  for (int i = 0; i < 8; ++i) {
    const __m512 a = (__m512)vectors[2 * i], b = (__m512)vectors[2 * i + 1];
    pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  }
  for (int i = 0; i < 4; ++i) {
    const __m512d a = (__m512d)pairs[2 * i], b = (__m512d)pairs[2 * i + 1];
    fours[i] = _mm512_add_ps((__m512)_mm512_unpacklo_pd(a, b), (__m512)_mm512_unpackhi_pd(a, b));
  }
  const auto lanes = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  return (Floats)lanes(lanes(fours[0], fours[1]), lanes(fours[2], fours[3]));
#elif defined(__AVX2__)
  const auto four = [&](int i) {
    return _mm256_hadd_ps(_mm256_hadd_ps((__m256)vectors[i], (__m256)vectors[i + 1]),
                          _mm256_hadd_ps((__m256)vectors[i + 2], (__m256)vectors[i + 3]));
  };
  const __m256 low = four(0), high = four(4);
  return (Floats)_mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                               _mm256_permute2f128_ps(low, high, 0x31));
#elif defined(__ARM_NEON)
  const auto pair = [&](int i) {
    return vpaddq_f32((float32x4_t)vectors[i], (float32x4_t)vectors[i + 1]);
  };
  return (Floats)vpaddq_f32(pair(0), pair(2));
#else
  Floats totals;
  for (int i = 0; i < LANES; ++i) totals[i] = sum(vectors[i]);
  return totals;
#endif
}

// Of a magnitude under 2^22: 1.5 · 2^23 leaves no fraction. As std::nearbyint, on any processor.
constexpr float ROUNDER = 12582912;
inline float rounded(float value) { return (value + ROUNDER) - ROUNDER; }

// e^x to about 2e-7 of its size, for x up to 88: 2^n · e^r, e^r by its Taylor series.
inline Floats exponential(Floats x) {
  x = x < -87.0f ? Floats{} - 87.0f : x;
  x = x > 88.0f ? Floats{} + 88.0f : x;
  const Floats n = (x * 1.44269504f + ROUNDER) - ROUNDER;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats power = r * (1.0f / 720) + 1.0f / 120;
  power = power * r + 1.0f / 24;
  power = power * r + 1.0f / 6;
  power = power * r + 0.5f;
  power = power * r + 1.0f;
  power = power * r + 1.0f;
  return power * (Floats)((__builtin_convertvector(n, Integers) + 127) << 23);
}
