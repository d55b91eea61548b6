// SPDX-License-Identifier: Apache-2.0
// Speed of multiply_tile, in floating-point operations a second (two per fused multiply-add), on
// operands that stay in the second-level cache.
#include <benchmark/benchmark.h>

#include <vector>

#include "thorong/numerics/functions.h"

namespace thorong::numerics {
namespace {

void multiply(benchmark::State& state) {
  const auto m = static_cast<size_t>(state.range(0));
  const auto n = static_cast<size_t>(state.range(1));
  const auto k = static_cast<size_t>(state.range(2));
  const std::vector<float> stationary(k * m, 0.5F);
  const std::vector<float> moving(k * n, 0.25F);
  std::vector<float> psum(m * n, 0.0F);
  for (auto unused : state) {
    static_cast<void>(unused);
    multiply_tile(stationary.data(), m, moving.data(), n, psum.data(), n, m, n, k, true);
    benchmark::DoNotOptimize(psum.data());
    benchmark::ClobberMemory();
  }
  const auto operations =
      2.0 * static_cast<double>(m * n * k) * static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}
BENCHMARK(multiply)
    ->ArgNames({"M", "N", "K"})
    ->Args({128, 512, 128})
    ->Args({128, 49, 128})
    ->Args({128, 7, 128})
    ->Args({128, 1, 128})
    ->Args({64, 512, 64})
    ->Args({3, 512, 128})
    ->Args({1, 512, 128})
    ->Args({128, 512, 9});

}  // namespace
}  // namespace thorong::numerics
