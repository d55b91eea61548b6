// SPDX-License-Identifier: Apache-2.0
// The machine's memories and its run: buffers at shared addresses, renamed constants, host cells,
// faults, random bits; and the energy of counted events.
#include "thorong/sim/machine.h"

#include <algorithm>
#include <cstring>

#include "thorong/sim/energy.h"
#include "thorong/sim/testing.h"
#include "thorong/sim/timing.h"

namespace thorong::sim::testing {
namespace {

float* floats(std::byte* data) { return reinterpret_cast<float*>(data); }

class MachineTest : public ::testing::Test {
 protected:
  isa::CoreParameters core = round_core();
  ThreadPool pool{1};
  ProgramBuilder b;
};

TEST_F(MachineTest, BuffersAtOneAddressFollowEachOther) {
  const auto in = b.buffer(Space::kHbm, 0, 1000), out = b.buffer(Space::kHbm, 4096, 1000);
  const auto wide = b.buffer(Space::kSbuf, 0, 500), narrow = b.buffer(Space::kSbuf, 0, 3),
             kept = b.buffer(Space::kSbuf, 2048, 500);
  b.load(b.part(wide, 0, 500, 0, 2), b.part(in, 0, 500, 0, 2, 500));
  b.copy(b.part(kept, 0, 500, 0, 2), b.part(wide, 0, 500, 0, 2));
  b.load(b.part(narrow, 0, 3, 0, 2), b.part(in, 7, 3, 0, 2, 3));
  b.store(b.part(out, 0, 500, 0, 2, 500), b.part(kept, 0, 500, 0, 2));
  b.store(b.part(out, 10, 3, 0, 2, 3), b.part(narrow, 0, 3, 0, 2));
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(floats(machine.hbm_data(out))[i], 0) << "HBM starts as zeros";
    floats(machine.hbm_data(in))[i] = static_cast<float>(i);
  }
  ASSERT_TRUE(machine.run(b.program).ok());
  for (int i = 0; i < 1000; ++i) {
    const int source = i >= 10 && i < 16 ? i - 3 : i;
    EXPECT_EQ(floats(machine.hbm_data(out))[i], static_cast<float>(source)) << i;
  }
}

TEST_F(MachineTest, MoreMemoryThanTheHostCanAddressIsAnError) {
  core.partitions = 4096, core.sbuf_bytes_per_partition = int64_t{1} << 40;
  Machine machine(core, pool, {});
  const Status status = machine.load(b.program);
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_EQ(status.where(), "sbuf");
  EXPECT_NE(status.message().find("19140298417373184 bytes"), std::string::npos)
      << status.message();
}

TEST_F(MachineTest, BuffersApartOnTheChipAreApartOnTheHost) {
  const Format formats[] = {Format::kFloat32, Format::kBfloat16, Format::kFloat8E4m3fn,
                            Format::kInt8, Format::kInt64};
  for (const Space space : {Space::kSbuf, Space::kPsum}) {
    int64_t address = 0;
    for (int64_t i = 0; address < 14000; ++i) {
      const Format format = formats[i % 5];
      const int64_t elements = 1 + i * 37 % 300;
      const BufferId id = b.buffer(space, address, elements, format);
      address += (b.program.buffers[static_cast<size_t>(id)].row_bytes + 63) / 64 * 64;
    }
  }
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  std::vector<std::pair<const std::byte*, const std::byte*>> blocks;
  for (size_t i = 0; i < b.program.buffers.size(); ++i) {
    const isa::Buffer& buffer = b.program.buffers[i];
    const isa::HostBuffer host = machine.host_buffer(static_cast<BufferId>(i));
    const auto cells = buffer.row_bytes / static_cast<int64_t>(numerics::byte_size(buffer.format));
    EXPECT_GE(host.row_stride_bytes,
              cells * static_cast<int64_t>(numerics::byte_size(isa::host_cell(buffer.format))));
    EXPECT_NE(host.row_stride_bytes % 4096, 0) << "all rows in the same cache sets";
    EXPECT_EQ(reinterpret_cast<uintptr_t>(host.data) % 64, 0U);
    blocks.emplace_back(host.data, host.data + host.row_stride_bytes * core.partitions);
  }
  std::sort(blocks.begin(), blocks.end());
  for (size_t i = 1; i < blocks.size(); ++i) EXPECT_LE(blocks[i - 1].second, blocks[i].first);
}

TEST_F(MachineTest, Fp32TakesLittleMoreOnTheHostThanOnTheChip) {
  const BufferId first = b.buffer(Space::kSbuf, 0, 16), last = b.buffer(Space::kSbuf, 12288, 16);
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  const auto apart = machine.host_buffer(last).data - machine.host_buffer(first).data;
  EXPECT_EQ(apart, core.partitions * (12288 + 12288 / 1024 * 64));
}

TEST_F(MachineTest, ScratchInHbmSharesTheHostsMemoryByAddress) {
  const BufferId first = b.buffer(Space::kHbm, 4096, 64), again = b.buffer(Space::kHbm, 4096, 32),
                 next = b.buffer(Space::kHbm, 4096 + 256, 64),
                 input = b.buffer(Space::kHbm, 4096, 64);
  b.program.buffers[static_cast<size_t>(input)].role = isa::BufferRole::kInput;
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  EXPECT_EQ(machine.hbm_data(again), machine.hbm_data(first));
  EXPECT_EQ(machine.hbm_data(next), machine.hbm_data(first) + 256);
  EXPECT_NE(machine.hbm_data(input), machine.hbm_data(first));
}

TEST_F(MachineTest, ARenamedConstantGivesTheBitsOfItsCopy) {
  std::vector<float> weights(600);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i) / 7;
  const auto run = [&](bool bind) {
    ProgramBuilder p;
    const auto w = p.buffer(Space::kHbm, 0, 600), x = p.buffer(Space::kSbuf, 0, 120),
               y = p.buffer(Space::kSbuf, 512, 100), out = p.buffer(Space::kHbm, 4096, 300);
    p.program.buffers[static_cast<size_t>(w)].role = isa::BufferRole::kConstant;
    p.program.buffers[static_cast<size_t>(w)].constant =
        reinterpret_cast<const std::byte*>(weights.data());
    isa::Instruction& load = p.add(Opcode::dma_copy, Queue::kDmaLoad,
                                   {p.part(x, 20, 100, 0, 3), p.part(w, 13, 100, 0, 3, 150)});
    if (bind) load.flags = isa::kBindView;
    p.copy(p.part(y, 0, 100, 0, 3), p.part(x, 20, 100, 0, 3));
    p.store(p.part(out, 0, 100, 0, 3, 100), p.part(y, 0, 100, 0, 3));
    Machine machine(core, pool, {});
    EXPECT_TRUE(machine.load(p.program).ok());
    std::vector<float> values(300);
    for (int repeat = 0; repeat < 2; ++repeat) {  // the second run finds the buffer renamed
      EXPECT_TRUE(machine.run(p.program).ok());
      std::memcpy(values.data(), machine.hbm_data(out), 1200);
    }
    return values;
  };
  const std::vector<float> values = run(false);
  EXPECT_EQ(values[0], weights[13]);
  EXPECT_EQ(values[299], weights[13 + 300 + 99]);
  EXPECT_EQ(run(true), values);
}

