// The adapters of a step's tokens: who has which granule, and the products with B.
#pragma once

#include <algorithm>
#include <vector>

#include "model.hpp"
#include "vector.hpp"

constexpr int MOST_TOGETHER = 4;  // tokens that read an adapter's B together
constexpr int ROWS_OF_B = 4;      // read side by side, each from its begin to its end

// The tokens of a step that have a granule, and where its hidden values go for each of them.
struct Users {
  int64_t granule;
  std::vector<int32_t> tokens, places;  // a place: token · width + k
};

inline std::vector<Users> users_of(const Step& step) {
  std::vector<Users> all;
  for (int t = 0; t < step.num_tokens; ++t)
    for (int k = 0; k < step.width; ++k) {
      const int32_t place = t * step.width + k;
      if (step.scales[place] == 0) continue;
      const int64_t granule = step.granules[place];
      auto found =
          std::find_if(all.begin(), all.end(), [&](auto& u) { return u.granule == granule; });
      if (found == all.end()) found = all.insert(all.end(), {granule, {}, {}});
      found->tokens.push_back(t);
      found->places.push_back(place);
    }
  return all;
}

// Consecutive tokens with the same granules, which read B together; every thread gets some.
struct Run {
  int first, count;  // [tokens]
};

inline std::vector<Run> runs_of(const Step& step) {
  std::vector<Run> runs;
  const int most = std::clamp(step.num_tokens / (2 * step.num_threads), 1, MOST_TOGETHER);
  const auto same = [&](int one, int other) {
    for (int k = 0; k < step.width; ++k)
      if (step.granules[one * step.width + k] != step.granules[other * step.width + k] ||
          step.scales[one * step.width + k] != step.scales[other * step.width + k])
        return false;
    return true;
  };
  for (int t = 0; t < step.num_tokens; ++t)
    if (!runs.empty() && runs.back().count < most && same(runs.back().first, t))
      ++runs.back().count;
    else
      runs.push_back({t, 1});
  return runs;
}

// The hidden values of consecutive tokens for one granule, parts side by side, and its scale.
struct Lows {
  const float* first;
  int stride;  // [floats] to the next token
  float scale;
};

// outputs += scale · lows · B, one part; outputs of the next token lie `stride` further on.
template <int TOKENS>
inline void add_up(const Lows& lows, int part, const int8_t* up, int width, float* outputs,
                   int64_t stride) {
  const int whole = width / LANES * LANES;
  for (int r = 0; r < GRANULE; r += ROWS_OF_B) {
    const int8_t* own = up + int64_t(r) * width;
    float scaled[TOKENS][ROWS_OF_B];
    for (int t = 0; t < TOKENS; ++t)
      for (int i = 0; i < ROWS_OF_B; ++i)
        scaled[t][i] = lows.first[t * lows.stride + part * GRANULE + r + i] * lows.scale;
    for (int n = 0; n < whole; n += LANES) {
      Floats rows[ROWS_OF_B];
      each<ROWS_OF_B>([&](auto i) INLINED {
        rows[i] = load_int8(own + int64_t(i) * width + n);
        __builtin_prefetch(own + int64_t(i + ROWS_OF_B) * width + n);
      });
      each<TOKENS>([&](auto t) INLINED {
        Floats total = load(outputs + t * stride + n);
        each<ROWS_OF_B>([&](auto i) INLINED { total += scaled[t][i] * rows[i]; });
        store(outputs + t * stride + n, total);
      });
    }
    for (int n = whole; n < width; ++n)
      for (int t = 0; t < TOKENS; ++t)
        for (int i = 0; i < ROWS_OF_B; ++i)
          outputs[t * stride + n] += scaled[t][i] * float(own[int64_t(i) * width + n]);
  }
}

using AddUp = void (*)(const Lows&, int, const int8_t*, int, float*, int64_t);
constexpr AddUp ADD_UP[MOST_TOGETHER] = {add_up<1>, add_up<2>, add_up<3>, add_up<4>};
