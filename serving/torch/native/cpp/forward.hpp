// One step of a LLaMA-family decoder, its weights in a byte or in four bits: the tokens of many
// sequences, each with its own adapters, through all layers. What it computes is what layer.py
// computes; it differs by rounding.
//
// The base's product is computed for all tokens together; an adapter's A and B only for the tokens
// that have it, whatever else is in the step. No token's result depends on the others.

#pragma once

#include "adapters.hpp"
#include "attention.hpp"
#include "linear.hpp"

constexpr int COLUMNS_A_TASK = 32;  // weight rows that one thread computes at a time
constexpr int LOW_STRIDE = MOST_PARTS * GRANULE;

// Everything that one step needs beside the weights; all threads see the same.
class Forward {
 public:
  Forward(const Model& model, const Step& step)
      : model_(model),
        step_(step),
        users_(users_of(step)),
        runs_(runs_of(step)),
        num_tokens_(step.num_tokens) {
    const int heads = model.num_heads * model.head_dim;
    const int qkv = heads + 2 * model.num_kv_heads * model.head_dim;
    const int widest_in = std::max({model.hidden, heads, model.inner});
    const int widest_out = std::max({qkv, 2 * model.inner, model.hidden});
    fused_.resize(int64_t(num_tokens_) * (widest_out + LANES));
    inputs_.resize(int64_t(num_tokens_) * widest_in);
    queries_.resize(int64_t(num_tokens_) * heads);
    lows_.resize(int64_t(num_tokens_) * step.width * LOW_STRIDE);
    values_.resize(2 * int64_t(num_tokens_) * widest_in);
    row_sums_.resize(2 * num_tokens_);
    steps_.resize(num_tokens_);
    identity_.resize(num_tokens_);
    for (int t = 0; t < num_tokens_; ++t) identity_[t] = t;
    const int most = std::max(1, SHARED_ROWS * model.num_kv_heads / model.num_heads);
    for (int s = 0; s < step.num_spans; ++s)
      for (int t = step.spans[s].begin; t < step.spans[s].end; t += most)
        shares_.push_back({s, t, std::min(most, step.spans[s].end - t)});
  }

  // Called by every thread of a team.
  void run() {
    for (int l = 0; l < model_.num_layers; ++l) {
      const Layer& layer = model_.layers[l];
      start(layer.qkv, [&](int t) { return normalized(t, layer.norm_before); });
      finish(layer.qkv, [&](int t, float* fused) { enter(layer, t, fused); });
      attend_all(layer);
      start(layer.output, [&](int t) { return &inputs_[int64_t(t) * layer.output.inputs]; });
      finish(layer.output, [&](int t, float* fused) { add(t, fused); });
      start(layer.gate_up, [&](int t) { return normalized(t, layer.norm_after); });
      finish(layer.gate_up, [&](int t, float* fused) { gate(t, fused); });
      start(layer.down, [&](int t) { return &inputs_[int64_t(t) * layer.down.inputs]; });
      finish(layer.down, [&](int t, float* fused) { add(t, fused); });
    }
    head();
  }

 private:
  template <class T>
  Rounded<T> rounded(const Linear& linear, int num_tokens) {
    return {reinterpret_cast<T*>(values_.data()),
            row_sums_.data(),
            steps_.data(),
            num_tokens,
            linear.inputs,
            halves_of<T>(linear.halves)};
  }

  // Rounds every token's inputs and multiplies them with the base's rows and their own granules'.
  template <class Inputs>
  void start(const Linear& linear, Inputs inputs) {
    with_activation(linear, [&](auto kind) { start(linear, inputs, kind); });
  }

  template <class Inputs, class T>
  void start(const Linear& linear, Inputs inputs, T) {
    const auto in = rounded<T>(linear, num_tokens_);
#pragma omp for schedule(static)
    for (int t = 0; t < num_tokens_; ++t) round_row(inputs(t), in, t);
    const int num_base = (linear.rows + COLUMNS_A_TASK - 1) / COLUMNS_A_TASK;
    const int num_tasks = linear.parts > 0 ? num_base + int(users_.size()) : num_base;
#pragma omp for schedule(dynamic, 1)
    for (int task = 0; task < num_tasks; ++task)
      task < num_base ? base_task(linear, in, task)
                      : granule_task(linear, in, users_[task - num_base]);
  }

