// Run by test_kernels.py, on this machine or emulated: ends with 0 if a kernel's sums are exact and
// the vectors that all else is made of compute what plain loops compute.

#include <cstdio>
#include <random>

#include "attention.hpp"
#include "check.hpp"

std::mt19937 engine(1);

float noise() { return std::normal_distribution<float>()(engine); }

bool is_near(float found, float right, float tolerance) {
  return std::fabs(found - right) <= tolerance * std::max(1.0f, std::fabs(right));
}

// Every finite number of float16, there and back.
bool can_widen() {
  for (int first = 0; first < 1 << 16; first += LANES) {
    float16 bits[LANES], again[LANES];
    for (int i = 0; i < LANES; ++i) bits[i] = float16(first + i);
    store_float16(again, load_float16(bits));
    for (int i = 0; i < LANES; ++i)
      if ((bits[i] & 0x7c00) != 0x7c00 && again[i] != bits[i]) return false;
  }
  int8_t bytes[LANES];
  for (int i = 0; i < LANES; ++i) bytes[i] = int8_t(i * 37 - 128);
  const Floats wide = load_int8(bytes);
  for (int i = 0; i < LANES; ++i)
    if (wide[i] != bytes[i]) return false;
  const float16 half = 0x3555;  // a third
  float16 same[LANES];
  std::fill(same, same + LANES, half);
  return is_near(load_float16(same)[0], 1.0f / 3, 1e-3f);
}

bool can_sum() {
  Floats vectors[LANES];
  float right[LANES] = {};
  for (int i = 0; i < LANES; ++i)
    for (int j = 0; j < LANES; ++j) right[i] += vectors[i][j] = float(i * 100 + j);
  const Floats found = sums(vectors);
  for (int i = 0; i < LANES; ++i)
    if (found[i] != right[i] || sum(vectors[i]) != right[i]) return false;
  return true;
}

bool can_raise() {
  for (float x = -80; x < 80; x += 0.37f)
    if (!is_near(exponential(Floats{} + x)[0] / std::exp(x), 1, 1e-6f)) return false;
  return true;
}

bool can_round() {
  for (float x = -40000; x < 40000; x += 3.3f)
    if (rounded(x) != std::nearbyint(x)) return false;
  return true;
}

// Two new tokens of a sequence of 37, three query heads to a key head.
bool can_attend(int dim) {
  constexpr int LENGTH = 37, NEW = 2, GROUP = 3, BLOCKS = 3;
  const int32_t blocks[BLOCKS] = {2, 0, 1};
  std::vector<float16> keys(BLOCKS * BLOCK * dim), values(keys.size());
  std::vector<float> wide_keys(LENGTH * dim), wide_values(LENGTH * dim), own(dim);
  for (int t = 0; t < LENGTH; ++t)
    for (auto [cache, wide] : {std::pair{&keys, &wide_keys}, std::pair{&values, &wide_values}}) {
      for (float& value : own) value = noise();
      float16* at = &(*cache)[(blocks[t / BLOCK] * BLOCK + t % BLOCK) * dim];
      keep(own.data(), at, dim);
      widen_row(at, &(*wide)[t * dim], dim);
    }
  std::vector<float> queries(NEW * GROUP * dim), outputs(queries.size());
  for (float& value : queries) value = noise() / std::sqrt(float(dim));
  Desk desk;
  attend({keys.data(), values.data(), 1, dim}, blocks, {0, NEW, LENGTH - NEW, 0}, {0, 0, NEW}, 0,
         GROUP, 0, queries.data(), outputs.data(), desk);
  for (int row = 0; row < NEW * GROUP; ++row) {
    const int seen = LENGTH - NEW + row / GROUP + 1;
    std::vector<double> total(dim);
    double all = 0;
    for (int t = 0; t < seen; ++t) {
      double score = 0;
      for (int i = 0; i < dim; ++i) score += queries[row * dim + i] * wide_keys[t * dim + i];
      all += std::exp(score);
      for (int i = 0; i < dim; ++i) total[i] += std::exp(score) * wide_values[t * dim + i];
    }
    for (int i = 0; i < dim; ++i)
      if (!is_near(outputs[row * dim + i], float(total[i] / all), 1e-5f)) return false;
  }
  return true;
}

int main() {
  const std::pair<const char*, bool> outcomes[] = {
      {"sums", is_exact()},          {"numbers", can_widen()},  {"lanes", can_sum()},
      {"powers", can_raise()},       {"rounding", can_round()}, {"attention", can_attend(64)},
      {"odd heads", can_attend(20)},
  };
  bool is_right = true;
  for (const auto& [name, outcome] : outcomes)
    if (!outcome) {
      std::printf("%s: wrong %s\n", Kernel::NAME, name);
      is_right = false;
    }
  if (is_right) std::printf("%s: right\n", Kernel::NAME);
  return !is_right;
}
