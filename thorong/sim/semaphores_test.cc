// SPDX-License-Identifier: Apache-2.0
// Overlapping accesses become waits: read after write, write after read, write after write, none
// where tiles are apart, and all of them through addresses that buffers share one after the other.
#include "thorong/sim/semaphores.h"

#include "thorong/sim/testing.h"

namespace thorong::sim::testing {
namespace {

using Waits = std::map<Queue, int32_t>;
constexpr auto kExp = numerics::UnaryFunction::kExp;

TEST(Semaphores, ReadAfterWrite) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 400, 100), z = b.buffer(Space::kSbuf, 800, 100);
  b.load(b.part(x, 0, 100), b.part(hbm, 0, 100));          // 0
  b.copy(b.part(y, 0, 100), b.part(x, 0, 100));            // 1 reads 0's
  b.activate(kExp, b.part(z, 0, 100), b.part(y, 0, 100));  // 2 reads 1's
  b.copy(b.part(y, 0, 50), b.part(y, 50, 50));  // 3 own queue: after 1; overwrites what 2 reads
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 0), Waits{});
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kDmaLoad, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 3), (Waits{{Queue::kScalar, 1}}));
}

TEST(Semaphores, WriteAfterReadAndWrite) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 300), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 400, 100);
  b.copy(b.part(x, 0, 100), b.part(y, 0, 100));            // 0 vector writes x
  b.store(b.part(hbm, 0, 100), b.part(x, 0, 100));         // 1 reads x
  b.activate(kExp, b.part(y, 0, 100), b.part(y, 0, 100));  // 2 overwrites what 0 read
  b.activate(kExp, b.part(x, 0, 100), b.part(x, 0, 100));  // 3 overwrites what 1 reads
  b.load(b.part(x, 0, 100), b.part(hbm, 200, 100));        // 4 overwrites 3's
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 3), (Waits{{Queue::kDmaStore, 1}}));
  // 3 waited for the store already; a load ring of its own waits for the writer.
  EXPECT_EQ(waits_of(b.program, 4).at(Queue::kScalar), 2);
}

TEST(Semaphores, TilesApartDoNotWait) {
  ProgramBuilder b;
  const auto x = b.buffer(Space::kSbuf, 0, 100), y = b.buffer(Space::kSbuf, 400, 100);
  b.copy(b.part(x, 0, 50, 0, 64), b.part(y, 0, 50, 0, 64));
  b.activate(kExp, b.part(x, 50, 50, 0, 64), b.part(y, 0, 50, 0, 64));   // other columns
  b.activate(kExp, b.part(x, 0, 50, 64, 64), b.part(y, 0, 50, 64, 64));  // other partitions
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), Waits{});
  EXPECT_EQ(waits_of(b.program, 2), Waits{});
}

TEST(Semaphores, ColumnsOfOneHbmTensorAreApart) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 8 * 100), x = b.buffer(Space::kSbuf, 0, 100);
  for (int32_t column = 0; column < 2; ++column) {  // a row-major [8, 100]: 50 columns each
    b.store(b.part(hbm, column * 50, 50, 0, 8, 100), b.part(x, column * 50, 50, 0, 8));
  }
  b.load(b.part(x, 0, 50, 64, 8), b.part(hbm, 25, 50, 0, 8, 100));  // reads of both
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), Waits{});
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kDmaStore, 2}}));
}

TEST(Semaphores, DmaRingsWaitForTheirOwnResults) {
  // An engine finishes in order; transfers of one ring only start in order.
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 300), x = b.buffer(Space::kSbuf, 0, 100);
  b.load(b.part(x, 0, 100), b.part(hbm, 0, 100));
  b.load(b.part(x, 0, 100), b.part(hbm, 100, 100));
  b.copy(b.part(x, 0, 10), b.part(x, 10, 10));
  b.copy(b.part(x, 0, 10), b.part(x, 10, 10));
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kDmaLoad, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kDmaLoad, 2}}));
  EXPECT_EQ(waits_of(b.program, 3), Waits{});
}

