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

// Rounded activations at the ends, and what a product of them is.
template <class T>
struct Trial {
  Trial(int width, int num_tokens, int num_rows)
      : values(int64_t(num_tokens) * width),
        row_sums(num_tokens),
        tokens(num_tokens),
        steps(num_tokens, 1),
        scales(num_rows, 1),
        found(num_tokens * num_rows),
        outputs(num_tokens),
        in{values.data(), row_sums.data(), steps.data(), num_tokens, width, 1} {
    Extremes activations(std::numeric_limits<T>::max());
    for (int64_t i = 0; i < int64_t(values.size()); ++i) {
      values[i] = T(activations.at(int(i / width), int(i % width)));
      row_sums[i / width] += values[i];
    }
    for (int t = 0; t < num_tokens; ++t) {
      tokens[t] = t;
      outputs[t] = &found[t * num_rows];
    }
  }

  // `weight(row, column)` is the integer that a product is computed with.
  template <class Weights, class Weight>
  bool is_exact(const Weights& weights, Weight weight) {
    multiply(in, {tokens.data(), outputs.data(), in.num_tokens}, weights);
    for (int t = 0; t < in.num_tokens; ++t)
      for (int n = 0; n < weights.count; ++n) {
        int64_t total = 0;
        for (int k = 0; k < in.width; ++k)
          total += int64_t(values[int64_t(t) * in.width + k]) * weight(n, k);
        if (outputs[t][n] != float(total)) return false;
      }
    return true;
  }

  std::vector<T> values;
  std::vector<int32_t> row_sums, tokens;
  std::vector<float> steps, scales, found;
  std::vector<float*> outputs;
  Rounded<T> in;
};

template <class T>
bool is_exact(int width, int num_tokens, int num_rows) {
  std::vector<int8_t> values(int64_t(num_rows) * width);
  Extremes weights(127);
  for (int64_t i = 0; i < int64_t(values.size()); ++i)
    values[i] = int8_t(weights.at(int(i / width), int(i % width)));
  Trial<T> trial(width, num_tokens, num_rows);
  return trial.is_exact(Bytes{values.data(), trial.scales.data(), num_rows},
                        [&](int n, int k) { return values[int64_t(n) * width + k]; });
}

// The same of four bits: levels and scales at their ends, too.
inline bool is_exact_in_four_bits(int width, int num_tokens, int num_rows) {
  std::vector<uint8_t> values(int64_t(num_rows) * width / 2);
  std::vector<int8_t> groups(int64_t(num_rows) * width / GROUP);
  std::vector<int32_t> row_sums(num_rows);
  Extremes bytes(7), scales(MOST_SCALE);
  for (int64_t i = 0; i < int64_t(values.size()); ++i) {
    const int row = int(2 * i / width), own = bytes.at(row, int(i)) + 7;
    values[i] = uint8_t(row % 4 == 3 ? own | (i % 16) << 4 : 17 * (own + own / 14));
  }
  for (int64_t i = 0; i < int64_t(groups.size()); ++i) {
    const int row = int(i * GROUP / width);
    groups[i] = int8_t(scales.at(row < COLUMNS ? 0 : row, int(i)));
  }
  const auto weight = [&](int n, int k) {
    return int(level_at(&values[int64_t(n) * width / 2], k)) *
           groups[int64_t(n) * (width / GROUP) + k / GROUP];
  };
  for (int n = 0; n < num_rows; ++n)
    for (int k = 0; k < width; ++k) row_sums[n] += weight(n, k);
  Trial<int8_t> trial(width, num_tokens, num_rows);
  return trial.is_exact(
      Nibbles{values.data(), groups.data(), row_sums.data(), trial.scales.data(), num_rows},
      weight);
}

// Two halves of activations are rows like others. Activations beside four bits meet adapters'
// bytes.
inline bool is_exact() {
  constexpr int WIDTHS[] = {3, 16, 100, 576, 4099, 11008}, ROWS = 6;
  for (int width : WIDTHS)
    for (int num_tokens = 1; num_tokens <= Kernel::MOST_ROWS + 1; ++num_tokens)
      if (!is_exact<Activation>(width, num_tokens, ROWS) ||
          !is_exact<int8_t>(width, num_tokens, ROWS))
        return false;
  for (int width : {64, 576, 11008, 20480})
    for (int num_tokens = 1; num_tokens <= Nibbles::MOST_ROWS + 1; ++num_tokens)
      if (!is_exact_in_four_bits(width, num_tokens, 2 * COLUMNS)) return false;
  return true;
}
