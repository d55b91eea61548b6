// SPDX-License-Identifier: Apache-2.0
// Speed of multiply_tile, in floating-point operations a second (two per fused multiply-add), on
// operands that stay in the second-level cache, and of multiply_tile_strided on windows of pictures
// that do not, with weights that are a part of wider rows, as convolutions have them.
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

// A 3 x 3 kernel's taps over a picture with K channels, `lines` lines of results at a time.
void convolve(benchmark::State& state) {
  const auto side = static_cast<size_t>(state.range(0)),
             lines = static_cast<size_t>(state.range(1)), k = static_cast<size_t>(state.range(2)),
             m = static_cast<size_t>(state.range(3)), outputs = static_cast<size_t>(state.range(4));
  constexpr size_t kTaps = 9, kLine = 16;
  const size_t pitch = side + 2, channel = pitch * pitch + kLine, n = lines * side;
  const size_t bank = n + kLine;
  const std::vector<float> weights(kTaps * k * outputs, 0.5F);
  const std::vector<float> picture(k * channel, 0.25F);
  std::vector<float> psum(m * bank, 0.0F);
  std::vector<int32_t> from, to;
  for (size_t i = 0; i < n; ++i) {
    from.push_back(static_cast<int32_t>(i / side * pitch + i % side));
    to.push_back(static_cast<int32_t>(i));
  }
  for (auto unused : state) {
    static_cast<void>(unused);
    for (size_t line = 0; line + lines <= side; line += lines) {
      for (size_t tap = 0; tap < kTaps; ++tap) {
        const float* moving = picture.data() + (line + tap / 3) * pitch + tap % 3;
        multiply_tile_strided(weights.data() + tap * k * outputs, outputs, moving, channel, from,
                              psum.data(), bank, to, m, k, tap > 0);
      }
    }
    benchmark::DoNotOptimize(psum.data());
    benchmark::ClobberMemory();
  }
  const auto operations = 2.0 * static_cast<double>(m * n * k * kTaps * (side / lines)) *
                          static_cast<double>(state.iterations());
  state.counters["FLOP/s"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
}
BENCHMARK(convolve)
    ->ArgNames({"side", "lines", "K", "M", "outputs"})
    ->Args({224, 2, 64, 64, 64})
    ->Args({112, 4, 128, 128, 128})
    ->Args({56, 9, 128, 128, 256})
    ->Args({28, 18, 128, 128, 512})
    ->Args({14, 14, 128, 128, 512})
    ->Args({7, 7, 128, 128, 512})
    ->Args({56, 9, 64, 64, 64})
    ->Args({14, 14, 128, 32, 32});

}  // namespace
}  // namespace thorong::numerics
