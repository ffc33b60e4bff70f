// Weights in four bits: a number of a row is its step · its group's scale · one of 16 levels.
//
// The levels are those that lose the least of groups of 32 normally distributed numbers, found by
// Lloyd's iteration (S. P. Lloyd, "Least squares quantization in PCM", 1982) with the scales of
// either sign that suit each group best (tests/serving/torch/native/test_int4.py does it again).
// As they are no further from 0 than 63, two products with a byte's number have room in int16.
#pragma once

#include <cstdint>

constexpr int GROUP = 32;  // [columns] that share a scale
constexpr int PAIR = 64;   // [columns] in 32 bytes: the first group's in their lower halves
constexpr int8_t NIBBLES[16] = {-63, -50, -40, -32, -24, -17, -11, -5,
                                1,   7,   14,  20,  27,  35,  45,  61};
constexpr int MOST_SCALE = 127;

// [columns] after which sums of products, of 255 · 63 at most, times scales would be beyond int32
constexpr int GROUPS_FLUSH = 8192;

// Of a row of packed weights.
inline int8_t level_at(const uint8_t* row, int column) {
  const uint8_t byte = row[column / PAIR * GROUP + column % GROUP];
  return NIBBLES[column % PAIR < GROUP ? byte & 15 : byte >> 4];
}
