// SPDX-License-Identifier: Apache-2.0
#include "thorong/sim/schedule.h"

#include <map>
#include <random>

#include "thorong/sim/regions.h"
#include "thorong/sim/testing.h"
#include "thorong/sim/timing.h"

namespace thorong::sim {
namespace {

using testing::ProgramBuilder;
using testing::round_core;
using namespace isa;  // NOLINT: a test of its vocabulary

constexpr int64_t kUnplaced = -1;

int64_t time_of(Program program, const CoreParameters& core) {
  insert_semaphores(program);
  return simulate_timing(program, core, Schedule::kBest).end_ps;
}

// `count` tiles of `elements`: loaded, doubled on Vector, stored; in trace order one after the
// other.
Program loop(int64_t count, int64_t elements) {
  ProgramBuilder b;
  BufferId in = b.buffer(Space::kHbm, 0, count * elements),
           out = b.buffer(Space::kHbm, 1 << 20, count * elements);
  for (int64_t i = 0; i < count; ++i) {
    BufferId x = b.buffer(Space::kSbuf, kUnplaced, elements),
             y = b.buffer(Space::kSbuf, kUnplaced, elements);
    auto n = static_cast<int32_t>(elements);
    b.add(Opcode::dma_copy, Queue::kDmaLoad, {b.part(x, 0, n), b.part(in, i * elements, n)});
    b.add(Opcode::tensor_copy, Queue::kVector, {b.part(y, 0, n), b.part(x, 0, n)});
    b.add(Opcode::dma_copy, Queue::kDmaStore, {b.part(out, i * elements, n), b.part(y, 0, n)});
  }
  return b.program;
}

TEST(Schedule, IterationsOfALoopOverlap) {
  CoreParameters core = round_core();
  Program program = loop(8, 1000);
  ASSERT_TRUE(schedule(program, core, {}).ok());
  // Loads (4 us each, as the stores) share one path: 64 us; the work of 1 us and the latencies hide
  // behind it.
  int64_t path_ps = 16 * 4000 * 1000;
  EXPECT_GE(time_of(program, core), path_ps);
  EXPECT_LE(time_of(program, core), path_ps + 6000 * 1000);
}

TEST(Schedule, TilesThatDoNotFitTogetherTakeTurns) {
  CoreParameters core = round_core();
  core.sbuf_bytes_per_partition = 20000;  // five tiles of 4,000 bytes, where 40 would like to live
  Program program = loop(20, 1000);
  ASSERT_TRUE(schedule(program, core, {}).ok());
  for (const Buffer& buffer : program.buffers) {
    if (buffer.space != Space::kSbuf) continue;
    EXPECT_GE(buffer.address, 0);
    EXPECT_LE(buffer.address + buffer.row_bytes, 20000);
  }
  EXPECT_LE(program.sbuf_peak_bytes, 20000 * core.partitions);
  EXPECT_GE(time_of(program, core), 40 * 4000 * 1000);
}

TEST(Schedule, HalfTilesShareBytesWhereTheyWouldNotFitOtherwise) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  std::vector<BufferId> tiles;
  for (int i = 0; i < 4; ++i) tiles.push_back(b.buffer(Space::kSbuf, kUnplaced, 1000));
  for (Buffer& buffer : b.program.buffers) buffer.partitions = 64;
  BufferId out = b.buffer(Space::kHbm, 0, 4000);
  for (BufferId tile : tiles) b.add(Opcode::memset, Queue::kVector, {b.part(tile, 0, 1000)});
  for (int i = 0; i < 4; ++i) {
    b.add(Opcode::dma_copy, Queue::kDmaStore,
          {b.part(out, 1000 * i, 1000), b.part(tiles[static_cast<size_t>(i)], 0, 1000)});
  }
  const std::vector<Edge> edges{{4, 3}, {5, 3}, {6, 3}, {7, 3}};  // so that all live at once
  Program roomy = b.program, tight = b.program, whole = b.program;
  ASSERT_TRUE(schedule(roomy, core, {{}, {}, edges}).ok());
  EXPECT_EQ(roomy.sbuf_peak_bytes, 4 * 4032 * core.partitions);
  core.sbuf_bytes_per_partition = 2 * 4032;
  ASSERT_TRUE(schedule(tight, core, {{}, {}, edges}).ok());
  EXPECT_EQ(tight.sbuf_peak_bytes, 2 * 4032 * core.partitions);
  std::map<int64_t, int> at;
  for (BufferId tile : tiles) ++at[tight.buffers[static_cast<size_t>(tile)].address];
  EXPECT_EQ(at, (std::map<int64_t, int>{{0, 2}, {4032, 2}}));
  for (Buffer& buffer : whole.buffers) buffer.partitions = 65;
  EXPECT_FALSE(schedule(whole, core, {{}, {}, edges}).ok());
}

TEST(Schedule, ATileThatCannotFitNamesItsOperator) {
  CoreParameters core = round_core();
  core.sbuf_bytes_per_partition = 5000;
  Program program = loop(2, 1000);  // a load's and a copy's tile at once: 8,000 bytes
  program.operators.push_back({"kernel.py:7", "tensor_copy", "tile", 0});
  for (Instruction& instruction : program.instructions) instruction.operator_index = 0;
  auto result = schedule(program, core, {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().code(), Code::kResourceExhausted);
  EXPECT_NE(result.status().to_string().find("kernel.py:7"), std::string::npos)
      << result.status().to_string();
  EXPECT_NE(result.status().to_string().find("expected room for a tile of 4000 bytes"),
            std::string::npos);
}

TEST(Schedule, TilesThatFitOnlySideBySideArePacked) {
  CoreParameters core = round_core();
  core.sbuf_bytes_per_partition = 7936;  // two tiles of 1,900 bytes and one of 4,000, each of 64s
  ProgramBuilder b;
  BufferId hbm = b.buffer(Space::kHbm, 0, 4000);
  auto tile = [&](int64_t elements) { return b.buffer(Space::kSbuf, kUnplaced, elements); };
  BufferId first = tile(475), kept = tile(475), second = tile(475), large = tile(1000);
  b.load(b.part(first, 0, 475), b.part(hbm, 0, 475));
  b.copy(b.part(kept, 0, 475), b.part(first, 0, 475));  // gives the first one's place back
  b.copy(b.part(second, 0, 475), b.part(kept, 0, 475));
  b.copy(b.part(large, 0, 475), b.part(second, 0, 475));
  b.copy(b.part(large, 475, 475), b.part(kept, 0, 475));
  ASSERT_TRUE(schedule(b.program, core, {}).ok());
  EXPECT_LE(b.program.sbuf_peak_bytes, 7936 * core.partitions);
}

TEST(Schedule, TransfersStartInTheOrderInWhichTheProgramAsksForThem) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  BufferId hbm = b.buffer(Space::kHbm, 0, 64);
  BufferId a = b.buffer(Space::kSbuf, 0, 64), c = b.buffer(Space::kSbuf, 1024, 64);
  b.load(b.part(a, 0, 8), b.part(hbm, 0, 8));
  b.load(b.part(c, 0, 8), b.part(hbm, 8, 8));  // more hangs on this one
  b.copy(b.part(c, 16, 48), b.part(c, 0, 8));
  std::vector<int64_t> fixed{-1, 0, 1024};
  auto order = schedule(b.program, core, {.fixed_addresses = fixed, .chains = {}, .edges = {}});
  EXPECT_EQ(*order, (std::vector<int32_t>{0, 1, 2}));
}

// Tiles of half of the partitions and of two sizes, where only equal ones share a place.
TEST(Schedule, TilesThatCouldFitAreNoFaultOfTheProgram) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  std::vector<BufferId> tiles;
  for (int64_t size : {1024, 1024, 512, 512, 512, 512})
    tiles.push_back(b.buffer(Space::kSbuf, kUnplaced, size));
  for (Buffer& buffer : b.program.buffers) buffer.partitions = buffer.row_bytes > 2048 ? 32 : 64;
  BufferId out = b.buffer(Space::kHbm, 0, 4000);
  for (BufferId tile : tiles) b.add(Opcode::memset, Queue::kVector, {b.part(tile, 0, 512)});
  for (BufferId tile : tiles)
    b.add(Opcode::dma_copy, Queue::kDmaStore, {b.part(out, 0, 512), b.part(tile, 0, 512)});
  const std::vector<Edge> edges{{1, 0}, {2, 1}, {3, 2}, {4, 3},  {5, 4}, {6, 5},
                                {7, 5}, {8, 5}, {9, 5}, {10, 5}, {11, 5}};
  core.sbuf_bytes_per_partition = 2 * 4096 - 64;  // 6,144 live, by the partitions that they take
  auto found = schedule(b.program, core, {{}, {}, edges});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), Code::kUnsupported);
}

