// SPDX-License-Identifier: Apache-2.0
// bn_stats: six statistics of each row: count, mean and variance * count of the even elements, then
// of the odd ones. Means and squared deviations use numerics::reduce's order (two passes, so there
// is no cancellation).
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct bn_stats {
  static void half(const float* row, size_t n, size_t first, float* scratch, float* statistics) {
    size_t count = 0;
    for (size_t i = first; i < n; i += 2) scratch[count++] = row[i];
    float mean = 0, squares = 0;
    if (count > 0) {
      mean = numerics::canonical(numerics::reduce(numerics::BinaryFunction::kAdd, scratch, count) /
                                 static_cast<float>(count));
      numerics::apply_scalar(numerics::BinaryFunction::kSubtract, scratch, mean, false, scratch,
                             count);
      numerics::apply(numerics::UnaryFunction::kSquare, scratch, scratch, count);
      squares = numerics::reduce(numerics::BinaryFunction::kAdd, scratch, count);
    }
    statistics[0] = static_cast<float>(count), statistics[1] = mean, statistics[2] = squares;
  }

  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(machine, in.pattern->partitions, in.elements, [&](int64_t first, int64_t last) {
      float* scratch_in = thread_scratch(0, n);
      float* scratch_half = thread_scratch(1, n);
      std::array<float, 6> statistics{};
      for (int64_t p = first; p < last; ++p) {
        const float* row = load_row(in, p, scratch_in);
        half(row, n, 0, scratch_half, statistics.data());
        half(row, n, 1, scratch_half, statistics.data() + 3);
        store_row(out, p, statistics.data(), rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_bn_stats, false, 3);
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    if (call.operand(0).free_elements() != 6) {
      return invalid_argument("bn_stats: expected dst of 6 elements per partition, found " +
                              describe(call, 0) + ".");
    }
    return limit_elements(call, 1, call.core.psum_bank_bytes / 4, "nl.tile_size.bn_stats_fmax");
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "bn_stats",
        "count, mean and variance * count of the even, then of the odd elements of each row",
        "NKI ISA API reference (bn_stats): max(64, N)",
        {"out", "in"},
        execute,
        cost};
    spec.splits = true;
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "a tile (partitions, 6) for the statistics"},
        {"data", ParameterKind::kTile, 1, "", "the tile, at most 512 elements per partition"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
