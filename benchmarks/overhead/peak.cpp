// The most products of int8 weights that a kernel's own instructions make in a second, from
// registers, on as many threads as are asked for: what its loops over memory are compared with.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "kernel.hpp"

#if defined(__x86_64__)
#define VECTOR "v"
#else
#define VECTOR "w"
#endif

constexpr int ROWS = 6, OPERANDS = 2, ROUNDS = 4'000'000;

double products_per_second() {
  alignas(64) int8_t weights[OPERANDS][LINE] = {};
  alignas(64) Kernel::Activation inputs[LINE] = {};
  weights[0][0] = 1;
  Kernel::Weight w[OPERANDS];
  each<OPERANDS>([&](auto i) { w[i] = Kernel::weight(weights[i]); });
  Kernel::Input a = Kernel::input(inputs);
  Kernel::Sum totals[ROWS][OPERANDS] = {};
  asm volatile("" : "+" VECTOR(w[0]), "+" VECTOR(w[1]));  // as if they were any numbers
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < ROUNDS; ++round) {
    each<ROWS>([&](auto r) INLINED {
      asm volatile("" : "+" VECTOR(a));  // as if it were another
      each<OPERANDS>([&](auto c) INLINED { Kernel::add(totals[r][c], w[c], a); });
    });
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  each<ROWS>([&](auto r) INLINED {
    // One by one: of an array that is wanted as a whole, gcc stores each sum in every round.
    each<OPERANDS>([&](auto c) INLINED { asm volatile("" : : VECTOR(totals[r][c])); });
  });
  return double(ROUNDS) * ROWS * OPERANDS * Kernel::STEP / seconds.count();
}

int main(int, char** arguments) {
  const int count = std::atoi(arguments[1]);
  std::vector<double> rates(count);
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] { rates[i] = products_per_second(); });
  for (auto& thread : threads) thread.join();
  double total = 0;
  for (double rate : rates) total += rate;
  std::printf("%.4g\n", total);
}
