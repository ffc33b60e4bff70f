// Run by test_kernels.py, on this machine or emulated: ends with 0 if a kernel's sums are exact and
// the vectors that all else is made of compute what plain loops compute.

#include <cstdio>
#include <random>

#include "adapters.hpp"
#include "attention.hpp"
#include "check.hpp"
#include "packing.hpp"

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

// Activations that are rounded here, in one half and in two, against what they were.
bool can_multiply(int width, int halves) {
  constexpr int TOKENS = 5, ROWS = 7;
  std::vector<float> inputs(TOKENS * width), outputs(TOKENS * ROWS), scales(ROWS), steps(TOKENS);
  std::vector<int8_t> weight(ROWS * width);
  std::vector<Activation> values(halves * TOKENS * width);
  std::vector<int32_t> row_sums(halves * TOKENS), tokens(TOKENS);
  std::vector<float*> rows(TOKENS);
  for (float& value : inputs) value = noise();
  for (float& value : scales) value = std::fabs(noise());
  for (int8_t& value : weight) value = int8_t(engine() % 255 - 127);
  const Rounded<Activation> in{values.data(), row_sums.data(), steps.data(), TOKENS, width, halves};
  for (int t = 0; t < TOKENS; ++t) {
    round_row(&inputs[t * width], in, t);
    tokens[t] = t;
    rows[t] = &outputs[t * ROWS];
  }
  multiply(in, {tokens.data(), rows.data(), TOKENS}, Bytes{weight.data(), scales.data(), ROWS});
  const double tolerance = sizeof(Activation) > 1 || halves == 2 ? 3e-4 : 5e-2;
  for (int t = 0; t < TOKENS; ++t)
    for (int n = 0; n < ROWS; ++n) {
      double right = 0, size = 0;
      for (int k = 0; k < width; ++k) {
        const double product = double(inputs[t * width + k]) * weight[n * width + k] * scales[n];
        right += product;
        size += product * product;
      }
      if (std::fabs(rows[t][n] - right) > tolerance * (std::sqrt(size) + 1e-6)) return false;
    }
  return true;
}

// B of an adapter for four tokens at once, at a width that leaves a rest.
bool can_add_up() {
  constexpr int TOKENS = MOST_TOGETHER, WIDTH = 45;
  std::vector<int8_t> up(GRANULE * WIDTH);
  std::vector<float> lows(TOKENS * GRANULE), outputs(TOKENS * WIDTH), right(TOKENS * WIDTH);
  for (int8_t& value : up) value = int8_t(engine() % 255 - 127);
  for (float& value : lows) value = noise();
  for (int t = 0; t < TOKENS; ++t)
    for (int n = 0; n < WIDTH; ++n) {
      right[t * WIDTH + n] = outputs[t * WIDTH + n] = noise();
      for (int r = 0; r < GRANULE; ++r)
        right[t * WIDTH + n] += 0.5f * lows[t * GRANULE + r] * up[r * WIDTH + n];
    }
  ADD_UP[TOKENS - 1]({lows.data(), GRANULE, 0.5f}, 0, up.data(), WIDTH, outputs.data(), WIDTH);
  for (int i = 0; i < TOKENS * WIDTH; ++i)
    if (std::fabs(outputs[i] - right[i]) > 1e-2f) return false;
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

// Each number becomes the level next to it, of a scale that loses little; at a width that leaves
// a rest, with groups of zeros and of tiny numbers.
bool can_pack() {
  constexpr int WIDTH = PAIR * 21, GROUPS = WIDTH / GROUP, ZEROS = 3, TINY = 40;
  std::vector<float> row(WIDTH), wide(WIDTH);
  for (float& value : row) value = noise();
  std::fill_n(&row[ZEROS * GROUP], GROUP, 0.0f);
  std::fill_n(&row[TINY * GROUP], GROUP, 1e-30f);
  std::vector<uint8_t> values(WIDTH / 2);
  std::vector<int8_t> groups(GROUPS);
  int32_t whole_sum;
  float step;
  pack_row(row.data(), WIDTH, {values.data(), groups.data(), &whole_sum, &step});
  unpack_row(values.data(), groups.data(), step, WIDTH, wide.data());
  double lost = 0, size = 0, sum = 0;
  for (int i = 0; i < WIDTH; ++i) {
    float least = INFINITY;
    for (const int8_t level : NIBBLES)
      least = std::min(least, std::fabs(float(level * groups[i / GROUP]) * step - row[i]));
    if (std::fabs(wide[i] - row[i]) > least + 1e-6f) return false;
    lost += std::pow(wide[i] - row[i], 2);
    size += std::pow(row[i], 2);
    sum += wide[i];
  }
  return groups[ZEROS] == 0 && groups[TINY] == 0 && lost < 0.007 * size &&
         std::fabs(sum - double(whole_sum) * step) < 1e-3;
}

int main() {
  const std::pair<const char*, bool> outcomes[] = {
      {"sums", is_exact()},
      {"numbers", can_widen()},
      {"lanes", can_sum()},
      {"powers", can_raise()},
      {"rounding", can_round()},
      {"attention", can_attend(64)},
      {"odd heads", can_attend(20)},
      {"products", can_multiply(576, 1) && can_multiply(577, 1) && can_multiply(30, 1)},
      {"halves",
       can_multiply(576, halves_of<Activation>(2)) && can_multiply(101, halves_of<Activation>(2))},
      {"adapters", can_add_up()},
      {"packing", can_pack()},
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
