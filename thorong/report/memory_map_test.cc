// SPDX-License-Identifier: Apache-2.0
// Maps of memories and energy by line, on results made by hand.
#include "thorong/report/memory_map.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "thorong/report/lines.h"
#include "thorong/report/report.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

TileUse tile(int64_t address, int64_t bytes, int64_t start, int64_t end,
             Memory memory = Memory::kSbuf) {
  TileUse made;
  made.address = address, made.bytes = bytes, made.start_ps = start, made.end_ps = end;
  made.partitions = 128, made.memory = memory;
  return made;
}

// Of 1000 bytes: [0, 100) all the time, [300, 500) from 10 to 30, [100, 300) from 20 to 30.
Result three_tiles() {
  Result result;
  result.device_s = 40e-12;
  result.sbuf = {128, 1000, 0}, result.psum = {128, 800, 100};
  result.tiles = {tile(0, 100, 0, 40), tile(300, 200, 10, 30), tile(100, 200, 20, 30)};
  return result;
}

TEST(MemoryMap, ThePeakAndWhatIsFreeThen) {
  Result result = three_tiles();
  result.tiles.pop_back();
  result.tiles.push_back(tile(700, 100, 20, 30));
  const MemoryPeak peak = memory_peak(result, Memory::kSbuf);
  EXPECT_EQ(peak.time_ps, 20);
  EXPECT_EQ(peak.used_bytes, 400);
  EXPECT_EQ(peak.free_bytes, 600);  // [100, 300), [500, 700), [800, 1000)
  EXPECT_EQ(peak.largest_free_bytes, 200);
  EXPECT_DOUBLE_EQ(peak.fragmentation(), 1 - 200.0 / 600);
  EXPECT_EQ(peak.highest_byte, 800);
  const MemoryPeak none = memory_peak(result, Memory::kPsum);
  EXPECT_EQ(none.used_bytes, 0);
  EXPECT_EQ(none.largest_free_bytes, 800);
  EXPECT_EQ(none.fragmentation(), 0);
}

TEST(MemoryMap, SideBySideLeavesOneStretch) {
  const MemoryPeak peak = memory_peak(three_tiles(), Memory::kSbuf);
  EXPECT_EQ(peak.used_bytes, 500);
  EXPECT_EQ(peak.largest_free_bytes, 500);
  EXPECT_EQ(peak.fragmentation(), 0);
}

TEST(MemoryMap, SharedBytesCountOnceAndPlacesAreGivenBackFirst) {
  Result result = three_tiles();
  result.tiles = {tile(0, 100, 0, 20), tile(50, 100, 10, 30)};
  EXPECT_EQ(memory_peak(result, Memory::kSbuf).used_bytes, 150);
  result.tiles = {tile(0, 100, 0, 20), tile(0, 100, 20, 30)};
  EXPECT_EQ(memory_peak(result, Memory::kSbuf).used_bytes, 100);
}

TEST(MemoryMap, OccupancyIsAStepFunctionOfAllPartitions) {
  const std::vector<OccupancyPoint> steps = occupancy(three_tiles(), Memory::kSbuf);
  const std::vector<std::pair<int64_t, int64_t>> wanted = {
      {0, 12800}, {10, 38400}, {20, 64000}, {30, 12800}, {40, 0}};
  ASSERT_EQ(steps.size(), wanted.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].time_ps, wanted[i].first);
    EXPECT_EQ(steps[i].bytes, wanted[i].second);
  }
}

TEST(MemoryMap, TheGridHoldsShares) {
  const Result result = three_tiles();
  EXPECT_EQ(map_top(result, Memory::kSbuf), 558);  // nine of the sixteenths, 62 bytes each
  const std::vector<float> grid = memory_grid(result, Memory::kSbuf, 2, 4);
  // Rows [0, 279) and [279, 558), columns of 10 ps; [100, 300) reaches into both rows.
  const std::vector<float> wanted = {100.0F / 279, 100.0F / 279, 1, 100.0F / 279, 0,
                                     200.0F / 279, 221.0F / 279, 0};
  ASSERT_EQ(grid.size(), wanted.size());
  for (size_t i = 0; i < grid.size(); ++i) EXPECT_NEAR(grid[i], wanted[i], 1e-6) << i;
}

TEST(MemoryMap, OfManyTilesTheLargestStay) {
  Result result = three_tiles();
  const std::vector<TileUse> two = largest_tiles(result, Memory::kSbuf, 2);
  ASSERT_EQ(two.size(), 2u);  // 100 x 40, 200 x 20; not 200 x 10
  EXPECT_EQ(two[0].address, 0);
  EXPECT_EQ(two[1].address, 300);
}

TEST(MemoryMap, TheJsonSaysWhereEachTensorLay) {
  Result result = three_tiles();
  result.engines = {{"tensor"}};
  result.tile_names = {"sums"};
  result.tiles.push_back(tile(100, 100, 5, 9, Memory::kPsum));
  result.tiles.back().name = 0;
  const Json map = Json::parse(to_json(result))["memory_map"];
  EXPECT_EQ(map["psum"]["bank_bytes"], 100);
  EXPECT_TRUE(map["sbuf"]["bank_bytes"].is_null());
  EXPECT_EQ(map["sbuf"]["tiles_total"], 3);
  EXPECT_EQ(map["sbuf"]["peak"]["used_bytes"], 500);
  const Json& sums = map["psum"]["tiles"][0];
  EXPECT_EQ(sums["name"], "sums");
  EXPECT_EQ(sums["address"], 100);
  EXPECT_DOUBLE_EQ(sums["from_s"], 5e-12);
  EXPECT_DOUBLE_EQ(sums["to_s"], 9e-12);
}

TEST(Lines, OperatorsOfOneNameAreOneLine) {
  Result result;
  auto add = [&](const char* name, const char* op, double vector, double dma) {
    OperatorUse use;
    use.name = name, use.op = op;
    use.energy_by[1] = vector, use.energy_by[7] = dma;
    use.energy_j = vector + dma, use.instructions = 2;
    result.operators.push_back(use);
  };
  add("k.py:3", "dma_copy", 0, 1);
  add("k.py:4", "tensor_copy", 2, 0);
  add("k.py:3", "tensor_copy", 4, 0);
  const std::vector<LineUse> lines = energy_by_line(result);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].name, "k.py:3");
  EXPECT_EQ(lines[0].ops, "dma_copy+tensor_copy");
  EXPECT_EQ(lines[0].instructions, 4);
  EXPECT_DOUBLE_EQ(lines[0].energy_j, 5);
  EXPECT_DOUBLE_EQ(lines[0].energy_by[1], 4);
  EXPECT_DOUBLE_EQ(lines[1].energy_j, 2);
}

}  // namespace
}  // namespace thorong::report
