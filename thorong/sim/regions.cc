// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/regions.h"

#include <algorithm>

namespace thorong::sim {

using isa::Space;

Range whole_range(const isa::Buffer& buffer) {
  return {0, buffer.row_bytes, 0, buffer.space == Space::kHbm ? 1 : buffer.partitions, 0};
}

Range range_of(const isa::Program& program, const isa::AccessPattern& pattern) {
  auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
  if (pattern.indirect >= 0) return whole_range(program.buffer(pattern));  // anywhere
  bool hbm = program.buffer(pattern).space == Space::kHbm;
  int64_t pitch = hbm && pattern.partition_step > 0 ? pattern.partition_step : 0;
  int64_t row = pitch > 0 ? pattern.offset / pitch : 0, low = pattern.offset - row * pitch,
          high = low;
  for (size_t i = 0; i < pattern.rank; ++i) {
    int64_t span = pattern.step[i] * (pattern.size[i] - 1);
    (span < 0 ? low : high) += span;
  }
  if (!hbm) {
    int32_t rows = pattern.partition_step == isa::kRepeatRow ? 1 : pattern.partitions;
    return {low * size, (high + 1) * size, pattern.start_partition, pattern.start_partition + rows,
            0};
  }
  if (pitch > 0 && low >= 0 && high < pitch)
    return {low * size, (high + 1) * size, row, row + pattern.partitions, pitch * size};
  int64_t span = pattern.partition_step * (pattern.partitions - 1);
  low += row * pitch, high += row * pitch;
  (span < 0 ? low : high) += span;
  return {low * size, (high + 1) * size, 0, 1, 0};
}

Range hull(const Range& a, const Range& b) {
  if (a.pitch != b.pitch) {
    return {std::min(a.linear_low(), b.linear_low()), std::max(a.linear_high(), b.linear_high()), 0,
            1, 0};
  }
  return {std::min(a.low, b.low), std::max(a.high, b.high), std::min(a.first, b.first),
          std::max(a.last, b.last), a.pitch};
}

}  // namespace thorong::sim