TEST_F(MachineTest, LentInputsAreReadWhereTheyLie) {
  const auto in = b.buffer(Space::kHbm, 0, 4), x = b.buffer(Space::kSbuf, 0, 4),
             out = b.buffer(Space::kHbm, 64, 4);
  b.program.buffers[static_cast<size_t>(in)].role = isa::BufferRole::kInput;
  b.load(b.part(x, 0, 4), b.part(in, 0, 4));
  b.store(b.part(out, 0, 4), b.part(x, 0, 4));
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  floats(machine.hbm_data(in))[0] = 5;
  const std::vector<float> lent = {1, 2, 3, 4};
  machine.lend(in, reinterpret_cast<const std::byte*>(lent.data()));
  ASSERT_TRUE(machine.run(b.program).ok());
  EXPECT_EQ(floats(machine.hbm_data(out))[0], 1);
  machine.return_loans();
  EXPECT_EQ(floats(machine.hbm_data(in))[0], 5) << "memory of the machine's own";
  ASSERT_TRUE(machine.run(b.program).ok());
  EXPECT_EQ(floats(machine.hbm_data(out))[0], 5);
}

TEST_F(MachineTest, NarrowFloatsAreKeptAsFp32Cells) {
  const auto in = b.buffer(Space::kHbm, 0, 4), x = b.buffer(Space::kSbuf, 0, 4, Format::kBfloat16),
             out = b.buffer(Space::kHbm, 64, 4, Format::kBfloat16);
  b.load(b.part(x, 0, 4), b.part(in, 0, 4));
  b.store(b.part(out, 0, 4), b.part(x, 0, 4));
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  const float values[] = {1.0F, 1.00390625F, 3.14159265F, -1e-40F};
  std::memcpy(machine.hbm_data(in), values, sizeof(values));
  ASSERT_TRUE(machine.run(b.program).ok());
  const float* cells = floats(machine.hbm_data(out));
  EXPECT_EQ(cells[0], 1.0F);
  EXPECT_EQ(cells[1], 1.0F);  // ties to even
  EXPECT_EQ(cells[2], 3.140625F);
  EXPECT_NE(cells[3], 0.0F);  // subnormals are kept
}