TEST(Semaphores, AWaitIsNotRepeated) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 400, 100);
  b.load(b.part(x, 0, 100), b.part(hbm, 0, 100));
  for (int i = 0; i < 3; ++i) b.copy(b.part(y, 0, 100), b.part(x, 0, 100));
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1).size(), 1U);
  EXPECT_TRUE(waits_of(b.program, 2).empty());
  EXPECT_TRUE(waits_of(b.program, 3).empty());
}

TEST(Semaphores, AReadThatComesAgainWaitsForWhatWasWrittenInBetween) {
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 400, 100);
  b.load(b.part(x, 0, 100), b.part(hbm, 0, 100));              // 0
  b.copy(b.part(y, 0, 100), b.part(x, 0, 100));                // 1
  b.copy(b.part(y, 0, 100), b.part(x, 0, 100));                // 2 reads the same
  b.add(Opcode::memset, Queue::kGpsimd, {b.part(x, 50, 10)});  // 3
  b.copy(b.part(y, 0, 100), b.part(x, 0, 100));                // 4
  b.activate(kExp, b.part(y, 0, 100), b.part(x, 0, 100));      // 5
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kDmaLoad, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), Waits{});
  EXPECT_EQ(waits_of(b.program, 4), (Waits{{Queue::kGpsimd, 1}}));
  EXPECT_EQ(waits_of(b.program, 5).at(Queue::kDmaLoad), 1);
  EXPECT_EQ(waits_of(b.program, 5).at(Queue::kGpsimd), 1);
}

TEST(Semaphores, AReusedAddressWaitsForItsLastUsers) {
  ProgramBuilder b;
  const auto old = b.buffer(Space::kSbuf, 0, 100), other = b.buffer(Space::kSbuf, 4000, 100),
             young = b.buffer(Space::kSbuf, 200, 100), hbm = b.buffer(Space::kHbm, 0, 100);
  b.copy(b.part(old, 0, 100), b.part(other, 0, 100));            // 0
  b.activate(kExp, b.part(other, 0, 100), b.part(old, 0, 100));  // 1 reads old
  b.load(b.part(young, 0, 100), b.part(hbm, 0, 100));            // 2 overlaps old's end
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kVector, 1}, {Queue::kScalar, 1}}));
}

TEST(Semaphores, APartlyReusedAddressIsNotForgotten) {
  // The first new buffer takes the head of the old one, the second its tail, the third the middle.
  ProgramBuilder b;
  const auto old = b.buffer(Space::kSbuf, 0, 300), other = b.buffer(Space::kSbuf, 4000, 100),
             head = b.buffer(Space::kSbuf, 0, 50), tail = b.buffer(Space::kSbuf, 1000, 50),
             middle = b.buffer(Space::kSbuf, 600, 50), hbm = b.buffer(Space::kHbm, 0, 100);
  b.copy(b.part(old, 0, 300), b.part(old, 0, 300));                // 0 vector uses all of old
  b.load(b.part(head, 0, 50), b.part(hbm, 0, 50));                 // 1
  b.activate(kExp, b.part(tail, 0, 50), b.part(other, 0, 50));     // 2
  b.add(Opcode::memset, Queue::kGpsimd, {b.part(middle, 0, 50)});  // 3
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 3), (Waits{{Queue::kVector, 1}}));
}

TEST(Semaphores, ABufferThatComesBackWaitsForWhatWasAtItsAddress) {
  ProgramBuilder b;
  const auto first = b.buffer(Space::kSbuf, 0, 100), second = b.buffer(Space::kSbuf, 0, 100),
             other = b.buffer(Space::kSbuf, 4000, 100), hbm = b.buffer(Space::kHbm, 0, 100);
  b.copy(b.part(first, 0, 100), b.part(other, 0, 100));            // 0
  b.load(b.part(second, 0, 100), b.part(hbm, 0, 100));             // 1 takes first's address
  b.activate(kExp, b.part(first, 0, 100), b.part(other, 0, 100));  // 2 takes it back
  b.store(b.part(hbm, 0, 100), b.part(first, 0, 100));             // 3
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kVector, 1}}));
  EXPECT_EQ(waits_of(b.program, 2).at(Queue::kDmaLoad), 1);
  EXPECT_EQ(waits_of(b.program, 3).at(Queue::kScalar), 1);
}

