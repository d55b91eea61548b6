// SPDX-License-Identifier: Apache-2.0
// Why instructions began when they did, on a chip with round figures.
#include "thorong/sim/waits.h"

#include "thorong/sim/testing.h"

namespace thorong::sim::testing {
namespace {

constexpr int64_t kNs = 1000;  // picoseconds

// Two loads, a copy of each, and the second copy's result stored.
struct Stream {
  ProgramBuilder b;
  BufferId in = b.buffer(Space::kHbm, 0, 1024), out = b.buffer(Space::kHbm, 8192, 512);
  BufferId x = b.buffer(Space::kSbuf, 0, 256), y = b.buffer(Space::kSbuf, 4096, 256);
  Stream() {
    b.load(b.part(x, 0, 256), b.part(in, 0, 256));
    b.load(b.part(y, 0, 256), b.part(in, 256, 256));
    b.copy(b.part(x, 0, 256), b.part(x, 0, 256));
    b.copy(b.part(y, 0, 256), b.part(y, 0, 256));
    b.store(b.part(out, 0, 256), b.part(y, 0, 256));
    insert_semaphores(b.program);
  }
};

TEST(Waits, NamesWhatHeldEachInstruction) {
  Stream s;
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(s.b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(s.b.program, core, timing);
  EXPECT_EQ(starts[0].hold, Hold::kNothing);
  EXPECT_EQ(starts[1].hold, Hold::kDataPath);  // 1024 bytes of the first take 1024 ns
  EXPECT_EQ(starts[1].cause, 0);
  EXPECT_NEAR(static_cast<double>(starts[1].stall_ps), 1024.0 * kNs, 1);
  EXPECT_EQ(starts[2].hold, Hold::kOperand);
  EXPECT_EQ(starts[2].cause, 0);
  EXPECT_EQ(starts[2].stall_ps, timing.instructions[2].start_ps);
  EXPECT_EQ(starts[3].hold, Hold::kOperand);
  EXPECT_EQ(starts[3].cause, 1);
  EXPECT_EQ(starts[4].hold, Hold::kOperand);
  EXPECT_EQ(starts[4].cause, 3);
  EXPECT_EQ(critical_path(timing, starts), (std::vector<int32_t>{0, 1, 3, 4}));
}

TEST(Waits, AnEngineThatIsBusyIsNoStall) {
  ProgramBuilder b;
  BufferId x = b.buffer(Space::kSbuf, 0, 256), y = b.buffer(Space::kSbuf, 4096, 256);
  b.copy(b.part(x, 0, 256), b.part(x, 0, 256));
  b.copy(b.part(y, 0, 256), b.part(y, 0, 256));
  insert_semaphores(b.program);
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(b.program, core, timing);
  EXPECT_EQ(starts[1].hold, Hold::kEngine);
  EXPECT_EQ(starts[1].cause, 0);
  EXPECT_EQ(starts[1].stall_ps, 0);
}

// A load of 1024 bytes ends at 1024 ns, is seen 100 ns later and signalled 10 ns after that.
TEST(Waits, AStallForAnOperandHasParts) {
  Stream s;
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(s.b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(s.b.program, core, timing);
  EXPECT_NEAR(static_cast<double>(starts[2].stall_ps), 1134.0 * kNs,
              1);  // each duration is rounded up
  EXPECT_EQ(starts[2].latency_ps, 100 * kNs);
  EXPECT_EQ(starts[2].semaphore_ps, 10 * kNs);
}

// Two copies on Vector; when the second has ended Scalar reads the first one's result, and then the
// second one's, whose signal alone is missing.
TEST(Waits, OnlyTheSignalIsMissing) {
  ProgramBuilder b;
  BufferId x = b.buffer(Space::kSbuf, 0, 256), y = b.buffer(Space::kSbuf, 4096, 256);
  b.copy(b.part(x, 0, 256), b.part(x, 0, 256));                                      // 0 to 256 ns
  b.activate(numerics::UnaryFunction::kCopy, b.part(y, 0, 256), b.part(y, 0, 256));  // beside it
  b.activate(numerics::UnaryFunction::kCopy, b.part(x, 0, 256), b.part(x, 0, 256));
  insert_semaphores(b.program);
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(b.program, core, timing);
  ASSERT_EQ(timing.instructions[0].end_ps, timing.instructions[1].end_ps);
  EXPECT_EQ(starts[2].hold, Hold::kSemaphore);
  EXPECT_EQ(starts[2].cause, 0);
  EXPECT_EQ(starts[2].stall_ps, 10 * kNs);
  EXPECT_EQ(starts[2].semaphore_ps, 10 * kNs);
}

TEST(Waits, ReadyBeforeTheEngineIsFree) {
  ProgramBuilder b;
  BufferId x = b.buffer(Space::kSbuf, 0, 256), y = b.buffer(Space::kSbuf, 4096, 256);
  b.copy(b.part(x, 0, 256), b.part(x, 0, 256));
  b.copy(b.part(y, 0, 256), b.part(y, 0, 256));
  insert_semaphores(b.program);
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  Start second = explain_starts(b.program, core, timing)[1];
  EXPECT_EQ(second.hold, Hold::kEngine);
  EXPECT_EQ(second.queued_ps, timing.instructions[0].end_ps);  // ready from the start on
}

// With HBM at a quarter of the DMA engines' rate, a transfer takes four times as long because of
// it.
TEST(Waits, TellsHbmFromTheDmaEngines) {
  Stream s;
  isa::CoreParameters core = round_core();
  core.hbm_core_bytes_per_s = 0.25e9;
  Timing timing = simulate_timing(s.b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(s.b.program, core, timing);
  EXPECT_EQ(starts[1].hold, Hold::kHbm);
  EXPECT_EQ(starts[1].cause, 0);
  EXPECT_NEAR(static_cast<double>(starts[1].stall_ps), 4096.0 * kNs, 1);
}

TEST(Waits, StallsAndWorkOfAnEngineAddUp) {
  Stream s;
  isa::CoreParameters core = round_core();
  Timing timing = simulate_timing(s.b.program, core, Schedule::kBest);
  std::vector<Start> starts = explain_starts(s.b.program, core, timing);
  int64_t sum = timing.busy_ps[static_cast<size_t>(Queue::kVector)];
  for (size_t i = 0; i < starts.size(); ++i) {
    if (s.b.program.instructions[i].queue == Queue::kVector) sum += starts[i].stall_ps;
  }
  EXPECT_EQ(sum, timing.instructions[3].end_ps);
}

// Products of 400 cycles, each of which lets the queue go on after its quarter of the array's
// share, 100: the second on the first's quarter waits for it, the third beside it does not.
TEST(Waits, AProductWaitsForItsPartOfTheArray) {
  for (Schedule schedule : {Schedule::kBest, Schedule::kVendor}) {
    ProgramBuilder b;
    const auto x = b.buffer(Space::kSbuf, 0, 432, isa::Format::kBfloat16),
               sum = b.buffer(Space::kPsum, 0, 400);
    for (int quarter : {0, 1, 0, 2}) {
      auto& made = b.add(Opcode::nc_matmul, Queue::kTensor,
                         {b.part(sum, 0, 400, 32 * quarter, 32), b.part(x, 0, 32, 0, 128),
                          b.part(x, 32, 400, 0, 128)});
      made.function1 = static_cast<uint8_t>(0xF | 0x10 << quarter);  // all rows, 32 columns
    }
    isa::CoreParameters core = round_core();
    core.clock_ramp_s = 0, core.vendor_overlap = 1;
    const Timing timing = simulate_timing(b.program, core, schedule);
    ASSERT_EQ(timing.instructions[1].start_ps, 100 * kNs);
    ASSERT_EQ(timing.instructions[2].start_ps, 400 * kNs);
    const std::vector<Start> starts = explain_starts(b.program, core, timing);
    for (size_t i : {size_t{1}, size_t{3}}) {  // the queue went on, nothing else held them
      EXPECT_EQ(starts[i].hold, Hold::kEngine);
      EXPECT_EQ(starts[i].cause, static_cast<int32_t>(i) - 1);
      EXPECT_EQ(starts[i].stall_ps, 0);
    }
    EXPECT_EQ(starts[2].hold, Hold::kEngine);
    EXPECT_EQ(starts[2].cause, 0);
    EXPECT_EQ(starts[2].stall_ps, 200 * kNs);  // from 200 on other parts could have been used
    EXPECT_EQ(starts[2].queued_ps, 400 * kNs);
    EXPECT_EQ(critical_path(timing, starts), (std::vector<int32_t>{0, 2, 3}));
    int64_t sum_ps = timing.busy_ps[static_cast<size_t>(Queue::kTensor)];
    for (const Start& start : starts) sum_ps += start.stall_ps;
    EXPECT_EQ(sum_ps, timing.instructions[3].start_ps + 100 * kNs);
  }
}

// 600 ns for the descriptors of a transfer that takes 40, by one generator.
TEST(Waits, ATransferWaitsForItsDescriptors) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 4096, 1000);
  const auto generated = [&] { b.program.instructions.back().flags |= isa::kGenerated; };
  b.load(b.part(x, 0, 10), b.part(hbm, 0, 10)), generated();
  b.load(b.part(x, 10, 10), b.part(hbm, 10, 10)), generated();
  b.copy(b.part(y, 0, 1000), b.part(y, 0, 1000));               // until 1000 ns
  b.copy(b.part(y, 0, 1000), b.part(y, 0, 1000));               // until 2000 ns
  b.store(b.part(hbm, 50, 10), b.part(y, 0, 10)), generated();  // asked for when that is seen
  b.load(b.part(x, 20, 10), b.part(hbm, 20, 10));               // made before
  insert_semaphores(b.program);
  isa::CoreParameters core = round_core();
  core.dma_descriptor_s = 600e-9, core.dma_descriptor_generators = 1;
  const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  ASSERT_EQ(timing.instructions[1].start_ps, 1200 * kNs);
  const std::vector<Start> starts = explain_starts(b.program, core, timing);
  EXPECT_EQ(starts[0].hold, Hold::kDescriptors);
  EXPECT_EQ(starts[0].cause, -1);
  EXPECT_EQ(starts[0].stall_ps, 600 * kNs);
  EXPECT_EQ(starts[1].hold, Hold::kDescriptors);
  EXPECT_EQ(starts[1].cause, 0);
  EXPECT_EQ(starts[1].stall_ps, 600 * kNs);
  EXPECT_EQ(starts[4].hold, Hold::kDescriptors);
  EXPECT_EQ(starts[4].cause, 3);
  EXPECT_EQ(starts[4].stall_ps, timing.instructions[4].start_ps);
  EXPECT_NE(starts[5].hold, Hold::kDescriptors);
  EXPECT_EQ(critical_path(timing, starts), (std::vector<int32_t>{2, 3, 4}));
}

}  // namespace
}  // namespace thorong::sim::testing
