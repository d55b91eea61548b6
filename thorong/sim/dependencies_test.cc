// SPDX-License-Identifier: Apache-2.0
// Which instructions wait for which; and that programs give the same bits for every number of
// threads.
#include "thorong/sim/dependencies.h"

#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <set>

#include "thorong/sim/machine.h"
#include "thorong/sim/testing.h"

namespace thorong::sim::testing {
namespace {

// All instructions that must be done before `node`, through joins and others.
std::set<int32_t> before(const Dependencies& dependencies, int32_t node) {
  std::set<int32_t> found{node};
  for (bool grown = true; grown;) {
    grown = false;
    for (size_t n = 0; n < dependencies.nodes(); ++n) {
      for (int32_t follower : dependencies.followers(n)) {
        if (found.contains(follower)) grown = found.insert(static_cast<int32_t>(n)).second || grown;
      }
    }
  }
  found.erase(node);
  std::erase_if(found,
                [&](int32_t n) { return static_cast<size_t>(n) >= dependencies.instructions; });
  return found;
}
std::set<int32_t> before(const isa::Program& program, int32_t node) {
  return before(find_placed_dependencies(program), node);
}

class DependenciesTest : public ::testing::Test {
 protected:
  ProgramBuilder b;
};

TEST_F(DependenciesTest, ReadsWaitForOverlappingWritesOnly) {
  const auto in = b.buffer(Space::kHbm, 0, 100), tile = b.buffer(Space::kSbuf, 0, 100),
             out = b.buffer(Space::kSbuf, 4096, 100);
  b.load(b.part(tile, 0, 50), b.part(in, 0, 50));
  b.load(b.part(tile, 50, 50), b.part(in, 50, 50));
  b.copy(b.part(out, 0, 10), b.part(tile, 0, 10));
  b.copy(b.part(out, 10, 10), b.part(tile, 45, 10));
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{});
  EXPECT_EQ(before(b.program, 2), std::set<int32_t>{0});
  EXPECT_EQ(before(b.program, 3), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, WritesWaitForReadsAndWrites) {
  const auto a = b.buffer(Space::kSbuf, 0, 10), c = b.buffer(Space::kSbuf, 64, 10);
  b.copy(b.part(c, 0, 10), b.part(a, 0, 10));
  b.copy(b.part(a, 0, 5), b.part(a, 5, 5));
  b.copy(b.part(c, 0, 10), b.part(a, 0, 10));
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{0});
  EXPECT_EQ(before(b.program, 2), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, ABufferWaitsForWhatUsedItsAddress) {
  const auto old = b.buffer(Space::kSbuf, 0, 100), apart = b.buffer(Space::kSbuf, 4096, 100),
             young = b.buffer(Space::kSbuf, 200, 100);
  b.copy(b.part(old, 0, 10), b.part(apart, 0, 10));
  b.copy(b.part(apart, 20, 10), b.part(old, 0, 10));
  b.copy(b.part(young, 90, 10), b.part(apart, 50, 10));
  EXPECT_EQ(before(b.program, 2), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, ScratchInHbmWaitsForWhatUsedItsAddress) {
  const auto old = b.buffer(Space::kHbm, 0, 100), young = b.buffer(Space::kHbm, 200, 100),
             input = b.buffer(Space::kHbm, 200, 100), tile = b.buffer(Space::kSbuf, 0, 100),
             other = b.buffer(Space::kSbuf, 4096, 100);
  b.program.buffers[static_cast<size_t>(input)].role = isa::BufferRole::kInput;
  b.store(b.part(old, 0, 10), b.part(tile, 0, 10));
  b.load(b.part(other, 0, 10), b.part(input, 0, 10));
  b.store(b.part(young, 90, 10), b.part(tile, 50, 10));
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{}) << "an input has memory of its own";
  EXPECT_EQ(before(b.program, 2), std::set<int32_t>{0});
}

TEST_F(DependenciesTest, ManyRecordsBecomeJoinsWithoutLosingAny) {
  constexpr int32_t kMany = 300;
  const auto tile = b.buffer(Space::kSbuf, 0, kMany), out = b.buffer(Space::kSbuf, 4096, kMany);
  for (int32_t i = 0; i < kMany; ++i) b.copy(b.part(out, i, 1), b.part(tile, i, 1));
  b.copy(b.part(tile, 0, kMany), b.part(out, 0, kMany));
  EXPECT_EQ(before(b.program, kMany).size(), static_cast<size_t>(kMany));
  b.program.buffers[0].address = b.program.buffers[1].address = -1;
  EXPECT_EQ(before(find_dependencies(b.program, {}), kMany).size(), static_cast<size_t>(kMany));
  EXPECT_LT(find_dependencies(b.program, {}).next.size(), 4 * static_cast<size_t>(kMany))
      << "joins keep the lists short";
}

TEST_F(DependenciesTest, ABufferThatComesBackWaitsForWhatWasAtItsAddress) {
  const auto first = b.buffer(Space::kSbuf, 0, 10), second = b.buffer(Space::kSbuf, 0, 10),
             apart = b.buffer(Space::kSbuf, 4096, 10);
  b.copy(b.part(first, 0, 10), b.part(apart, 0, 10));
  b.copy(b.part(second, 0, 10), b.part(apart, 0, 10));
  b.copy(b.part(first, 0, 10), b.part(apart, 0, 10));
  EXPECT_EQ(before(b.program, 2), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, CellsOfAnotherWidthAreAnywhereInTheirBuffer) {
  const auto tile = b.buffer(Space::kSbuf, 0, 100), apart = b.buffer(Space::kSbuf, 4096, 100);
  b.copy(b.part(tile, 0, 10), b.part(apart, 0, 10));
  AccessPattern narrow = b.part(tile, 100, 10);
  narrow.format = Format::kBfloat16;
  b.copy(b.part(apart, 50, 10), narrow);
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{0});
}

TEST_F(DependenciesTest, AnIndirectAccessWaitsForItsIndicesAndForAllOfItsBuffer) {
  const auto tile = b.buffer(Space::kSbuf, 0, 100),
             index = b.buffer(Space::kSbuf, 4096, 1, Format::kInt32),
             out = b.buffer(Space::kSbuf, 8192, 100);
  b.copy(b.part(tile, 90, 10), b.part(out, 0, 10));
  b.copy(b.part(index, 0, 1), b.part(out, 50, 1));
  AccessPattern read = b.part(tile, 0, 10);
  read.indirect = 0;
  b.program.indirects.resize(1);
  b.program.indirects[0].index = static_cast<int32_t>(b.program.patterns.size());
  b.program.patterns.push_back(b.part(index, 0, 1));
  b.copy(b.part(out, 80, 10), read);
  EXPECT_EQ(before(b.program, 2), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, ListedOperandsAreRead) {
  const auto tile = b.buffer(Space::kSbuf, 0, 10), out = b.buffer(Space::kSbuf, 4096, 10),
             apart = b.buffer(Space::kSbuf, 8192, 10);
  b.copy(b.part(tile, 0, 10), b.part(apart, 0, 10));
  b.program.integers = {1, static_cast<int64_t>(b.program.patterns.size())};
  b.program.patterns.push_back(b.part(tile, 0, 10));
  isa::Instruction& sum = b.add(Opcode::dma_compute, Queue::kDmaMove, {b.part(out, 0, 10)});
  sum.flags = isa::kListedOperands, sum.extra = 0;
  b.copy(b.part(tile, 0, 10), b.part(apart, 0, 10));
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{0});
  EXPECT_EQ(before(b.program, 2), (std::set<int32_t>{0, 1}));
}

TEST_F(DependenciesTest, ListedResultsAreWritten) {
  const auto tile = b.buffer(Space::kSbuf, 0, 10), out = b.buffer(Space::kSbuf, 4096, 10),
             apart = b.buffer(Space::kSbuf, 8192, 10), other = b.buffer(Space::kSbuf, 16384, 10);
  b.copy(b.part(out, 0, 10), b.part(apart, 0, 10));
  const auto listed = static_cast<int64_t>(b.program.patterns.size());
  b.program.integers = {1, listed, 1, listed + 1};
  b.program.patterns.push_back(b.part(tile, 0, 10));
  b.program.patterns.push_back(b.part(out, 0, 10));
  isa::Instruction& both = b.add(Opcode::all_reduce, Queue::kDmaMove, {});
  both.flags = isa::kListedOperands | isa::kListedResults, both.extra = 0;
  b.copy(b.part(apart, 0, 10), b.part(out, 0, 10));
  b.copy(b.part(other, 0, 5), b.part(tile, 0, 5));
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{0});
  EXPECT_TRUE(before(b.program, 2).contains(1));
  EXPECT_FALSE(before(b.program, 3).contains(1));
}

TEST_F(DependenciesTest, TilesAtGivenAddressesShareTheirBytes) {
  // b lies on the upper half of a and the lower half of c.
  const auto a = b.buffer(Space::kSbuf, 0, 20), middle = b.buffer(Space::kSbuf, 40, 20),
             c = b.buffer(Space::kSbuf, 80, 20), apart = b.buffer(Space::kSbuf, 4096, 20),
             bank = b.buffer(Space::kPsum, 0, 20);
  const std::vector<int64_t> places{0, 40, 80, 4096, 0};
  b.copy(b.part(a, 0, 10), b.part(apart, 0, 10));      // 0: bytes 0 to 40
  b.copy(b.part(c, 10, 10), b.part(apart, 0, 10));     // 1: bytes 120 to 160
  b.copy(b.part(middle, 0, 20), b.part(bank, 0, 20));  // 2: bytes 40 to 120
  b.copy(b.part(bank, 0, 5), b.part(a, 5, 10));        // 3: reads 20 to 60, writes PSUM
  b.copy(b.part(a, 0, 20, 64), b.part(apart, 0, 20));  // 4: other partitions
  b.copy(b.part(a, 0, 20), b.part(apart, 0, 20));      // 5: bytes 0 to 80
  b.copy(b.part(apart, 0, 1), b.part(middle, 15, 1));  // 6: reads byte 100, writes what 0 to 5 read
  const Dependencies found = find_dependencies(b.program, places);
  EXPECT_EQ(before(found, 2), std::set<int32_t>{});
  EXPECT_EQ(before(found, 3), (std::set<int32_t>{0, 2}));
  EXPECT_EQ(before(found, 4), std::set<int32_t>{});
  EXPECT_EQ(before(found, 5), (std::set<int32_t>{0, 2, 3}));
  EXPECT_EQ(before(found, 6), (std::set<int32_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(DependenciesTest, WhatAnEngineKeepsIsUsedInOrder) {
  const auto tile = b.buffer(Space::kSbuf, 0, 100), other = b.buffer(Space::kSbuf, 4096, 100);
  b.add(Opcode::rng, Queue::kVector, {b.part(tile, 0, 10)});
  b.add(Opcode::rng, Queue::kGpsimd, {b.part(tile, 10, 10)});
  b.add(Opcode::rng, Queue::kVector, {b.part(tile, 20, 10)});
  b.activate(numerics::UnaryFunction::kExp, b.part(tile, 30, 10), b.part(other, 0, 10));
  for (int i = 0; i < 2; ++i) {
    b.activate(numerics::UnaryFunction::kExp, b.part(tile, 40 + 10 * i, 10), b.part(other, 0, 10));
    b.program.instructions.back().flags =
        static_cast<uint16_t>(static_cast<int>(isa::ReduceCommand::kReduce) << isa::kReduceShift);
  }
  EXPECT_EQ(before(b.program, 1), std::set<int32_t>{}) << "another engine";
  EXPECT_EQ(before(b.program, 2), std::set<int32_t>{0});
  EXPECT_EQ(before(b.program, 4), std::set<int32_t>{}) << "no accumulators are used before";
  EXPECT_EQ(before(b.program, 5), std::set<int32_t>{4});
}

// Runs out of host memory, or does nothing.
struct Hungry final : isa::Call {
  explicit Hungry(bool throws_now) : throws(throws_now) {}
  bool execute(const std::vector<const std::byte*>&, const std::vector<std::byte*>&,
               std::string*) const override {
    if (throws) throw std::bad_alloc();
    return true;
  }
  bool throws;
};

TEST(SideBySide, AnExceptionOnOneThreadEndsTheRun) {
  ProgramBuilder b;
  constexpr int32_t kCalls = 40;
  for (int32_t i = 0; i < kCalls; ++i) {
    auto call = std::make_shared<Hungry>(i == 7);
    call->outputs = {b.buffer(Space::kHbm, 0, 10)};
    b.program.calls.push_back(call);
    b.add(Opcode::custom_op, Queue::kGpsimd, {}).extra = i;
  }
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    Machine machine(round_core(), pool, {});
    ASSERT_TRUE(machine.load(b.program).ok());
    EXPECT_THROW(machine.run(b.program).ok(), std::bad_alloc) << threads << " threads";
  }
}

// Copies, products and activations between overlapping pieces of a few buffers, which reuse
// addresses.
TEST(SideBySide, RandomProgramsGiveTheBitsOfProgramOrder) {
  const isa::CoreParameters core = round_core();
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    auto pick = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
    };
    ProgramBuilder b;
    const BufferId in = b.buffer(Space::kHbm, 0, 128 * 600),
                   out = b.buffer(Space::kHbm, 1 << 20, 128 * 600);
    std::vector<BufferId> tiles;
    const BufferId psum = b.buffer(Space::kPsum, 0, 512);
    for (int i = 0; i < 260; ++i) {
      if (i % 26 ==
          0) {  // other buffers over the addresses of those before, which are not used again
        tiles.clear();
        for (int64_t t = 0; t < 3; ++t)
          tiles.push_back(b.buffer(Space::kSbuf, t * 8192 + pick(0, 3) * 1024, 600));
      }
      auto piece = [&](int32_t n) {
        return b.part(tiles[static_cast<size_t>(pick(0, static_cast<int64_t>(tiles.size()) - 1))],
                      pick(0, 600 - n), n, 0, 128);
      };
      const auto n = static_cast<int32_t>(pick(1, 500));
      switch (pick(0, 4)) {
        case 0:
          b.load(piece(n), b.part(in, pick(0, 600 - n), n, 0, 128, 600));
          break;
        case 1:
          b.store(b.part(out, pick(0, 600 - n), n, 0, 128, 600), piece(n));
          break;
        case 2:
          b.activate(numerics::UnaryFunction::kTanh, piece(n), piece(n));
          break;
        case 3:
          b.copy(piece(n), b.part(psum, 0, n, 0, 128));
          break;
        default: {
          isa::Instruction& made = b.add(Opcode::nc_matmul, Queue::kTensor,
                                         {b.part(psum, 0, n, 0, 128), piece(128), piece(n)});
          if (pick(0, 1) == 0) made.flags = isa::kAccumulate;
        }
      }
    }
    std::vector<float> expected;
    for (int threads : {1, 2, 5}) {
      ThreadPool pool(threads);
      Machine machine(core, pool, {});
      ASSERT_TRUE(machine.load(b.program).ok());
      auto* data = reinterpret_cast<float*>(machine.hbm_data(in));
      for (int i = 0; i < 128 * 600; ++i) data[i] = static_cast<float>(i * 37 % 101 - 50) / 64;
      for (int repeat = 0; repeat < 2; ++repeat) {
        ASSERT_TRUE(machine.run(b.program).ok());
      }
      auto* result = reinterpret_cast<float*>(machine.hbm_data(out));
      std::vector<float> values(result, result + 128 * 600);
      if (threads == 1) expected = values;
      ASSERT_EQ(0, std::memcmp(values.data(), expected.data(), values.size() * 4))
          << "seed " << seed << ", threads " << threads;
    }
  }
}

}  // namespace
}  // namespace thorong::sim::testing
