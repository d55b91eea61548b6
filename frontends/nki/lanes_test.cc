// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/lanes.h"

#include <gtest/gtest.h>

namespace thorong::nki {
namespace {

constexpr int64_t kColumns = 8;

isa::AccessPattern tile(int32_t partitions, int32_t columns, int64_t step = 1) {
  isa::AccessPattern pattern;
  pattern.rank = 1, pattern.partitions = partitions;
  pattern.size[0] = columns, pattern.step[0] = step;
  return pattern;
}

// Of four partitions.
Coverage nothing() {
  Coverage coverage;
  coverage.shape(4, kColumns * 4, 4);
  return coverage;
}

bool written(Coverage& coverage, int64_t partition, int64_t column) {
  return coverage.contains(box(partition, partition + 1, column * 4, column * 4 + 4));
}

TEST(Lanes, a_result_is_as_unwritten_as_the_elements_of_its_number) {
  Coverage from = nothing(), to = nothing(), passed_on = nothing();
  from.add(box(0, 4, 0, 12));  // columns 0 to 2
  Lanes lanes(tile(4, 4, 2), isa::Space::kSbuf);
  ASSERT_TRUE(lanes.read(tile(4, 4), isa::Space::kSbuf, isa::Reach::kElement, from));
  to.fill();
  lanes.write(to, passed_on);
  for (int64_t p = 0; p < 4; ++p)
    for (int64_t c = 0; c < kColumns; ++c) {
      EXPECT_EQ(written(to, p, c), c != 6) << p << " " << c;
      EXPECT_EQ(written(passed_on, p, c), c == 6) << p << " " << c;
    }
}

TEST(Lanes, a_column_counts_for_its_whole_partition) {
  Coverage from = nothing(), to = nothing(), passed_on = nothing();
  from.add(box(1, 3, 0, 4));
  Lanes lanes(tile(4, 8), isa::Space::kSbuf);
  ASSERT_TRUE(lanes.read(tile(4, 1), isa::Space::kSbuf, isa::Reach::kElement, from));
  lanes.write(to, passed_on);
  for (int64_t p = 0; p < 4; ++p)
    for (int64_t c = 0; c < kColumns; ++c) EXPECT_EQ(written(to, p, c), p == 1 || p == 2);
}

TEST(Lanes, all_operands_count_and_hbm_is_one_row) {
  Coverage hbm, to = nothing(), tail = nothing(), passed_on = nothing();
  hbm.shape(1, 4 * kColumns * 4, 4);
  hbm.add(box(0, 1, 0, (2 * kColumns + 3) * 4));
  tail.add(box(0, 4, 8, 32));  // columns 2 and on
  isa::AccessPattern rows = tile(4, 8);
  rows.partition_step = kColumns;
  Lanes lanes(tile(4, 8), isa::Space::kSbuf);
  ASSERT_TRUE(lanes.read(rows, isa::Space::kHbm, isa::Reach::kElement, hbm));
  ASSERT_TRUE(lanes.read(tile(4, 8), isa::Space::kSbuf, isa::Reach::kElement, tail));
  lanes.write(to, passed_on);
  for (int64_t p = 0; p < 4; ++p)
    for (int64_t c = 0; c < kColumns; ++c)
      EXPECT_EQ(written(to, p, c), c >= 2 && p * kColumns + c < 2 * kColumns + 3);
}

TEST(Lanes, a_row_counts_as_one_where_elements_do_not_correspond) {
  Coverage from = nothing(), sums = nothing(), sorted = nothing(), passed_on = nothing();
  from.add(box(0, 4, 0, 28));
  from.add(box(2, 3, 28, 32));  // partition 2 is whole
  Lanes sum(tile(4, 1), isa::Space::kSbuf), sort(tile(4, 8), isa::Space::kSbuf);
  ASSERT_TRUE(sum.read(tile(4, 8), isa::Space::kSbuf, isa::Reach::kElement, from));
  ASSERT_TRUE(sort.read(tile(4, 8), isa::Space::kSbuf, isa::Reach::kPartition, from));
  sum.write(sums, passed_on), sort.write(sorted, passed_on);
  for (int64_t p = 0; p < 4; ++p) {
    EXPECT_EQ(written(sums, p, 0), p == 2);
    for (int64_t c = 0; c < kColumns; ++c) EXPECT_EQ(written(sorted, p, c), p == 2);
  }
}

TEST(Lanes, an_operand_of_other_partitions_may_mean_all) {
  Coverage from = nothing();
  Lanes lanes(tile(4, 8), isa::Space::kSbuf);
  EXPECT_FALSE(lanes.read(tile(2, 4), isa::Space::kSbuf, isa::Reach::kElement, from));
  EXPECT_FALSE(lanes.read(tile(2, 16), isa::Space::kSbuf, isa::Reach::kPartition, from));
}

}  // namespace
}  // namespace thorong::nki
