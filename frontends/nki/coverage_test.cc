// SPDX-License-Identifier: Apache-2.0
#include "frontends/nki/coverage.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace thorong::nki {
namespace {

constexpr int64_t kPartitions = 8, kBytes = 48;

std::set<int64_t> bytes_of(const isa::AccessPattern& pattern, isa::Space space) {
  std::set<int64_t> all;
  auto size = static_cast<int64_t>(numerics::byte_size(pattern.format));
  for (int64_t p = 0; p < pattern.partitions; ++p) {
    for (int64_t i = 0; i < pattern.size[0]; ++i) {
      for (int64_t j = 0; j < pattern.size[1]; ++j) {
        int64_t at = pattern.offset + i * pattern.step[0] + j * pattern.step[1];
        int64_t row = 0;
        if (space == isa::Space::kHbm)
          at += p * pattern.partition_step;
        else
          row = pattern.start_partition + p;
        for (int64_t b = 0; b < size; ++b) all.insert(row * kBytes + at * size + b);
      }
    }
  }
  return all;
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  isa::AccessPattern pattern(isa::Space space) {
    isa::AccessPattern result;
    result.format = pick(0, 1) == 0 ? isa::Format::kFloat32 : isa::Format::kUint8;
    auto size = static_cast<int64_t>(numerics::byte_size(result.format));
    int64_t row = kBytes / size;
    result.rank = 2;
    result.size = {static_cast<int32_t>(pick(1, 3)), static_cast<int32_t>(pick(1, 4)), 1, 1};
    result.step = {pick(0, 2), pick(0, 2), 0, 0};
    result.partitions = static_cast<int32_t>(pick(1, 3));
    int64_t reach = result.step[0] * (result.size[0] - 1) + result.step[1] * (result.size[1] - 1);
    if (space == isa::Space::kHbm) {
      result.partition_step = pick(0, 4);
      reach += result.partition_step * (result.partitions - 1);
      row *= kPartitions;
    } else {
      result.start_partition = static_cast<int32_t>(pick(0, kPartitions - result.partitions));
    }
    result.offset = pick(0, row - 1 - reach > 0 ? row - 1 - reach : 0);
    return result;
  }

 private:
  std::mt19937 engine_;
};

void compare(isa::Space space, unsigned seed) {
  Random random(seed);
  Coverage coverage;
  std::set<int64_t> expected;
  bool hbm = space == isa::Space::kHbm;
  int64_t all = kPartitions * kBytes;
  coverage.shape(hbm ? 1 : kPartitions, hbm ? all : kBytes, 4);
  for (int step = 0; step < 200; ++step) {
    isa::AccessPattern pattern = random.pattern(space);
    Extent at = extent(pattern, space);
    std::set<int64_t> bytes = bytes_of(pattern, space);
    bool within = true, touches = false;
    for (int64_t byte : bytes)
      (expected.contains(byte) ? touches : within) = expected.contains(byte);
    EXPECT_EQ(coverage.contains(at), within) << seed << " " << step;
    EXPECT_EQ(coverage.intersects(at), touches) << seed << " " << step;
    if (random.pick(0, 5) == 0) {
      coverage.remove(at);
      for (int64_t byte : bytes) expected.erase(byte);
    } else {
      coverage.add(at);
      expected.insert(bytes.begin(), bytes.end());
    }
    EXPECT_EQ(coverage.missing(), all - static_cast<int64_t>(expected.size()));
    EXPECT_EQ(coverage.empty(), expected.empty());
    EXPECT_EQ(coverage.full(), static_cast<int64_t>(expected.size()) == all);
  }
}

TEST(Coverage, agrees_with_a_set_of_bytes_on_chip) {
  for (unsigned seed = 0; seed < 30; ++seed) compare(isa::Space::kSbuf, seed);
}

TEST(Coverage, agrees_with_a_set_of_bytes_in_hbm) {
  for (unsigned seed = 0; seed < 30; ++seed) compare(isa::Space::kHbm, seed);
}

TEST(Coverage, rectangles_that_grow_to_the_whole_need_no_bitmap) {
  Coverage coverage;
  coverage.shape(128, 64, 4);
  for (int64_t column = 0; column < 64; column += 4) {
    EXPECT_FALSE(coverage.full());
    coverage.add(box(0, 128, column, column + 4));
  }
  EXPECT_TRUE(coverage.full());
}

}  // namespace
}  // namespace thorong::nki
