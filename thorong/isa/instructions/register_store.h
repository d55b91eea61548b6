// SPDX-License-Identifier: Apache-2.0
// register_store: the one element of a tile or tensor = a register, rounded to nearest. The
// sequencer goes on at once; who reads the element waits for the access. Program::integers at
// extra: the register.
#pragma once

#include "thorong/isa/instruction.h"
#include "thorong/isa/registers.h"

namespace thorong::isa::instructions {

struct register_store {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    const Operand dst = machine.resolve(program, program.operand(instruction, 0));
    auto value = static_cast<double>(register_at(machine, listed(program, instruction, 0)));
    if (dst.cell == Format::kFloat32) {
      auto rounded = static_cast<float>(value);
      round_values(dst.pattern->format, &rounded, 1, {});
      value = static_cast<double>(rounded);
    }
    numerics::store_from_double(dst.cell, dst.at(0), 0, value);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost;
    cost.cycles = cycles_of(core, instruction, core.register_s);
    cost.latency_s = register_access_s(core, program, instruction);
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"register_store",
                         "the one element of a tile = a register",
                         "Trainium/Inferentia2 Architecture Guide for NKI: a control instruction "
                         "of the sequencer; assumed: control.register_s, then the access, "
                         "control.register_onchip_s or register_hbm_s",
                         {"dst"},
                         execute,
                         cost};
    spec.engine = Queue::kSync;
    spec.not_modelled = kRegistersNotModelled;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