TEST(Semaphores, ListedOperandsWaitForTheirIndices) {
  ProgramBuilder b;
  const auto table = b.buffer(Space::kHbm, 0, 100), out = b.buffer(Space::kSbuf, 0, 10),
             index = b.buffer(Space::kSbuf, 4000, 1, Format::kInt32);
  b.add(Opcode::memset, Queue::kGpsimd, {b.part(index, 0, 1)});
  AccessPattern read = b.part(table, 0, 10);
  read.indirect = 0;
  b.program.indirects.resize(1);
  b.program.indirects[0].index = static_cast<int32_t>(b.program.patterns.size());
  b.program.patterns.push_back(b.part(index, 0, 1));
  const auto listed = static_cast<int64_t>(b.program.patterns.size());
  b.program.patterns.push_back(read);
  b.program.integers = {1, listed};
  isa::Instruction& sum = b.add(Opcode::dma_compute, Queue::kDmaMove, {b.part(out, 0, 10)});
  sum.extra = 0, sum.flags |= isa::kListedOperands;
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kGpsimd, 1}}));
}

TEST(Semaphores, ListedResultsAreWaitedFor) {
  ProgramBuilder b;
  const auto in = b.buffer(Space::kSbuf, 0, 10), out = b.buffer(Space::kSbuf, 4096, 10);
  b.add(Opcode::memset, Queue::kGpsimd, {b.part(in, 0, 10)});
  const auto listed = static_cast<int64_t>(b.program.patterns.size());
  b.program.integers = {1, listed, 1, listed + 1};
  b.program.patterns.push_back(b.part(in, 0, 10));
  b.program.patterns.push_back(b.part(out, 0, 10));
  isa::Instruction& both = b.add(Opcode::all_reduce, Queue::kDmaMove, {});
  both.extra = 0, both.flags |= isa::kListedOperands | isa::kListedResults;
  b.copy(b.part(in, 0, 10), b.part(out, 0, 10));
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kGpsimd, 1}}));
  EXPECT_TRUE(waits_of(b.program, 2).contains(Queue::kDmaMove));
}

TEST(Semaphores, ManyRecordsStayCorrect) {
  // More tiles of one buffer than records are kept: the reader still waits for all writers.
  ProgramBuilder b;
  const auto x = b.buffer(Space::kSbuf, 0, 4000), hbm = b.buffer(Space::kHbm, 0, 4000);
  for (int32_t i = 0; i < 400; ++i) {
    b.load(b.part(x, i * 10, 10), b.part(hbm, i * 10, 10));
  }
  b.copy(b.part(x, 3000, 10), b.part(x, 0, 10));
  insert_semaphores(b.program);
  EXPECT_GE(waits_of(b.program, 400).at(Queue::kDmaLoad), 301);
}

TEST(Semaphores, CallsReadAndWriteWholeTensors) {
  struct Nothing final : isa::Call {
    bool execute(const std::vector<const std::byte*>&, const std::vector<std::byte*>&,
                 std::string*) const override {
      return true;
    }
  };
  ProgramBuilder b;
  const auto in = b.buffer(Space::kHbm, 0, 100), out = b.buffer(Space::kHbm, 400, 100),
             x = b.buffer(Space::kSbuf, 0, 100);
  b.store(b.part(in, 40, 10), b.part(x, 0, 10));
  auto call = std::make_shared<Nothing>();
  call->inputs = {in}, call->outputs = {out};
  b.program.calls.push_back(call);
  b.add(Opcode::custom_op, Queue::kGpsimd, {}).extra = 0;
  b.load(b.part(x, 50, 10), b.part(out, 90, 10));
  insert_semaphores(b.program);
  EXPECT_EQ(waits_of(b.program, 1), (Waits{{Queue::kDmaStore, 1}}));
  EXPECT_EQ(waits_of(b.program, 2), (Waits{{Queue::kGpsimd, 1}}));
}

}  // namespace
}  // namespace thorong::sim::testing
