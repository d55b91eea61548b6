// SPDX-License-Identifier: Apache-2.0
// Cost rules against numbers worked by hand from the vendor's documents and chips/trainium1.yaml.
#include <gtest/gtest.h>

#include "thorong/chip/loader.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction_table.h"

namespace thorong::isa {
namespace {

const CoreParameters& trainium1() {
  static const CoreParameters core = core_parameters(*chip::load("trainium1"));
  return core;
}

// A program of one instruction on dense tiles.
class One {
 public:
  One& operand(Space space, Format format, int32_t partitions, std::vector<int32_t> sizes,
               int64_t partition_step = -2) {
    Buffer buffer;
    buffer.space = space, buffer.format = format;
    program.buffers.push_back(buffer);
    AccessPattern ap;
    ap.buffer = static_cast<BufferId>(program.buffers.size()) - 1;
    ap.format = format, ap.partitions = partitions, ap.rank = static_cast<uint8_t>(sizes.size());
    int64_t step = 1;
    for (size_t d = sizes.size(); d-- > 0;) {
      ap.size[d] = sizes[d], ap.step[d] = step;
      step *= sizes[d];
    }
    if (space == Space::kHbm) ap.partition_step = partition_step == -2 ? step : partition_step;
    instruction.operands[next_++] = static_cast<int32_t>(program.patterns.size());
    program.patterns.push_back(ap);
    return *this;
  }
  One& skip() {
    ++next_;
    return *this;
  }
  Cost cost(Opcode opcode, Queue queue, const CoreParameters& core = trainium1()) {
    instruction.opcode = static_cast<uint16_t>(opcode);
    instruction.queue = queue;
    return spec(instruction.opcode).cost(core, program, instruction);
  }

  Program program;
  Instruction instruction;

