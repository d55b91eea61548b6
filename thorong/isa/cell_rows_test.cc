// SPDX-License-Identifier: Apache-2.0
// In which order copies between patterns walk their elements.
#include "thorong/isa/cell_rows.h"

#include <gtest/gtest.h>

#include <vector>

namespace thorong::isa {
namespace {

// A row of `sizes` with `steps`, outermost first.
AccessPattern pattern(BufferId buffer, std::vector<int32_t> sizes, std::vector<int64_t> steps) {
  AccessPattern made;
  made.buffer = buffer, made.partitions = 1, made.rank = static_cast<uint8_t>(sizes.size());
  std::copy(sizes.begin(), sizes.end(), made.size.begin());
  std::copy(steps.begin(), steps.end(), made.step.begin());
  return made;
}

// The line that is copied in one go.
CellCopy::Walk line_of(const AccessPattern& to, const AccessPattern& from) {
  Operand out, in;
  out.pattern = &to, out.elements = to.free_elements();
  in.pattern = &from, in.elements = from.free_elements();
  const CellCopy copy = cell_copy(out, in);
  return copy.usable() ? copy.dimensions.front() : CellCopy::Walk{};
}

TEST(CellCopy, LinesStayInTheirCacheLines) {
  // Every second pixel of 96 channels: along the pixels, however many channels there are.
  const auto line = line_of(pattern(0, {96, 80}, {25600, 2}), pattern(1, {96, 80}, {12800, 1}));
  EXPECT_EQ(line.size, 80);
  EXPECT_EQ(line.to, 2);
  EXPECT_EQ(line.from, 1);
}

TEST(CellCopy, BlocksComeBeforeLongerLines) {
  const auto line = line_of(pattern(0, {100, 8}, {1000, 1}), pattern(1, {100, 8}, {8000, 1}));
  EXPECT_EQ(line.size, 8);
  EXPECT_EQ(line.to, 1);
}

TEST(CellCopy, LongLinesComeBeforeShortBlocks) {
  const auto line = line_of(pattern(0, {100, 2}, {4, 1}), pattern(1, {100, 2}, {6, 1}));
  EXPECT_EQ(line.size, 100);
}

}  // namespace
}  // namespace thorong::isa
