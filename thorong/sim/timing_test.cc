// SPDX-License-Identifier: Apache-2.0
// When instructions start: schedules worked by hand on a chip with round figures, and for any
// program that each instruction starts at its earliest legal picosecond: legal there, illegal one
// picosecond before.
#include "thorong/sim/timing.h"

#include <random>

#include "thorong/sim/testing.h"

namespace thorong::sim::testing {
namespace {

using numerics::UnaryFunction;

constexpr int64_t kNs = 1000;  // picoseconds

bool on_data_path(Queue queue) {
  return queue == Queue::kDmaLoad || queue == Queue::kDmaStore || queue == Queue::kDmaMove;
}

int64_t ps(double seconds) { return static_cast<int64_t>(std::ceil(seconds * 1e12)); }

// Whether instruction i may start at `start`, all others as timed (schedule kBest).
bool legal(const isa::Program& program, const isa::CoreParameters& core, const Timing& timing,
           size_t i, int64_t start) {
  const isa::Instruction& instruction = program.instructions[i];
  if (start < 0) return false;
  const int64_t length = timing.instructions[i].end_ps - timing.instructions[i].start_ps;
  const auto visible = [&](size_t k) {
    return timing.instructions[k].end_ps + ps(timing.costs[k].latency_s);
  };
  for (size_t k = 0; k < program.instructions.size(); ++k) {
    const isa::Instruction& other = program.instructions[k];
    const InstructionTime& time = timing.instructions[k];
    if (k < i && other.queue == instruction.queue) {
      if (start < (on_data_path(other.queue) ? time.start_ps : time.end_ps)) return false;
    }
    // Transfers that stand before it in the program keep their place on the data path.
    if (k < i && on_data_path(other.queue) && on_data_path(instruction.queue) &&
        start < time.end_ps && time.start_ps < start + length) {
      return false;
    }
  }
  for (const auto& [queue, count] : waits_of(program, i)) {
    int32_t seen = 0;
    for (size_t k = 0; k < i && seen < count; ++k) {
      if (program.instructions[k].queue != queue) continue;
      ++seen;
      if (start < visible(k) + ps(core.semaphore_s)) return false;
    }
  }
  return true;
}

void expect_earliest(const isa::Program& program, const isa::CoreParameters& core,
                     const Timing& timing) {
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const int64_t start = timing.instructions[i].start_ps;
    EXPECT_TRUE(legal(program, core, timing, i, start)) << "instruction " << i << " at " << start;
    EXPECT_FALSE(legal(program, core, timing, i, start - 1))
        << "instruction " << i << " may start before " << start;
  }
}

void expect_conserved(const isa::Program& program, const Timing& timing) {
  std::array<int64_t, isa::kQueues> busy{}, count{};
  int64_t transfers = 0;
  for (size_t i = 0; i < program.instructions.size(); ++i) {
    const InstructionTime& time = timing.instructions[i];
    const auto q = static_cast<size_t>(program.instructions[i].queue);
    EXPECT_LE(time.start_ps, time.end_ps);
    EXPECT_LE(time.end_ps, timing.end_ps);
    busy[q] += time.end_ps - time.start_ps;
    ++count[q];
    if (on_data_path(program.instructions[i].queue)) transfers += time.end_ps - time.start_ps;
  }
  EXPECT_EQ(busy, timing.busy_ps);
  EXPECT_EQ(count, timing.count);
  for (const int64_t b : busy) EXPECT_LE(b, timing.end_ps);
  EXPECT_LE(transfers, timing.end_ps);
}

// Ten instructions: two loads, a chain over Vector and Scalar, two stores, and a write that must
// wait for a store. 250 fp32 elements of one partition: 1000 bytes, 250 cycles.
ProgramBuilder ten_instructions() {
  ProgramBuilder b;
  const auto in = b.buffer(Space::kHbm, 0, 500), out = b.buffer(Space::kHbm, 2000, 500);
  BufferId tile[6];
  for (int64_t t = 0; t < 6; ++t) tile[t] = b.buffer(Space::kSbuf, t * 1024, 250);
  const auto all = [&](int t) { return b.part(tile[t], 0, 250); };
  b.load(all(0), b.part(in, 0, 250));                                      // 0
  b.load(all(1), b.part(in, 250, 250));                                    // 1
  b.copy(all(2), all(0));                                                  // 2
  b.activate(UnaryFunction::kCopy, all(3), all(1));                        // 3
  b.add(Opcode::tensor_tensor, Queue::kVector, {all(4), all(2), all(3)});  // 4
  b.activate(UnaryFunction::kExp, all(5), all(4));                         // 5
  b.store(b.part(out, 0, 250), all(4));                                    // 6
  b.add(Opcode::memset, Queue::kVector, {all(4)}).immediate0 = 1;          // 7
  b.activate(UnaryFunction::kExp, all(3), all(2));                         // 8
  b.store(b.part(out, 250, 250), all(3));                                  // 9
  insert_semaphores(b.program);
  return b;
}

void expect_starts(const Timing& timing, const std::vector<int64_t>& nanoseconds, int64_t end) {
  ASSERT_EQ(timing.instructions.size(), nanoseconds.size());
  for (size_t i = 0; i < nanoseconds.size(); ++i) {
    EXPECT_EQ(timing.instructions[i].start_ps, nanoseconds[i] * kNs) << "instruction " << i;
  }
  EXPECT_EQ(timing.end_ps, end * kNs);
}

TEST(Timing, TenInstructionsByHandBest) {
  const ProgramBuilder b = ten_instructions();
  const isa::CoreParameters core = round_core();
  const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  // 0: 0-1000, visible 1100. 1: path free at 1000, visible 2100. 2: 1100 + 10. 3: 2100 + 10.
  // 4: Scalar's 2360 + 10, two cycles an element. 5: 2870 + 10, 250 and the table's 300: to 3430.
  // 6: 2870 + 10, to 3880, visible 3980. 7: after the store, 3980 + 10. 8: Scalar free at 3430.
  // 9: Scalar's 3680 + 10, but the path is free at 3880: visible 4980.
  expect_starts(timing, {0, 1000, 1110, 2110, 2370, 2880, 2880, 3990, 3430, 3880}, 4980);
  expect_earliest(b.program, core, timing);
  expect_conserved(b.program, timing);
}

TEST(Timing, TenInstructionsByHandAsTheVendorSchedules) {
  const ProgramBuilder b = ten_instructions();
  isa::CoreParameters core = round_core();
  // Without overlap the engines take turns; semaphores between engines are in the calibration.
  // 4: after 3's 2360. 5: after 4's 2860, to 3410. 6: 2860 + 10, visible 3970. 7: 3970 + 10, to
  // 4230. 8: after 7, to 4480. 9: 4480 + 10, visible 5590.
  expect_starts(simulate_timing(b.program, core, Schedule::kVendor),
                {0, 1000, 1110, 2110, 2360, 2860, 2870, 3980, 4230, 4490}, 5590);
  // Half of each instruction overlaps the next one: only 8 had to wait for its turn.
  core.vendor_overlap = 0.5;
  expect_starts(simulate_timing(b.program, core, Schedule::kVendor),
                {0, 1000, 1110, 2110, 2360, 2860, 2870, 3980, 4105, 4365}, 5465);
}

TEST(Timing, TheSamePicosecondsTwice) {
  const ProgramBuilder b = ten_instructions();
  for (const Schedule schedule : {Schedule::kBest, Schedule::kVendor}) {
    const Timing a = simulate_timing(b.program, round_core(), schedule);
    const Timing c = simulate_timing(b.program, round_core(), schedule);
    EXPECT_EQ(a.end_ps, c.end_ps);
    for (size_t i = 0; i < a.instructions.size(); ++i) {
      EXPECT_EQ(a.instructions[i].start_ps, c.instructions[i].start_ps);
      EXPECT_EQ(a.instructions[i].end_ps, c.instructions[i].end_ps);
    }
  }
}

TEST(Timing, BestIsNeverSlowerThanWithoutOverlap) {
  const ProgramBuilder b = ten_instructions();
  EXPECT_LE(simulate_timing(b.program, round_core(), Schedule::kBest).end_ps,
            simulate_timing(b.program, round_core(), Schedule::kVendor).end_ps);
}

TEST(Timing, ALaterTransferFillsTheGapBeforeAWaitingStore) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 1000), x = b.buffer(Space::kSbuf, 0, 250),
             y = b.buffer(Space::kSbuf, 1024, 250), z = b.buffer(Space::kSbuf, 2048, 250);
  b.load(b.part(x, 0, 250), b.part(hbm, 0, 250));  // 0-1000, visible 1100
  b.add(Opcode::tensor_tensor, Queue::kVector,
        {b.part(y, 0, 250), b.part(x, 0, 250), b.part(x, 0, 250)});  // 1110-1610
  b.store(b.part(hbm, 250, 250), b.part(y, 0, 250));                 // 1620-2620
  b.load(b.part(z, 0, 100), b.part(hbm, 500, 100));                  // 400 bytes fit before it
  b.load(b.part(z, 100, 150), b.part(hbm, 600, 150));                // 600 bytes do not
  insert_semaphores(b.program);
  const Timing timing = simulate_timing(b.program, round_core(), Schedule::kBest);
  expect_starts(timing, {0, 1110, 1620, 1000, 2620}, 3320);
  expect_earliest(b.program, round_core(), timing);
  expect_conserved(b.program, timing);
}