 private:
  size_t next_ = 0;
};

Cost matmul(Format format, int32_t K, int32_t M, int32_t N, uint16_t flags = 0,
            const CoreParameters& core = trainium1()) {
  One one;
  one.operand(Space::kPsum, Format::kFloat32, M, {N})
      .operand(Space::kSbuf, format, K, {M})
      .operand(Space::kSbuf, format, K, {N});
  one.instruction.flags = flags;
  return one.cost(Opcode::nc_matmul, Queue::kTensor, core);
}

TEST(MatmulCost, CyclesArePassesTimesColumns) {
  EXPECT_EQ(matmul(Format::kBfloat16, 128, 128, 512).cycles, 512);
  EXPECT_EQ(matmul(Format::kFloat16, 128, 128, 512).cycles, 512);
  EXPECT_EQ(matmul(Format::kTfloat32, 128, 128, 512).cycles, 512);
  EXPECT_EQ(matmul(Format::kFloat8E5m2, 128, 128, 512).cycles, 512);
  EXPECT_EQ(matmul(Format::kFloat32, 128, 128, 512).cycles, 2048);
  EXPECT_EQ(matmul(Format::kInt8, 128, 128, 512).cycles, 256);
  // max(min(64, M), N): K does not matter.
  EXPECT_EQ(matmul(Format::kBfloat16, 1, 128, 512).cycles, 512);
  EXPECT_EQ(matmul(Format::kBfloat16, 128, 128, 8).cycles, 64);
  EXPECT_EQ(matmul(Format::kBfloat16, 128, 16, 8).cycles, 16);
  EXPECT_EQ(matmul(Format::kFloat32, 128, 16, 8).cycles, 64);
}

TEST(MatmulCost, CountsPassesAndBytes) {
  const Cost bf16 = matmul(Format::kBfloat16, 128, 64, 512);
  EXPECT_EQ(bf16.events.macs, 128.0 * 64 * 512);
  EXPECT_EQ(bf16.events.mac_format, Format::kBfloat16);
  EXPECT_EQ(bf16.events.sbuf_bytes, 2.0 * 128 * (64 + 512));
  EXPECT_EQ(bf16.events.psum_bytes, 4.0 * 64 * 512);
  EXPECT_EQ(bf16.events.psum_accumulate_bytes, 0);
  EXPECT_EQ(matmul(Format::kFloat32, 128, 64, 512).events.macs, 4.0 * 128 * 64 * 512);
  EXPECT_EQ(matmul(Format::kFloat32, 128, 64, 512, kAccumulate).events.psum_accumulate_bytes,
            4.0 * 64 * 512);
  EXPECT_DOUBLE_EQ(bf16.latency_s, 459 / 2.8e9);
}

TEST(TransposeCost, IsThePartitionsOrTheIssueInterval) {
  const auto cycles = [](Format format, int32_t P, int32_t F) {
    One one;
    return one.operand(Space::kPsum, format, F, {P})
        .operand(Space::kSbuf, format, P, {F})
        .cost(Opcode::nc_transpose, Queue::kTensor)
        .cycles;
  };
  EXPECT_EQ(cycles(Format::kBfloat16, 128, 128), 128);
  EXPECT_EQ(cycles(Format::kBfloat16, 32, 128), 64);
  EXPECT_EQ(cycles(Format::kBfloat16, 32, 16), 32);
  EXPECT_EQ(cycles(Format::kFloat32, 128, 128), 512);
}

TEST(VectorCost, RatesByFormatAndMemory) {
  constexpr double kFixed = 100;  // control.fixed_cycles of the calibration
  const auto tensor_tensor = [](Format format, Space a, Space b) {
    One one;
    one.operand(Space::kSbuf, format, 128, {512})
        .operand(a, format, 128, {512})
        .operand(b, format, 128, {512});
    one.instruction.function0 = static_cast<uint8_t>(numerics::BinaryFunction::kAdd);
    return one.cost(Opcode::tensor_tensor, Queue::kVector).cycles;
  };
  EXPECT_EQ(tensor_tensor(Format::kFloat32, Space::kSbuf, Space::kSbuf), 1024 + kFixed);
  EXPECT_EQ(tensor_tensor(Format::kFloat32, Space::kPsum, Space::kSbuf), 512 + kFixed);
  EXPECT_EQ(tensor_tensor(Format::kBfloat16, Space::kSbuf, Space::kSbuf), 512 + kFixed);
  const auto reduce = [](Format format) {
    One one;
    return one.operand(Space::kSbuf, format, 128, {4})
        .operand(Space::kSbuf, format, 128, {4, 256})
        .cost(Opcode::tensor_reduce, Queue::kVector)
        .cycles;
  };
  EXPECT_EQ(reduce(Format::kFloat32), 1024 + kFixed);
  EXPECT_EQ(reduce(Format::kBfloat16), 512 + kFixed);
  One copy;
  copy.operand(Space::kSbuf, Format::kFloat32, 128, {8});
  copy.operand(Space::kSbuf, Format::kFloat32, 128, {8});
  EXPECT_EQ(copy.cost(Opcode::tensor_copy, Queue::kVector).cycles, 64 + kFixed);  // issue interval
  One stats;
  stats.operand(Space::kSbuf, Format::kFloat32, 128, {6});
  stats.operand(Space::kSbuf, Format::kFloat32, 128, {512});
  EXPECT_EQ(stats.cost(Opcode::bn_stats, Queue::kVector).cycles, 512 + kFixed);
  One aggregate;
  aggregate.operand(Space::kSbuf, Format::kFloat32, 128, {2});
  aggregate.operand(Space::kSbuf, Format::kFloat32, 128, {96});
  EXPECT_NEAR(aggregate.cost(Opcode::bn_aggr, Queue::kVector).cycles, 13 * 96 / 3.0 + kFixed, 1e-9);
  One zeros;
  zeros.operand(Space::kSbuf, Format::kBfloat16, 128, {1000});
  EXPECT_EQ(zeros.cost(Opcode::memset, Queue::kVector).cycles, 500 + kFixed);
  zeros.instruction.immediate0 = 1;
  EXPECT_EQ(zeros.cost(Opcode::memset, Queue::kVector).cycles, 1000 + kFixed);
}

TEST(ScalarCost, AReductionTakes64CyclesMore) {
  One one;
  one.operand(Space::kSbuf, Format::kFloat32, 128, {300})
      .operand(Space::kSbuf, Format::kFloat32, 128, {300});
  one.instruction.function0 = static_cast<uint8_t>(numerics::UnaryFunction::kExp);
  EXPECT_EQ(one.cost(Opcode::activation, Queue::kScalar).cycles, 400);
  EXPECT_EQ(one.cost(Opcode::activation, Queue::kScalar).events.scalar_ops, 128.0 * 300);
  one.instruction.flags = with_reduce(0, ReduceCommand::kReduce);  // into the register only
  EXPECT_EQ(one.cost(Opcode::activation, Queue::kScalar).cycles, 464);
  EXPECT_EQ(one.cost(Opcode::activate2, Queue::kScalar).cycles, 464);
  one.instruction.flags = 0;
  EXPECT_EQ(one.cost(Opcode::activate2, Queue::kScalar).cycles, 400);
  one.skip().skip().operand(Space::kSbuf, Format::kFloat32, 128, {1});
  EXPECT_EQ(one.cost(Opcode::activation, Queue::kScalar).cycles, 464);
  one.instruction.function0 = static_cast<uint8_t>(numerics::UnaryFunction::kCopy);
  EXPECT_EQ(one.cost(Opcode::activation, Queue::kScalar).events.scalar_copies, 128.0 * 300);
}

TEST(DmaCost, LargeTransfersRunAtTheSlowerOfEnginesAndHbm) {
  // 128 x 16 KiB: all 16 engines of 17 GB/s = 272 GB/s, below HBM's 410 GB/s for a core.
  One large;
  large.operand(Space::kSbuf, Format::kFloat32, 128, {4096})
      .operand(Space::kHbm, Format::kFloat32, 128, {4096});
  const Cost cost = large.cost(Opcode::dma_copy, Queue::kDmaLoad);
  const double bytes = 128 * 4096 * 4;
  EXPECT_DOUBLE_EQ(cost.occupied_s, bytes / (16 * 17e9));
  EXPECT_EQ(cost.events.hbm_bytes, bytes);
  EXPECT_EQ(cost.events.sbuf_bytes, bytes);
  EXPECT_EQ(cost.events.dma_descriptors, 16);
  EXPECT_NEAR(cost.latency_s, 1.3e-6 + 0.3e-6, 1e-15);
  EXPECT_EQ(cost.cycles, 0);
}

TEST(DmaCost, SmallElementsArePadded) {
  // One fp32 element a partition with a stride: 128 elements of 64 bytes on the wire, two packets,
  // hence two engines. The transfer takes its share of all engines' rate; its own end comes later.
  One small;
  small.operand(Space::kSbuf, Format::kFloat32, 128, {1})
      .operand(Space::kHbm, Format::kFloat32, 128, {1}, 100);
  const Cost cost = small.cost(Opcode::dma_copy, Queue::kDmaLoad);
  EXPECT_DOUBLE_EQ(cost.occupied_s, 128 * 64 / (16 * 17e9));
  EXPECT_EQ(cost.events.dma_bytes, 512);
  EXPECT_EQ(cost.events.dma_descriptors, 2);
  // The fixed time shows where the transfer is shorter.
  EXPECT_NEAR(cost.latency_s, 1.6e-6 + 0.86e-6 - cost.occupied_s, 1e-15);
}

TEST(DmaCost, ARepeatedRowIsReadOnceFromHbm) {
  One repeated;
  repeated.operand(Space::kSbuf, Format::kFloat32, 128, {256})
      .operand(Space::kHbm, Format::kFloat32, 128, {256}, 0);
  const Cost cost = repeated.cost(Opcode::dma_copy, Queue::kDmaLoad);
  EXPECT_EQ(cost.events.hbm_bytes, 1024);
  EXPECT_EQ(cost.events.sbuf_bytes, 128 * 1024);
}

TEST(DmaCost, ComputeBoundByHbmHasNoFixedTimeLeft) {
  One sum;
  sum.operand(Space::kHbm, Format::kFloat32, 128, {10});
  const auto listed = static_cast<int64_t>(sum.program.patterns.size()) - 1;
  sum.program.integers = {2, listed, listed};
  sum.instruction.extra = 0, sum.instruction.flags |= kListedOperands;
  CoreParameters core = trainium1();
  core.hbm_core_bytes_per_s = 1e9;  // 15 us for three tensors of 5120 bytes
  const Cost cost = sum.cost(Opcode::dma_compute, Queue::kDmaStore, core);
  EXPECT_DOUBLE_EQ(cost.occupied_s, 3 * 5120 / 1e9);
  ASSERT_GT(cost.occupied_s, core.dma_fixed_s);
  EXPECT_DOUBLE_EQ(cost.latency_s, core.dma_latency_s + core.dma_completion_s);
}

TEST(CustomOpCost, IsElementsAndOperationsOverLanes) {
  struct Nothing final : Call {
    bool execute(const std::vector<const std::byte*>&, const std::vector<std::byte*>&,
                 std::string*) const override {
      return true;
    }
  };
  One one;
  Buffer buffer;
  buffer.space = Space::kHbm, buffer.row_bytes = 6000000;
  one.program.buffers = {buffer, buffer};
  auto call = std::make_shared<Nothing>();
  call->inputs = {0}, call->outputs = {1}, call->elements = 12800, call->operations = 1280;
  one.program.calls.push_back(call);
  one.instruction.extra = 0;
  const Cost on_gpsimd = one.cost(Opcode::custom_op, Queue::kGpsimd);
  EXPECT_EQ(on_gpsimd.cycles, 150 + 14080 / 128);
  EXPECT_EQ(on_gpsimd.events.gpsimd_ops, 14080);
  EXPECT_EQ(on_gpsimd.events.hbm_bytes, 12e6);
  CoreParameters core = trainium1();
  core.to_host_bytes_per_s = 6e9, core.to_host_large_bytes_per_s = 2e9, core.large_bytes = 8e6;
  core.to_device_bytes_per_s = 12e9;
  Cost on_host = one.cost(Opcode::custom_op, Queue::kHost, core);
  EXPECT_DOUBLE_EQ(on_host.occupied_s, 6e6 / 6e9 + 6e6 / 12e9) << "inputs out, outputs back in";
  core.large_bytes = 5e6;
  on_host = one.cost(Opcode::custom_op, Queue::kHost, core);
  EXPECT_DOUBLE_EQ(on_host.occupied_s, 6e6 / 2e9 + 6e6 / 12e9);
  EXPECT_EQ(on_host.events.host_bytes, 12e6);
  EXPECT_EQ(on_host.cycles, 0);
}

TEST(CoreParameters, AreTheChipFilesFigures) {
  const CoreParameters& core = trainium1();
  EXPECT_EQ(core.tensor_hz, 2.8e9);
  EXPECT_EQ(core.partitions, 128);
  EXPECT_EQ(core.sbuf_bytes_per_partition, 196608);
  EXPECT_EQ(core.psum_banks * core.psum_bank_bytes, 16384);
  EXPECT_TRUE(core.fp32_operands);
  EXPECT_DOUBLE_EQ(core.static_w_per_core, 210 * 0.25 / 2);
  EXPECT_TRUE(core.has_gpsimd);
}

TEST(CoreParameters, EnergiesFollowTheNode) {
  const auto chip = chip::parse("base: trainium1\nset: {package.energy_factor: 0.5}\n", "half");
  ASSERT_TRUE(chip.ok()) << chip.status().to_string();
  const CoreParameters core = core_parameters(*chip);
  EXPECT_DOUBLE_EQ(core.pj_mac_bfloat16, trainium1().pj_mac_bfloat16 / 2);
  EXPECT_DOUBLE_EQ(core.sbuf_pj_byte, trainium1().sbuf_pj_byte / 2);
  EXPECT_DOUBLE_EQ(core.instruction_pj, trainium1().instruction_pj / 2);
  EXPECT_DOUBLE_EQ(core.hbm_pj_byte, trainium1().hbm_pj_byte);  // another chip's process
  EXPECT_DOUBLE_EQ(core.host_pj_byte, trainium1().host_pj_byte);
}

TEST(CoreParameters, AChipWithoutGpsimd) {
  const auto chip = chip::parse("base: trainium1\nremove: [gpsimd]\n", "none");
  ASSERT_TRUE(chip.ok()) << chip.status().to_string();
  EXPECT_FALSE(core_parameters(*chip).has_gpsimd);
}

}  // namespace
}  // namespace thorong::isa
