// An adapter from its file's numbers to int8. What it computes is what linear.py computes.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "model.hpp"
#include "vector.hpp"

enum Type : int32_t { FLOAT32, FLOAT16, BFLOAT16 };

extern "C" {

// One projection of one layer, as the file has it, and where it goes.
struct Module {
  const void *a, *b;  // A [rank, inputs], B [outputs, rank]
  int8_t* rows;       // A's
  float* scales;      // of A's rows; B's are in them
  int8_t* up;         // B [granules, 16, outputs]
  float* largest;     // number in A and in factor · B; NaN or infinite if one of them is
  float factor;
  int32_t rank, inputs, outputs;
  int32_t stride;  // [rows] from one granule of A to the next
  Type type;       // of A and B
};

}  // extern "C"

class Encoder {
 public:
  explicit Encoder(int limit) : limit_(limit) {}

  void encode(const Module& module) {
    *module.largest = 0;
    scales_.resize(module.rank);
    turn(module);
    for (int r = 0; r < module.rank; ++r) {
      encode_up(module, r);
      encode_down(module, r);
    }
  }

 private:
  // B with its ranks first, a part at a time that stays in the nearest cache.
  void turn(const Module& m) {
    constexpr int PART = 32;
    const int rank = m.rank, outputs = m.outputs;
    widen(m, m.b, 0, int64_t(outputs) * rank);
    turned_.resize(int64_t(outputs) * rank);
    for (int first = 0; first < outputs; first += PART)
      for (int r = 0; r < rank; ++r) {
        const float* from = &wide_[int64_t(first) * rank + r];
        float* to = &turned_[int64_t(r) * outputs + first];
        const int width = std::min(PART, outputs - first);
        for (int n = 0; n < width; ++n) to[n] = from[n * rank];
      }
  }

  void encode_up(const Module& m, int r) {
    float* values = &turned_[int64_t(r) * m.outputs];
    const float most = scaled(values, m.outputs, m.factor);
    *m.largest = larger(*m.largest, most);
    scales_[r] = std::max(most, SMALLEST) / 127;
    round(values, scales_[r], m.outputs, m.up + int64_t(r) * m.outputs);
  }

  void encode_down(const Module& m, int r) {
    const int64_t row = int64_t(r / GRANULE) * m.stride + r % GRANULE;
    widen(m, m.a, int64_t(r) * m.inputs, m.inputs);
    *m.largest = larger(*m.largest, scaled(wide_.data(), m.inputs, 1));
    const float most = scaled(wide_.data(), m.inputs, scales_[r]);
    m.scales[row] = std::max(most, SMALLEST) / limit_;
    round(wide_.data(), m.scales[row], m.inputs, m.rows + row * m.inputs);
  }

  // Multiplies; returns the largest magnitude then, NaN if one is no number or infinite.
  static float scaled(float* values, int width, float factor) {
    float most = 0, poison = 0;
#pragma omp simd reduction(max : most) reduction(+ : poison)
    for (int i = 0; i < width; ++i) {
      values[i] *= factor;
      most = std::max(most, std::fabs(values[i]));
      poison += values[i] - values[i];
    }
    return most + poison;
  }

  static float larger(float one, float other) { return one != one || one > other ? one : other; }

  static void round(const float* values, float scale, int width, int8_t* to) {
#pragma omp simd
    for (int i = 0; i < width; ++i) to[i] = int8_t(int32_t(std::nearbyint(values[i] / scale)));
  }

  void widen(const Module& m, const void* values, int64_t first, int64_t count) {
    wide_.resize(std::max(int64_t(wide_.size()), count));
    if (m.type == FLOAT32)
      std::memcpy(wide_.data(), static_cast<const float*>(values) + first, count * sizeof(float));
    else if (m.type == FLOAT16)
      widen_row(static_cast<const float16*>(values) + first, wide_.data(), int(count));
    else
      for (int64_t i = 0; i < count; ++i) {
        const uint32_t bits = uint32_t(static_cast<const uint16_t*>(values)[first + i]) << 16;
        std::memcpy(&wide_[i], &bits, sizeof bits);
      }
  }

  static constexpr float SMALLEST = 1e-12f;  // scale times its steps
  const float limit_;
  std::vector<float> wide_, turned_, scales_;
};