TEST(Timing, ProductsOnPartsOfTheArrayRunSideBySide) {
  for (bool apart : {true, false}) {
    ProgramBuilder b;
    const auto x = b.buffer(Space::kSbuf, 0, 432, Format::kBfloat16),
               sum = b.buffer(Space::kPsum, 0, 400);
    for (int i = 0; i < 4; ++i) {
      int quarter = apart ? i : 0;
      auto& made = b.add(Opcode::nc_matmul, Queue::kTensor,
                         {b.part(sum, 0, 400, 32 * quarter, 32), b.part(x, 0, 32, 0, 128),
                          b.part(x, 32, 400, 0, 128)});
      made.function1 = static_cast<uint8_t>(0xF | 0x10 << quarter);  // all rows, 32 columns
    }
    isa::CoreParameters core = round_core();
    core.clock_ramp_s = 0;
    const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
    if (apart)
      expect_starts(timing, {0, 100, 200, 300}, 750);  // 400 each, visible 50 later
    else
      expect_starts(timing, {0, 400, 800, 1200}, 1650);
  }
}

TEST(Timing, DescriptorsAreMadeBeforeATransferStarts) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100);
  for (int64_t i = 0; i < 4; ++i) {
    b.load(b.part(x, 10 * i, 10), b.part(hbm, 10 * i, 10));  // 40 bytes, 40 ns
    if (i < 3) b.program.instructions.back().flags |= isa::kGenerated;
  }
  isa::CoreParameters core = round_core();
  core.dma_descriptor_s = 600e-9, core.dma_descriptor_generators = 2;
  const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  expect_starts(timing, {600, 640, 1200, 1240}, 1380);  // two at a time; a ring keeps its order
}

