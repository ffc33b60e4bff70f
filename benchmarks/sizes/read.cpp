// How many bytes a second the machine's memory gives to loops that do nothing but read: the weights
// of a base are compared with it. Arguments: threads, bytes.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

typedef long long Lane __attribute__((vector_size(64)));
constexpr int SUMS = 4, ROUNDS = 5;

Lane sum_of(const char* from, size_t bytes) {
  Lane totals[SUMS] = {};
  for (size_t at = 0; at + sizeof(totals) <= bytes; at += sizeof(totals))
    for (int i = 0; i < SUMS; ++i) {
      Lane own;
      std::memcpy(&own, from + at + i * sizeof(Lane), sizeof(Lane));
      totals[i] += own;
    }
  return totals[0] + totals[1] + totals[2] + totals[3];
}

int main(int, char** arguments) {
  const int count = std::atoi(arguments[1]);
  const size_t share = std::strtoull(arguments[2], nullptr, 10) / count;
  std::vector<char> values(share * count, 1);
  double best = 0;
  for (int round = 0; round < ROUNDS; ++round) {
    std::vector<Lane> totals(count);
    std::vector<std::thread> threads;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i)
      threads.emplace_back([&, i] { totals[i] = sum_of(values.data() + i * share, share); });
    for (auto& thread : threads) thread.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    asm volatile("" : : "m"(*totals.data()));
    if (share * count / seconds.count() > best) best = share * count / seconds.count();
  }
  std::printf("%.4g\n", best);
}
