// SPDX-License-Identifier: Apache-2.0
// memset: out = immediate0.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct memset {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    auto n = static_cast<size_t>(out.elements);
    float* values = machine.scratch(2, n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      float* target = target_row(out, p, values);
      std::fill(target, target + n, instruction.immediate0);
      store_row(out, p, target, {});
    }
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    bool fast = is_16bit(program.operand(instruction, 0).format) && instruction.immediate0 == 0.0f;
    return streaming_cost(core, program, instruction, fast ? core.vector_memset_zero_16bit : 1, true);
  }

  static InstructionSpec spec() {
    return {"memset", "out = a constant", "NKI ISA API reference (memset): max(64, N), N/2 for zeros in 16-bit formats",
            {"out"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
