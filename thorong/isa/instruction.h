// SPDX-License-Identifier: Apache-2.0
// What one instruction file gives: its specification, meaning and cost. instructions/NAME.h defines
//     struct NAME { static InstructionSpec spec(); };
// CMake collects the files; opcode = position in the sorted list (instruction_table.h).
#pragma once

#include <string>
#include <vector>

#include "thorong/isa/cost_model.h"
#include "thorong/isa/isa.h"
#include "thorong/isa/machine_state.h"

namespace thorong::isa {

struct InstructionSpec {
  std::string mnemonic;  // NKI's name where it has the instruction
  std::string summary;   // one sentence
  std::string source;    // document of the cost rule
  std::vector<std::string> operands;  // names, destination first
  // The meaning. Legality was checked before (sim/verify.h).
  void (*execute)(MachineState& machine, const Program& program, const Instruction& instruction) = nullptr;
  Cost (*cost)(const CoreParameters& core, const Program& program, const Instruction& instruction) = nullptr;
};

}  // namespace thorong::isa
