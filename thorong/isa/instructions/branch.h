// SPDX-License-Identifier: Apache-2.0
// branch: where a program's way depends on a register: the step of a loop that the core counts, or
// a condition. What comes later in the program starts after it (an edge of the record, not an
// operand). Program::integers at extra: the loop's index register, which the step sets (-1: none),
// and its value.
#pragma once

#include "thorong/isa/instruction.h"
#include "thorong/isa/registers.h"

namespace thorong::isa::instructions {

struct branch {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    int64_t index = listed(program, instruction, 0);
    if (index >= 0) register_at(machine, index) = listed(program, instruction, 1);
  }

  static Cost cost(const CoreParameters& core, const Program&, const Instruction& instruction) {
    Cost cost;
    cost.cycles = cycles_of(core, instruction, core.register_s);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"branch",
                         "the step of a counted loop, or a condition",
                         "NKI Dynamic Loops: one loop instruction a step; assumed: "
                         "control.register_s",
                         {},
                         execute,
                         cost};
    spec.writes = 0;
    spec.engine = Queue::kSync;
    spec.not_modelled = kRegistersNotModelled;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
