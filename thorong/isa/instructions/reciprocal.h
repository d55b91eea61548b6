// SPDX-License-Identifier: Apache-2.0
// reciprocal: out = 1 / in, correctly rounded in fp32, on Vector.
#pragma once

#include <array>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct reciprocal {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    std::array<RowInput, 1> inputs{{{&in}}};
    map_rows(machine, out, inputs,
             [](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
               numerics::apply(numerics::UnaryFunction::kReciprocal, from[0], to, rows, n);
             });
  }

  static Status check(const Binding& call) { return same_elements(call, 0, 1); }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_reciprocal, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "reciprocal",  "out = 1 / in", "NKI ISA API reference (reciprocal): max(64, 8 N) on Vector",
        {"out", "in"}, execute,        cost};
    spec.reach = Reach::kElement;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the output tile"},
                       {"data", ParameterKind::kTile, 1, "", "the input tile"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
