// What Python calls.

#include <numeric>

#include "check.hpp"
#include "encode.hpp"
#include "forward.hpp"
#include "packing.hpp"

#pragma GCC visibility push(default)
extern "C" {

// 0 if there was not enough memory.
int32_t lora_chat_forward(const Model* model, const Step* step) try {
  Forward forward(*model, *step);
#pragma omp parallel num_threads(step->num_threads)
  forward.run();
  return 1;
} catch (const std::bad_alloc&) {
  return 0;
}

// limit: of the numbers that A is rounded to. 0 if there was not enough memory.
int32_t lora_chat_encode(const Module* modules, int32_t count, int32_t limit) try {
  Encoder encoder(limit);
  for (int i = 0; i < count; ++i) encoder.encode(modules[i]);
  return 1;
} catch (const std::bad_alloc&) {
  return 0;
}

// Which kernel this was compiled with.
const char* lora_chat_kernel() { return Kernel::NAME; }

// Whether its sums are exact.
int32_t lora_chat_check() { return is_exact(); }

// A product by itself: inputs [tokens, linear's inputs], outputs [tokens, linear's rows]. 0 if
// there was not enough memory.
int32_t lora_chat_product(const Linear* linear, const float* inputs, int32_t num_tokens,
                          int32_t num_threads, float* outputs) try {
  with_activation(*linear, [&](auto kind) {
    using T = decltype(kind);
    const int halves = halves_of<T>(linear->halves), width = linear->inputs;
    std::vector<T> values(int64_t(halves) * num_tokens * width);
    std::vector<int32_t> row_sums(halves * num_tokens), tokens(num_tokens);
    std::vector<float> steps(num_tokens);
    const Rounded<T> in{values.data(), row_sums.data(), steps.data(), num_tokens, width, halves};
    std::iota(tokens.begin(), tokens.end(), 0);
#pragma omp parallel for num_threads(num_threads)
    for (int t = 0; t < num_tokens; ++t) round_row(inputs + int64_t(t) * width, in, t);
#pragma omp parallel for schedule(dynamic, 1) num_threads(num_threads)
    for (int first = 0; first < linear->rows; first += COLUMNS_A_TASK) {
      const int last = std::min(first + COLUMNS_A_TASK, linear->rows);
      std::vector<float*> own(num_tokens);
      for (int t = 0; t < num_tokens; ++t) own[t] = outputs + int64_t(t) * linear->rows + first;
      multiply_rows(*linear, in, {tokens.data(), own.data(), num_tokens}, first, last);
    }
  });
  return 1;
} catch (const std::bad_alloc&) {
  return 0;
}

// Rows of weights in four bits: rows [count, width] to values [count, width / 2], their groups'
// scales [count, width / 32], and of each row the sum and the step.
void lora_chat_pack(const float* rows, int32_t count, int32_t width, uint8_t* values,
                    int8_t* groups, int32_t* row_sums, float* scales) {
  for (int64_t r = 0; r < count; ++r)
    pack_row(rows + r * width, width,
             {values + r * (width / 2), groups + r * (width / GROUP), row_sums + r, scales + r});
}

// What they stand for: rows [count, width].
void lora_chat_unpack(const uint8_t* values, const int8_t* groups, const float* scales,
                      int32_t count, int32_t width, float* rows) {
  for (int64_t r = 0; r < count; ++r)
    unpack_row(values + r * (width / 2), groups + r * (width / GROUP), scales[r], width,
               rows + r * width);
}

}  // extern "C"
#pragma GCC visibility pop
