// What Python calls.

#include "encode.hpp"
#include "forward.hpp"

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

}  // extern "C"
