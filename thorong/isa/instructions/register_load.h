// SPDX-License-Identifier: Apache-2.0
// register_load: a register = the one element of a tile or tensor, toward zero. The sequencer waits
// for it. Program::integers at extra: the register.
#pragma once

#include "thorong/isa/instruction.h"
#include "thorong/isa/registers.h"

namespace thorong::isa::instructions {

struct register_load {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    const Operand src = machine.resolve(program, program.operand(instruction, 0));
    register_at(machine, listed(program, instruction, 0)) =
        to_register(numerics::load_as_double(src.cell, src.at(0), 0));
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost;
    cost.cycles = cycles_of(core, instruction,
                            core.register_s + register_access_s(core, program, instruction));
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"register_load",
                         "a register = the one element of a tile",
                         "Trainium/Inferentia2 Architecture Guide for NKI: a control instruction "
                         "of the sequencer; assumed: control.register_s and the access, "
                         "control.register_onchip_s or register_hbm_s",
                         {"src"},
                         execute,
                         cost};
    spec.writes = 0;
    spec.engine = Queue::kSync;
    spec.not_modelled = kRegistersNotModelled;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