TEST(Timing, ActivationTablesAreLoadedWhenTheyChange) {
  ProgramBuilder b;
  const auto x = b.buffer(Space::kSbuf, 0, 100);
  const auto tile = b.part(x, 0, 100);
  int64_t expected = 0;
  const auto run = [&](UnaryFunction function, bool loads) {
    b.activate(function, tile, tile);
    expected += 100 + (loads ? 300 : 0);
  };
  run(UnaryFunction::kCopy, false);  // in every table
  run(UnaryFunction::kExp, true);
  run(UnaryFunction::kExp, false);
  run(UnaryFunction::kRelu, false);
  run(UnaryFunction::kExp, false);
  run(UnaryFunction::kTanh, true);
  run(UnaryFunction::kExp, true);
  // Other instructions on Scalar load tables too, each once.
  isa::CoreParameters core = round_core();
  core.scalar_reduce_cycles = 64;
  for (const Opcode opcode : {Opcode::activation_reduce, Opcode::activate2}) {
    for (const UnaryFunction function :
         {UnaryFunction::kTanh, UnaryFunction::kTanh, UnaryFunction::kRelu, UnaryFunction::kExp}) {
      isa::Instruction& made = b.add(opcode, Queue::kScalar, {tile, tile});
      made.function0 = static_cast<uint8_t>(function), made.immediate0 = 1;
      expected += opcode == Opcode::activation_reduce ? 164 : 100;
    }
    expected += 2 * 300;
  }
  run(UnaryFunction::kExp, false);
  insert_semaphores(b.program);
  EXPECT_EQ(simulate_timing(b.program, core, Schedule::kBest).end_ps, expected * kNs);
}