TEST(Schedule, ChainsKeepTheirOrder) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  // Independent copies; the later one in the trace has the longer way behind it and would go first.
  BufferId a = b.buffer(Space::kSbuf, 0, 64), c = b.buffer(Space::kSbuf, 1024, 64),
           d = b.buffer(Space::kSbuf, 2048, 64);
  b.add(Opcode::tensor_copy, Queue::kVector, {b.part(a, 0, 8), b.part(a, 16, 8)});
  b.add(Opcode::tensor_copy, Queue::kVector, {b.part(c, 0, 8), b.part(c, 16, 8)});
  b.add(Opcode::tensor_copy, Queue::kScalar, {b.part(d, 0, 64), b.part(c, 0, 8)});
  std::vector<int64_t> fixed{0, 1024, 2048};
  Program free = b.program, chained = b.program;
  auto order = schedule(free, core, {.fixed_addresses = fixed, .chains = {}, .edges = {}});
  EXPECT_EQ(*order, (std::vector<int32_t>{1, 0, 2}));
  std::vector<int32_t> chains{0, 0, 0};
  order = schedule(chained, core, {.fixed_addresses = fixed, .chains = chains, .edges = {}});
  EXPECT_EQ(*order, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(free.buffers[1].address, 1024);
}

TEST(Schedule, PsumTilesStayWithinABank) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  for (int i = 0; i < 40; ++i) {
    BufferId t = b.buffer(Space::kPsum, kUnplaced, 300);
    b.add(Opcode::memset, Queue::kVector, {b.part(t, 0, 300)});
    b.add(Opcode::tensor_copy, Queue::kScalar, {b.part(t, 0, 100), b.part(t, 100, 100)});
  }
  BufferId wide = b.buffer(Space::kPsum, kUnplaced, 1000);
  b.add(Opcode::memset, Queue::kVector, {b.part(wide, 0, 1000)});
  ASSERT_TRUE(schedule(b.program, core, {}).ok());
  for (const Buffer& buffer : b.program.buffers) {
    int64_t first = buffer.address / core.psum_bank_bytes,
            last = (buffer.address + buffer.row_bytes - 1) / core.psum_bank_bytes;
    EXPECT_EQ(last - first, (buffer.row_bytes - 1) / core.psum_bank_bytes);
    EXPECT_LT(last, core.psum_banks);
  }
}

