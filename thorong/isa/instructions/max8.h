// SPDX-License-Identifier: Apache-2.0
// max8: out[p, :] = the eight largest values of in[p, :] in descending order; equal values count
// each.
#pragma once

#include <algorithm>
#include <array>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct max8 {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    auto n = static_cast<size_t>(in.elements);
    float* scratch = machine.scratch(0, n);
    std::array<float, 8> best{};
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      const float* row = load_row(in, p, scratch);
      std::partial_sort_copy(row, row + n, best.begin(), best.end(),
                             [](float a, float b) { return a > b; });
      store_row(out, p, best.data(), machine.rounding());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    int64_t n = call.operand(1).free_elements();
    if (n >= 8 && n <= 16384 && call.operand(0).free_elements() == 8) return ok_status();
    return invalid_argument(
        "max8: expected 8 to 16384 elements per partition and dst with 8, found " +
        describe(call, 1) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"max8",
                         "the eight largest values of each row, descending",
                         "NKI ISA API reference (max8): N",
                         {"out", "in"},
                         execute,
                         cost};
    spec.reach = Reach::kPartition;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "a tile (partitions, 8)"},
                       {"src", ParameterKind::kTile, 1, "", "the tile to search"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