TEST_F(MachineTest, RandomBitsFollowTheSeedAndTheInstructionCount) {
  const auto in = b.buffer(Space::kHbm, 0, 256),
             out = b.buffer(Space::kHbm, 1024, 256, Format::kBfloat16);
  b.add(Opcode::dma_copy, Queue::kDmaMove, {b.part(out, 0, 256), b.part(in, 0, 256)});
  const auto run = [&](uint64_t seed, int times, bool stochastic = true) {
    Machine machine(core, pool, {seed, stochastic, 0, 0});
    EXPECT_TRUE(machine.load(b.program).ok());
    for (int i = 0; i < 256; ++i) {
      floats(machine.hbm_data(in))[i] = 1 + static_cast<float>(i) / 1e4F;
    }
    for (int i = 0; i < times; ++i) EXPECT_TRUE(machine.run(b.program).ok());
    std::vector<float> values(256);
    std::memcpy(values.data(), machine.hbm_data(out), 1024);
    return values;
  };
  EXPECT_EQ(run(1, 1), run(1, 1));
  EXPECT_NE(run(1, 1), run(2, 1));
  EXPECT_NE(run(1, 1), run(1, 2)) << "a loop must not repeat its random bits";
  EXPECT_EQ(run(1, 1, false), run(2, 3, false));
}

TEST_F(MachineTest, AnIndexOutsideTheTableIsAFaultWithItsPlace) {
  const auto table = b.buffer(Space::kHbm, 0, 30), x = b.buffer(Space::kSbuf, 0, 10),
             index = b.buffer(Space::kHbm, 256, 2, Format::kInt64);
  b.program.operators.push_back({"embedding", "take", "tile", 0});
  b.add(Opcode::memset, Queue::kVector, {b.part(x, 0, 10)}).operator_index = 0;
  isa::Instruction& gather =
      b.add(Opcode::dma_gather, Queue::kDmaLoad,
            {b.part(x, 0, 10, 0, 2), b.part(table, 0, 10), b.part(index, 0, 1, 0, 2, 1)});
  gather.extra = 3, gather.operator_index = 0;
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  auto* indices = reinterpret_cast<int64_t*>(machine.hbm_data(index));
  indices[0] = 2, indices[1] = -3;
  EXPECT_TRUE(machine.run(b.program).ok());
  indices[1] = 3;
  const Status status = machine.run(b.program);
  EXPECT_EQ(status.code(), Code::kMachineFault);
  EXPECT_EQ(status.where(), "embedding");
  EXPECT_EQ(status.message(),
            "dma_gather reads row 3 of a table of 3 rows (instruction 1, dma_gather)");
  ASSERT_EQ(machine.faults().size(), 1U);
  EXPECT_EQ(machine.faults()[0].instruction, 1U);
  indices[1] = 0;
  EXPECT_TRUE(machine.run(b.program).ok()) << "a fault does not outlive its run";
}

