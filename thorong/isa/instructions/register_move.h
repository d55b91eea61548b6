// SPDX-License-Identifier: Apache-2.0
// register_move: a register = a constant or another register. Program::integers at extra: the
// register, the one it is copied from (-1: none), the constant.
#pragma once

#include "thorong/isa/instruction.h"
#include "thorong/isa/registers.h"

namespace thorong::isa::instructions {

struct register_move {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    int64_t from = listed(program, instruction, 1);
    int64_t value = from >= 0 ? register_at(machine, from) : listed(program, instruction, 2);
    register_at(machine, listed(program, instruction, 0)) = value;
  }

  static Cost cost(const CoreParameters& core, const Program&, const Instruction& instruction) {
    Cost cost;
    cost.cycles = cycles_of(core, instruction, core.register_s);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"register_move",
                         "a register = a constant or another register",
                         "Trainium/Inferentia2 Architecture Guide for NKI: a control instruction "
                         "of the sequencer; assumed: control.register_s",
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
