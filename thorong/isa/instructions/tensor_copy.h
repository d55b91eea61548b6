// SPDX-License-Identifier: Apache-2.0
// tensor_copy: out = in, with a change of format if they differ (one rounding). On Vector, Scalar or GpSimd.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_copy {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
      float* scratch_in = thread_scratch(0, n);
      for (int64_t p = first; p < last; ++p) {
        const float* row = load_row(in, p, scratch_in);
        float* target = target_row(out, p, scratch_in);
        if (target != row) std::copy(row, row + n, target);
        store_row(out, p, target, rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    return streaming_cost(core, program, instruction, copy_rate(core, program, instruction), true);
  }

  static InstructionSpec spec() {
    return {"tensor_copy", "out = in, with a change of format if they differ",
            "NKI ISA API reference (tensor_copy): max(64, N); performance modes of Trainium2 for 16-bit formats",
            {"out", "in"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
