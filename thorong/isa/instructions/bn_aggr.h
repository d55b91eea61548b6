// SPDX-License-Identifier: Apache-2.0
// bn_aggr: mean and variance of each row from the triples (count, mean, variance * count) of
// bn_stats, combined in order by the parallel variance formula.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct bn_aggr {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    float* scratch = machine.scratch(2, n);
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      const float* row = load_row(in, p, scratch);
      float count = 0, mean = 0, squares = 0;
      for (size_t i = 0; i + 2 < n; i += 3) {
        if (row[i] == 0.0f) continue;
        float total = count + row[i];
        float delta = row[i + 1] - mean;
        float share = row[i] / total;
        mean = mean + delta * share;
        squares = squares + row[i + 2] + delta * delta * (count * share);
        count = total;
      }
      std::array<float, 2> result{numerics::canonical(mean), numerics::canonical(squares / count)};
      store_row(out, p, result.data(), rounding);
    }
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_bn_aggr, false, 4);
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    if (call.operand(0).free_elements() == 2 && call.operand(1).free_elements() % 3 == 0)
      return ok_status();
    return invalid_argument(
        "bn_aggr: expected dst of 2 elements per partition and data in threes, found " +
        describe(call, 0) + " and " + describe(call, 1) + ".");
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"bn_aggr",
                         "mean and variance of each row from bn_stats' triples",
                         "NKI ISA API reference (bn_aggr): max(64, 13 * N / 3)",
                         {"out", "in"},
                         execute,
                         cost};
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "a tile (partitions, 2) for mean and variance"},
        {"data", ParameterKind::kTile, 1, "", "results of bn_stats"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
