// SPDX-License-Identifier: Apache-2.0
// What the instructions of an engine's sequencer share: scalar registers, numbered by the program,
// and what it costs to work on them. Each names its registers in Program::integers at
// Instruction::extra. Which engine's sequencer has a register is not public to programs; here all
// are the sync engine's, and other engines wait for it as for any other engine.
#pragma once

#include <cmath>
#include <limits>

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/machine_state.h"

namespace thorong::isa {

inline int64_t& register_at(MachineState& machine, int64_t number) {
  std::vector<int64_t>& registers = machine.engines.registers;
  if (registers.size() <= static_cast<size_t>(number))
    registers.resize(static_cast<size_t>(number) + 1);
  return registers[static_cast<size_t>(number)];
}

inline int64_t listed(const Program& program, const Instruction& instruction, size_t i) {
  return program.integers[static_cast<size_t>(instruction.extra) + i];
}

// Toward zero, as far as an integer goes; NaN is 0.
inline int64_t to_register(double value) {
  constexpr double kMost = 9.2e18;
  if (std::isnan(value)) return 0;
  return static_cast<int64_t>(std::fmin(std::fmax(value, -kMost), kMost));
}

// Cycles of the queue that last so many seconds.
inline double cycles_of(const CoreParameters& core, const Instruction& instruction,
                        double seconds) {
  return seconds * clock_hz(core, instruction.queue);
}

// Of operand 0, one element in SBUF, PSUM or HBM, from the sequencer.
inline double register_access_s(const CoreParameters& core, const Program& program,
                                const Instruction& instruction) {
  bool hbm = program.buffer(program.operand(instruction, 0)).space == Space::kHbm;
  return hbm ? core.register_hbm_s : core.register_onchip_s;
}

inline constexpr const char* kRegistersNotModelled =
    "Registers are kept once, by the sync engine's sequencer, whose instructions are timed as "
    "assumed (control.register_*): copies on other engines' sequencers, spills beyond 64 registers "
    "and the "
    "fetch of instructions after a branch are not modelled.";

}  // namespace thorong::isa
