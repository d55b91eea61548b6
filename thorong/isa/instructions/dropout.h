// SPDX-License-Identifier: Apache-2.0
// dropout: out = u < prob ? 0 : in, u uniform in [0, 1) from the Vector Engine's generator. What
// stays is not scaled.
#pragma once

#include <vector>

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/random.h"

namespace thorong::isa::instructions {

struct dropout {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column prob = column(machine, program, instruction, 2, instruction.immediate0);
    auto n = static_cast<size_t>(out.elements);
    float* scratch = machine.scratch(0, n);
    std::vector<float> row(n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      const float* values = load_row(in, p, scratch);
      float drop = prob.at(p);
      for (size_t i = 0; i < n; ++i) {
        float u =
            unit_float(counted_bits(machine.engines.vector_seed, machine.engines.vector_drawn++));
        row[i] = u < drop ? 0.0F : values[i];
      }
      store_row(out, p, row.data(), {});
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_format(call, 0, 1));
    return column_if_given(call, 2, 1);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"dropout",
                         "elements replaced by zero at random",
                         "NKI ISA API reference (dropout): max(64, N)",
                         {"out", "in", "prob"},
                         execute,
                         cost};
    spec.engine_state = true;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"prob", ParameterKind::kTileOrNumber, 2, "",
         "the probability of a zero: a number or a tile (partitions, 1)", kOnChip, 0},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