  template <class T>
  void base_task(const Linear& linear, const Rounded<T>& in, int task) {
    const int first = task * COLUMNS_A_TASK, last = std::min(first + COLUMNS_A_TASK, linear.rows);
    static thread_local std::vector<float*> outputs;
    outputs.resize(num_tokens_);
    for (int t = 0; t < num_tokens_; ++t) outputs[t] = fused(linear, t) + first;
    multiply_rows(linear, in, {identity_.data(), outputs.data(), num_tokens_}, first, last);
  }

  template <class T>
  void granule_task(const Linear& linear, const Rounded<T>& in, const Users& users) {
    static thread_local std::vector<float*> outputs;
    const Granule& own = step_.adapters[users.granule];
    if (!own.rows[linear.group]) return;
    const int count = int(users.tokens.size()), num_rows = linear.parts * GRANULE;
    outputs.resize(count);
    for (int i = 0; i < count; ++i) outputs[i] = low(users.places[i]);
    const int64_t first = linear.layer * own.count * num_rows;
    multiply(in, {users.tokens.data(), outputs.data(), count},
             Bytes{own.rows[linear.group] + first * linear.inputs, own.scales[linear.group] + first,
                   num_rows});
  }

  // A token's product. Rows are a little longer than they need be: at a multiple of 4096 bytes
  // their stores would be taken for each other's.
  float* fused(const Linear& linear, int t) { return &fused_[t * fused_stride(linear)]; }
  static int64_t fused_stride(const Linear& linear) { return linear.rows + LANES; }

  // A granule's hidden values for a token: parts side by side.
  float* low(int place) { return &lows_[int64_t(place) * LOW_STRIDE]; }

  // Adds what the adapters and the bias add to every token's product, and passes it on.
  template <class Next>
  void finish(const Linear& linear, Next next) {
#pragma omp for schedule(dynamic, 1)
    for (size_t i = 0; i < runs_.size(); ++i) {
      const Run& run = runs_[i];
      for (int k = 0; k < step_.width; ++k)
        if (step_.scales[run.first * step_.width + k] != 0) adapt(linear, run, k);
      for (int t = run.first; t < run.first + run.count; ++t) {
        float* product = fused(linear, t);
        if (linear.bias)
          for (int n = 0; n < linear.rows; ++n) product[n] += linear.bias[n];
        next(t, product);
      }
    }
  }

  // The k-th granule of a run of tokens.
  void adapt(const Linear& linear, const Run& run, int k) {
    const int place = run.first * step_.width + k;
    const Granule& own = step_.adapters[step_.granules[place]];
    const Lows lows{low(place), step_.width * LOW_STRIDE, step_.scales[place]};
    float* outputs = fused(linear, run.first);
    for (int part = 0; part < linear.parts; ++part) {
      const int width = linear.outputs[part];
      const int8_t* up = own.ups[linear.group][part];
      if (up)
        ADD_UP[run.count - 1](lows, part, up + linear.layer * own.count * GRANULE * width, width,
                              outputs, fused_stride(linear));
      outputs += width;
    }
  }