TEST(Schedule, ListedOperandsHaveAPlaceUntilTheyAreRead) {
  CoreParameters core = round_core();
  ProgramBuilder b;
  std::vector<BufferId> tiles;
  for (int i = 0; i < 8; ++i) {
    tiles.push_back(b.buffer(Space::kSbuf, kUnplaced, 100));
    b.add(Opcode::memset, Queue::kVector, {b.part(tiles.back(), 0, 100)});
  }
  BufferId out = b.buffer(Space::kSbuf, kUnplaced, 100);
  b.program.integers = {8};
  for (BufferId id : tiles) {
    b.program.integers.push_back(static_cast<int64_t>(b.program.patterns.size()));
    b.program.patterns.push_back(b.part(id, 0, 100));
  }
  Instruction& sum = b.add(Opcode::dma_compute, Queue::kDmaMove, {b.part(out, 0, 100)});
  sum.flags = kListedOperands, sum.extra = 0;
  ASSERT_TRUE(schedule(b.program, core, {}).ok());
  for (size_t i = 0; i < b.program.buffers.size(); ++i) {
    for (size_t j = 0; j < i; ++j)
      EXPECT_GE(std::abs(b.program.buffers[i].address - b.program.buffers[j].address), 400);
  }
}

TEST(Schedule, EdgesAreWaits) {
  ProgramBuilder b;
  BufferId a = b.buffer(Space::kSbuf, 0, 64), c = b.buffer(Space::kSbuf, 1024, 64);
  b.add(Opcode::memset, Queue::kVector, {b.part(a, 0, 64)});
  b.add(Opcode::memset, Queue::kGpsimd, {b.part(c, 0, 64)});
  std::vector<int64_t> places{0, 1024};
  std::vector<Edge> edges{{1, 0}};
  insert_semaphores(b.program, find_dependencies(b.program, places, edges));
  EXPECT_EQ(testing::waits_of(b.program, 1), (std::map<Queue, int32_t>{{Queue::kVector, 1}}));
  insert_semaphores(b.program, find_dependencies(b.program, places));
  EXPECT_TRUE(testing::waits_of(b.program, 1).empty());
}