// 512 cycles of a product, with pauses of Vector's making.
TEST(Timing, TheTensorClockRampsAfterAPause) {
  isa::CoreParameters core = round_core();
  core.clock_ramp_s = 1e-6, core.clock_ramp_fraction = 0.5;
  ProgramBuilder b;
  const auto bf16 = Format::kBfloat16;
  const auto w = b.buffer(Space::kSbuf, 0, 64, bf16), x = b.buffer(Space::kSbuf, 1024, 2000, bf16),
             y = b.buffer(Space::kSbuf, 8192, 2000), psum = b.buffer(Space::kPsum, 0, 512);
  const auto product = [&] {
    b.add(Opcode::nc_matmul, Queue::kTensor,
          {b.part(psum, 0, 512, 0, 64), b.part(w, 0, 64, 0, 64), b.part(x, 0, 512, 0, 64)});
  };
  const auto pause = [&](int32_t cycles) {  // new operands, between two products
    b.copy(b.part(x, 0, cycles), b.part(y, 0, cycles));
  };
  product();   // 1000 ns at half rate do 500 cycles, 12 more at the full rate
  product();   // 512
  pause(500);  // 50 + 10 + 500 + 10 ns: shorter than the ramp
  product();
  pause(1200);  // the tensor engine waits longer than the ramp
  product();    // ramps again
  insert_semaphores(b.program);
  const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  const auto length = [&](size_t i) {
    return timing.instructions[i].end_ps - timing.instructions[i].start_ps;
  };
  EXPECT_EQ(length(0), 1012 * kNs);
  EXPECT_EQ(length(1), 512 * kNs);
  EXPECT_EQ(length(3), 512 * kNs);
  EXPECT_EQ(length(5), 1012 * kNs);
  EXPECT_EQ(isa::core_parameters(*chip::load("trainium1")).clock_ramp_s, 0);
  EXPECT_GT(isa::core_parameters(*chip::load("trainium2")).clock_ramp_s, 0);
  EXPECT_GT(isa::core_parameters(*chip::load("trainium3")).clock_ramp_s, 0);
}

TEST(Timing, CoresWaitForEachOtherWhereTheyMeet) {
  const isa::CoreParameters core = round_core();
  std::array<ProgramBuilder, 2> cores;
  for (size_t c = 0; c < 2; ++c) {
    ProgramBuilder& b = cores[c];
    BufferId own = b.buffer(Space::kSbuf, 0, 1000), shared = b.buffer(Space::kHbm, 0, 1000);
    const int64_t elements = c == 0 ? 100 : 700;
    b.copy(b.part(own, 0, static_cast<int32_t>(elements)), b.part(own, 0, 100));
    b.add(isa::Opcode::core_barrier, Queue::kVector, {b.part(shared, 0, 1)});
    b.copy(b.part(own, 0, 200), b.part(own, 200, 200));
    insert_semaphores(b.program);
  }
  const std::array<const isa::Program*, 2> programs{&cores[0].program, &cores[1].program};
  const std::vector<Timing> both = simulate_timing(programs, core, Schedule::kBest);
  const int64_t later = both[1].instructions[0].end_ps;
  EXPECT_GT(later, both[0].instructions[0].end_ps);
  for (const Timing& timing : both) EXPECT_EQ(timing.instructions[1].start_ps, later);
  EXPECT_EQ(both[0].instructions[2].start_ps, both[1].instructions[2].start_ps);
  EXPECT_LT(simulate_timing(cores[0].program, core, Schedule::kBest).end_ps, both[0].end_ps)
      << "alone it waits for nobody";
}

