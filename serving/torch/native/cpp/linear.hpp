// Some rows of a linear times rounded activations, whatever the weights are held in.
#pragma once

#include "model.hpp"
#include "product.hpp"

// The kind of activations that a linear's weights are multiplied with is `f`'s argument.
template <class F>
INLINED inline void with_activation(const Linear& linear, F f) {
  if (linear.groups)
    f(int8_t());
  else
    f(Activation());
}

template <class T>
inline void multiply_rows(const Linear& linear, const Rounded<T>& in, const Part& part, int first,
                          int last) {
  const int64_t width = linear.inputs;
  const int count = last - first;
  if constexpr (std::is_same_v<T, int8_t>)
    if (linear.groups) {
      const auto values = static_cast<const uint8_t*>(linear.weight) + first * (width / 2);
      const auto groups = linear.groups + first * (width / GROUP);
      const auto row_sums = linear.row_sums + first;
      multiply(in, part, Nibbles{values, groups, row_sums, linear.scale + first, count});
      return;
    }
  const auto values = static_cast<const int8_t*>(linear.weight) + first * width;
  multiply(in, part, Bytes{values, linear.scale + first, count});
}
