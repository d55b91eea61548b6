// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/snapshot.h"

#include <algorithm>

#include "thorong/isa/raw_rows.h"

namespace thorong::isa {
namespace {

// Bytes of a row from its first element: [low, high).
struct Reach {
  int64_t low = 0, high = 0;
};
Reach reach_of(const Operand& operand) {
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  Reach reach{0, cell};
  const AccessPattern& pattern = *operand.pattern;
  for (size_t d = 0; d < pattern.rank; ++d) {
    int64_t most = (pattern.size[d] - 1) * pattern.step[d] * cell;
    (most < 0 ? reach.low : reach.high) += most;
  }
  return reach;
}

// Whether a multiple of stride > 0, by a factor of [first, last], lies between `low` and `high`.
bool hits(int64_t low, int64_t high, int64_t stride, int64_t first, int64_t last) {
  auto down = [&](int64_t x) { return x / stride - (x % stride < 0 ? 1 : 0); };
  first = std::max(first, down(low) + 1);
  last = std::min(last, down(high - 1));
  return first <= last;
}

}  // namespace

bool disturbs_rows(const Operand& out, const Operand& in) {
  if (in.pattern->buffer != out.pattern->buffer || out.pattern->partitions < 2) return false;
  if (in.pattern->indirect >= 0 || out.pattern->indirect >= 0) return true;
  int64_t most = out.pattern->partitions - 1, stride = out.row_stride_bytes;
  int64_t distance = in.base - out.base;
  Reach to = reach_of(out), from = reach_of(in);
  // How far an input's row may begin behind an output's and they meet: between these two.
  int64_t low = to.low - from.high, high = to.high - from.low;
  if (stride > 0 && in.row_stride_bytes == stride) {
    return hits(low - distance, high - distance, stride, 1, most) ||
           hits(low - distance, high - distance, stride, -most, -1);
  }
  if (stride > 0 && in.row_stride_bytes == 0)
    return hits(distance - high, distance - low, stride, 0, most);
  int64_t last_out = most * stride, last_in = most * in.row_stride_bytes;
  return distance + std::min<int64_t>(last_in, 0) - std::max<int64_t>(last_out, 0) < high &&
         distance + std::max<int64_t>(last_in, 0) - std::min<int64_t>(last_out, 0) > low;
}

Snapshot::Snapshot(const Operand& in) : pattern_(*in.pattern), operand_(in) {
  auto cell = static_cast<int64_t>(numerics::byte_size(in.cell));
  int64_t row = in.elements * cell, partitions = pattern_.partitions;
  bytes_.resize(static_cast<size_t>(row * partitions));
  for (int64_t p = 0; p < partitions; ++p) {
    if (in.rows != nullptr) rows_.push_back(in.skipped(p) ? Operand::kSkippedRow : p * row);
    if (!in.skipped(p)) gather_raw(in, p, bytes_.data() + p * row);
  }
  pattern_.buffer = -1, pattern_.indirect = -1;
  pattern_.rank = 1, pattern_.size[0] = static_cast<int32_t>(in.elements), pattern_.step[0] = 1;
  operand_.pattern = &pattern_;
  operand_.base = bytes_.data(), operand_.row_stride_bytes = row;
  operand_.dense = true, operand_.direct = in.cell == Format::kFloat32;
  operand_.rows = rows_.empty() ? nullptr : rows_.data();
  operand_.columns = nullptr;
}

}  // namespace thorong::isa