TEST(Timing, OnlyThoseWhoMeetWaitForEachOther) {
  const isa::CoreParameters core = round_core();
  std::array<ProgramBuilder, 4> cores;
  std::array<const isa::Program*, 4> programs{};
  Meetings who(4);
  for (size_t c = 0; c < 4; ++c) {  // 0 and 1 meet, then 2 and 3, then all
    ProgramBuilder& b = cores[c];
    BufferId own = b.buffer(Space::kSbuf, 0, 1000), shared = b.buffer(Space::kHbm, 0, 1000);
    b.copy(b.part(own, 0, static_cast<int32_t>(100 + 200 * c)), b.part(own, 0, 100));
    for (int i = 0; i < 2; ++i)
      b.add(isa::Opcode::core_barrier, Queue::kVector, {b.part(shared, 0, 1)});
    insert_semaphores(b.program);
    programs[c] = &b.program;
    auto first = static_cast<int64_t>(c / 2 * 2);
    who[c] = {{first, first + 1}, {0, 1, 2, 3}};
  }
  const std::vector<Timing> all = simulate_timing(programs, core, Schedule::kBest, who);
  for (size_t c = 0; c < 4; ++c) {
    EXPECT_EQ(all[c].instructions[1].start_ps, all[c / 2 * 2 + 1].instructions[0].end_ps);
    EXPECT_EQ(all[c].instructions[2].start_ps, all[3].instructions[2].start_ps);
  }
  EXPECT_LT(all[0].instructions[1].start_ps, all[2].instructions[1].start_ps);
}

TEST(Timing, ADurationIsRoundedUpToPicoseconds) {
  isa::CoreParameters core = round_core();
  core.vector_hz = 1.12e9;
  ProgramBuilder b;
  const auto x = b.buffer(Space::kSbuf, 0, 100);
  b.copy(b.part(x, 0, 100), b.part(x, 0, 100));
  insert_semaphores(b.program);
  EXPECT_EQ(simulate_timing(b.program, core, Schedule::kBest).end_ps, 89286);  // 89285.7
}

TEST(Timing, EqualCostsOfALoopAreKeptOnce) {
  ProgramBuilder b;
  const BufferId x = b.buffer(Space::kSbuf, 0, 1000), y = b.buffer(Space::kSbuf, 4000, 1000);
  for (int i = 0; i < 50; ++i) {
    b.copy(b.part(y, i, 100), b.part(x, i, 100));
    b.activate(UnaryFunction::kCopy, b.part(y, i, 200), b.part(x, i, 200));
  }
  b.copy(b.part(y, 0, 300), b.part(x, 0, 300));
  insert_semaphores(b.program);
  const Timing timing = simulate_timing(b.program, round_core(), Schedule::kBest);
  EXPECT_EQ(timing.costs.size(), 101u);
  EXPECT_EQ(timing.costs.kinds(), 3u);
  const isa::CoreParameters core = round_core();
  for (size_t i = 0; i < timing.costs.size(); ++i) {
    const isa::Instruction& instruction = b.program.instructions[i];
    EXPECT_EQ(timing.costs[i], isa::spec(instruction.opcode).cost(core, b.program, instruction));
    EXPECT_EQ(timing.costs[i], timing.costs.of_kind(timing.costs.kind(i)));
  }
  EXPECT_TRUE(timing.costs.has(static_cast<uint16_t>(Opcode::tensor_copy)));
  EXPECT_FALSE(timing.costs.has(static_cast<uint16_t>(Opcode::nc_matmul)));
}

TEST(Timing, AnyProgramStartsAtTheEarliestLegalTime) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
    };
    ProgramBuilder b;
    const auto hbm = b.buffer(Space::kHbm, 0, 1000);
    std::vector<BufferId> tiles;
    for (int t = 0; t < 5; ++t) tiles.push_back(b.buffer(Space::kSbuf, pick(0, 40) * 64, 120));
    const auto tile = [&] {
      return b.part(tiles[static_cast<size_t>(pick(0, 4))], pick(0, 20), 100);
    };
    for (int i = 0; i < 40; ++i) {
      switch (pick(0, 4)) {
        case 0:
          b.load(tile(), b.part(hbm, pick(0, 900), 100));
          break;
        case 1:
          b.store(b.part(hbm, pick(0, 900), 100), tile());
          break;
        case 2:
          b.copy(tile(), tile());
          break;
        case 3:
          b.activate(UnaryFunction::kCopy, tile(), tile());
          break;
        default:
          b.add(Opcode::tensor_tensor, Queue::kVector, {tile(), tile(), tile()});
      }
    }
    insert_semaphores(b.program);
    const isa::CoreParameters core = round_core();
    const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
    SCOPED_TRACE(seed);
    expect_earliest(b.program, core, timing);
    expect_conserved(b.program, timing);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace thorong::sim::testing