// A random program over few tiles, so that all kinds of dependencies occur.
Program random_program(uint32_t seed) {
  std::mt19937 random(seed);
  auto pick = [&](int low, int high) {
    return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
  };
  ProgramBuilder b;
  std::vector<BufferId> tiles;
  for (int i = 0; i < 12; ++i)
    tiles.push_back(b.buffer(i % 3 == 0 ? Space::kPsum : Space::kSbuf, kUnplaced, 64 * pick(1, 6)));
  for (int i = 0; i < 200; ++i) {
    auto part = [&] {
      BufferId id = tiles[static_cast<size_t>(pick(0, 11))];
      auto elements =
          static_cast<int32_t>(b.program.buffers[static_cast<size_t>(id)].row_bytes / 4);
      int size = pick(1, 32), offset = pick(0, elements - size);
      return b.part(id, offset, size, 32 * pick(0, 3), pick(1, 32));
    };
    Queue queue = pick(0, 1) == 0 ? Queue::kVector : Queue::kScalar;
    AccessPattern out = part(), in = part();
    in.size[0] = out.size[0] = std::min(in.size[0], out.size[0]);
    in.partitions = out.partitions = std::min(in.partitions, out.partitions);
    b.add(Opcode::tensor_copy, queue, {out, in});
  }
  return b.program;
}

TEST(Schedule, NeverSwapsInstructionsThatDependOnEachOther) {
  CoreParameters core = round_core();
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    Program traced = random_program(seed), program = traced;
    auto order = schedule(program, core, {});
    ASSERT_TRUE(order.ok()) << order.status().to_string();
    std::vector<size_t> place(order->size());
    for (size_t k = 0; k < order->size(); ++k) place[static_cast<size_t>((*order)[k])] = k;
    for (size_t i = 0; i < traced.instructions.size(); ++i) {
      for (size_t j = i + 1; j < traced.instructions.size(); ++j) {
        bool conflict = false;
        for (int x = 0; x < 2; ++x) {
          for (int y = 0; y < 2; ++y) {
            const AccessPattern &p = traced.operand(traced.instructions[i], x),
                                &q = traced.operand(traced.instructions[j], y);
            conflict = conflict || ((x == 0 || y == 0) && p.buffer == q.buffer &&
                                    overlaps(range_of(traced, p), range_of(traced, q)));
          }
        }
        if (conflict) {
          EXPECT_LT(place[i], place[j]) << i << " before " << j;
        }
      }
    }
    Program again = random_program(seed);
    EXPECT_EQ(*schedule(again, core, {}), *order) << "the same program has the same order";
  }
}

}  // namespace
}  // namespace thorong::sim
