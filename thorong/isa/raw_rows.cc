// SPDX-License-Identifier: Apache-2.0
#include "thorong/isa/raw_rows.h"

#include <cstring>

namespace thorong::isa {
namespace {

// Calls f(byte address of an element) over the row, in order.
template <typename F>
void for_elements(const Operand& operand, int64_t partition, F&& f) {
  const AccessPattern& pattern = *operand.pattern;
  auto cell = static_cast<int64_t>(numerics::byte_size(operand.cell));
  std::array<int64_t, kMaxFreeRank> size{1, 1, 1, 1}, step{0, 0, 0, 0};
  for (int i = 0; i < pattern.rank; ++i) {
    auto from = static_cast<size_t>(i), to = static_cast<size_t>(kMaxFreeRank - pattern.rank + i);
    size[to] = pattern.size[from];
    step[to] = pattern.step[from] * cell;
  }
  std::byte* row = operand.base + partition * operand.row_stride_bytes;
  for (int64_t a = 0; a < size[0]; ++a) {
    for (int64_t b = 0; b < size[1]; ++b) {
      for (int64_t c = 0; c < size[2]; ++c) {
        std::byte* line = row + a * step[0] + b * step[1] + c * step[2];
        for (int64_t d = 0; d < size[3]; ++d) f(line + d * step[3]);
      }
    }
  }
}

}  // namespace

void gather_raw(const Operand& operand, int64_t partition, std::byte* bytes) {
  size_t cell = numerics::byte_size(operand.cell);
  if (operand.dense) {
    std::memcpy(bytes, operand.base + partition * operand.row_stride_bytes, cell * static_cast<size_t>(operand.elements));
    return;
  }
  for_elements(operand, partition, [&](const std::byte* at) {
    std::memcpy(bytes, at, cell);
    bytes += cell;
  });
}

void scatter_raw(const Operand& operand, int64_t partition, const std::byte* bytes) {
  size_t cell = numerics::byte_size(operand.cell);
  if (operand.dense) {
    std::memcpy(operand.base + partition * operand.row_stride_bytes, bytes, cell * static_cast<size_t>(operand.elements));
    return;
  }
  for_elements(operand, partition, [&](std::byte* at) {
    std::memcpy(at, bytes, cell);
    bytes += cell;
  });
}

}  // namespace thorong::isa
