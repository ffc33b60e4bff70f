// Whether a kernel's sums are those of integers, at their extremes too: asked before it is used.
#pragma once

#include "product.hpp"

// Numbers from -largest to largest that are at the ends where kernels go wrong: all of a row at one
// end, ends in turn, and everything between.
class Extremes {
 public:
  explicit Extremes(int largest) : largest_(largest) {}

  int at(int row, int column) {
    state_ = state_ * 1664525u + 1013904223u;
    switch (row % 4) {
      case 0:
        return largest_;
      case 1:
        return -largest_;
      case 2:
        return column % 2 ? largest_ : -largest_;
      default:
        return int(state_ >> 8) % (2 * largest_ + 1) - largest_;
    }
  }

 private:
  const int largest_;
  uint32_t state_ = 1;
};

inline bool is_exact(int width, int num_tokens, int num_rows) {
  std::vector<int8_t> weight(int64_t(num_rows) * width);
  std::vector<Activation> values(int64_t(num_tokens) * width);
  std::vector<int32_t> row_sums(num_tokens), tokens(num_tokens);
  std::vector<float> steps(num_tokens, 1), scales(num_rows, 1), found(num_tokens * num_rows);
  std::vector<float*> outputs(num_tokens);
  Extremes weights(127), activations(Kernel::LEVELS);
  for (int64_t i = 0; i < int64_t(weight.size()); ++i)
    weight[i] = int8_t(weights.at(int(i / width), int(i % width)));
  for (int64_t i = 0; i < int64_t(values.size()); ++i) {
    values[i] = Activation(activations.at(int(i / width), int(i % width)));
    row_sums[i / width] += values[i];
  }
  for (int t = 0; t < num_tokens; ++t) {
    tokens[t] = t;
    outputs[t] = &found[t * num_rows];
  }
  multiply({values.data(), row_sums.data(), steps.data(), num_tokens, width, 1},
           {tokens.data(), outputs.data(), num_tokens}, {weight.data(), scales.data(), num_rows});
  const auto sum = [&](int row, int n) {
    int64_t total = 0;
    for (int k = 0; k < width; ++k)
      total += int64_t(values[int64_t(row) * width + k]) * weight[int64_t(n) * width + k];
    return float(total);
  };
  for (int t = 0; t < num_tokens; ++t)
    for (int n = 0; n < num_rows; ++n)
      if (outputs[t][n] != sum(t, n)) return false;
  return true;
}

// Two halves of activations are rows like others.
inline bool is_exact() {
  constexpr int WIDTHS[] = {3, 16, 100, 576, 4099, 11008}, ROWS = 6;
  for (int width : WIDTHS)
    for (int num_tokens = 1; num_tokens <= Kernel::MOST_ROWS + 1; ++num_tokens)
      if (!is_exact(width, num_tokens, ROWS)) return false;
  return true;
}