TEST_F(MachineTest, CanBeInterrupted) {
  const auto x = b.buffer(Space::kSbuf, 0, 10);
  b.add(Opcode::memset, Queue::kVector, {b.part(x, 0, 10)});
  Machine machine(core, pool, {});
  ASSERT_TRUE(machine.load(b.program).ok());
  const std::atomic<bool> now{true}, never{false};
  EXPECT_EQ(machine.run(b.program, &now).code(), Code::kInterrupted);
  EXPECT_TRUE(machine.run(b.program, &never).ok());
}

// ---- Energy ----

TEST(Energy, IsEventsTimesTheChipsTable) {
  const isa::CoreParameters core = isa::core_parameters(*chip::load("trainium1"));
  isa::Cost cost;
  isa::Events& e = cost.events;
  e.macs = 1e6, e.mac_format = Format::kBfloat16;
  e.vector_ops = 2e6, e.vector_copies = 3e6, e.scalar_ops = 4e6, e.scalar_copies = 5e6;
  e.gpsimd_ops = 6e6, e.sbuf_bytes = 7e6, e.psum_bytes = 8e6, e.psum_accumulate_bytes = 9e6;
  e.hbm_bytes = 1e7, e.dma_bytes = 2e7, e.dma_descriptors = 30;
  const EnergyParts parts = instruction_energy(core, cost, 3);
  const auto at = [&](EnergyPart part) { return parts[static_cast<size_t>(part)] * 1e12; };
  EXPECT_DOUBLE_EQ(at(EnergyPart::kTensor), 1e6 * 0.8);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kVector), 2e6 * 2.3 + 3e6 * 0.8);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kScalar), 4e6 * 6.5 + 5e6 * 0.8);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kGpsimd), 6e6 * 5);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kSbuf), 7e6 * 2);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kPsum), 8e6 * 1.2 + 9e6 * 2.495);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kHbm), 1e7 * 48);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kDma), 2e7 * 3 + 30 * 3000);
  EXPECT_DOUBLE_EQ(at(EnergyPart::kInstructions), 3100 + 3 * 50);
}

TEST(Energy, FollowsTheFormatOfTheProducts) {
  const isa::CoreParameters core = isa::core_parameters(*chip::load("trainium1"));
  const auto tensor = [&](Format format) {
    isa::Cost cost;
    cost.events.macs = 1, cost.events.mac_format = format;
    return instruction_energy(core, cost, 0)[static_cast<size_t>(EnergyPart::kTensor)] * 1e12;
  };
  EXPECT_DOUBLE_EQ(tensor(Format::kFloat32), core.pj_mac_float32);
  EXPECT_DOUBLE_EQ(tensor(Format::kTfloat32), core.pj_mac_tfloat32);
  EXPECT_DOUBLE_EQ(tensor(Format::kFloat16), core.pj_mac_float16);
  EXPECT_DOUBLE_EQ(tensor(Format::kFloat8E4m3), core.pj_mac_float8);
  EXPECT_DOUBLE_EQ(tensor(Format::kInt8), core.pj_mac_int8);
}

TEST(Energy, OfAProgramIsTheSumOverItsInstructions) {
  // A row of 100 fp32 loaded and copied: HBM and DMA move 400 bytes, SBUF 400 in and 800 after.
  const isa::CoreParameters core = isa::core_parameters(*chip::load("trainium1"));
  ProgramBuilder b;
  const auto hbm = b.buffer(Space::kHbm, 0, 100), x = b.buffer(Space::kSbuf, 0, 100),
             y = b.buffer(Space::kSbuf, 448, 100);
  b.load(b.part(x, 0, 100), b.part(hbm, 0, 100));
  b.copy(b.part(y, 0, 100), b.part(x, 0, 100));
  insert_semaphores(b.program);
  const Timing timing = simulate_timing(b.program, core, Schedule::kBest);
  double total = 0;
  for (size_t i = 0; i < 2; ++i) {
    for (const double joules :
         instruction_energy(core, timing.costs[i], b.program.instructions[i].waits)) {
      total += joules * 1e12;
    }
  }
  EXPECT_NEAR(total, 400 * 48 + 400 * 3 + 3000 + 1200 * 2 + 100 * 0.8 + 2 * 3100 + 50, 1e-6);
}

}  // namespace
}  // namespace thorong::sim::testing