  void normalize(const float* values, const float* weight, int width, float* to) const {
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int i = 0; i < width; ++i) total += values[i] * values[i];
    const float factor = 1 / std::sqrt(total / width + model_.epsilon);
    for (int i = 0; i < width; ++i) to[i] = weight[i] * (values[i] * factor);
  }

  const float* normalized(int t, const float* weight) {
    float* to = &inputs_[int64_t(t) * model_.hidden];
    normalize(step_.hidden + int64_t(t) * model_.hidden, weight, model_.hidden, to);
    return to;
  }

  // Queries, keys and values of a token: normalized, rotated, and kept.
  void enter(const Layer& layer, int t, float* fused) {
    const int dim = model_.head_dim;
    const int64_t slot = step_.slots[t] * model_.num_kv_heads * dim;
    const float scale = 1 / std::sqrt(float(dim));
    float* own = &queries_[int64_t(t) * model_.num_heads * dim];
    for (int h = 0; h < model_.num_heads; ++h) {
      turn(fused + h * dim, layer.query_norm, t, own + h * dim);
      for (int i = 0; i < dim; ++i) own[h * dim + i] *= scale;
    }
    const float *keys = fused + model_.num_heads * dim, *values = keys + model_.num_kv_heads * dim;
    float turned[MOST_DIM];
    for (int h = 0; h < model_.num_kv_heads; ++h) {
      turn(keys + h * dim, layer.key_norm, t, turned);
      keep(turned, layer.keys + slot + h * dim, dim);
      keep(values + h * dim, layer.values + slot + h * dim, dim);
    }
  }

  void turn(const float* values, const float* norm, int t, float* to) const {
    const int dim = model_.head_dim, half = dim / 2;
    const float *cos = step_.cos + int64_t(t) * dim, *sin = step_.sin + int64_t(t) * dim;
    float normed[MOST_DIM];
    if (norm) {
      normalize(values, norm, dim, normed);
      values = normed;
    }
    for (int i = 0; i < half; ++i) {
      to[i] = values[i] * cos[i] - values[i + half] * sin[i];
      to[i + half] = values[i + half] * cos[i + half] + values[i] * sin[i + half];
    }
  }

  void attend_all(const Layer& layer) {
    const int group = model_.num_heads / model_.num_kv_heads;
    const Cache cache{layer.keys, layer.values, model_.num_kv_heads, model_.head_dim};
    const int num_tasks = int(shares_.size()) * model_.num_kv_heads;
    static thread_local Desk desk;
#pragma omp for schedule(dynamic, 1)
    for (int task = 0; task < num_tasks; ++task) {
      const Share& share = shares_[task / model_.num_kv_heads];
      const Span& span = step_.spans[share.span];
      attend(cache, step_.tables + span.table, span, share, task % model_.num_kv_heads, group,
             layer.window, queries_.data(), inputs_.data(), desk);
    }
  }

  void add(int t, const float* fused) {
    float* hidden = step_.hidden + int64_t(t) * model_.hidden;
    for (int i = 0; i < model_.hidden; ++i) hidden[i] += fused[i];
  }

  void gate(int t, const float* fused) {
    float* inner = &inputs_[int64_t(t) * model_.inner];
    const float* up = fused + model_.inner;
    int i = 0;
    for (; i + LANES <= model_.inner; i += LANES) {
      const Floats own = load(fused + i);
      store(inner + i, own / (exponential(-own) + 1.0f) * load(up + i));
    }
    for (; i < model_.inner; ++i) inner[i] = fused[i] / (1 + std::exp(-fused[i])) * up[i];
  }

  void head() {
    const Linear& linear = model_.head;
    const auto in = rounded<Activation>(linear, step_.num_sampled);
#pragma omp for schedule(static)
    for (int i = 0; i < step_.num_sampled; ++i) {
      const int64_t t = step_.sampled[i];
      round_row(normalized(int(t), model_.norm), in, i);
    }
#pragma omp for schedule(dynamic, 4)
    for (int first = 0; first < linear.rows; first += COLUMNS_A_TASK) {
      const int last = std::min(first + COLUMNS_A_TASK, linear.rows);
      std::vector<float*> outputs(step_.num_sampled);
      for (int i = 0; i < step_.num_sampled; ++i)
        outputs[i] = step_.logits + int64_t(i) * linear.rows + first;
      multiply_rows(linear, in, {identity_.data(), outputs.data(), step_.num_sampled}, first, last);
    }
  }

  const Model& model_;
  const Step& step_;
  const std::vector<Users> users_;
  const std::vector<Run> runs_;
  const int num_tokens_;
  std::vector<float> fused_, inputs_, queries_, lows_, steps_;
  std::vector<int8_t> values_;  // or half as many int16
  std::vector<int32_t> row_sums_, identity_;
  std::vector<Share> shares_;
};
