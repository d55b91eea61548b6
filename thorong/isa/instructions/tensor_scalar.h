// SPDX-License-Identifier: Apache-2.0
// tensor_scalar: out = op1(op0(in, s0), s1); s0, s1 are immediates or one value a partition; either may be reversed
// (op(s, x)). All in fp32, one rounding on writing.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_scalar {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    bool vector0 = program.has_operand(instruction, 2), vector1 = program.has_operand(instruction, 3);
    Operand s0 = vector0 ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand s1 = vector1 ? machine.resolve(program, program.operand(instruction, 3)) : Operand{};
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
      float one = 0;
      float* scratch_in = thread_scratch(0, n);
      float* scratch_out = thread_scratch(1, n);
      for (int64_t p = first; p < last; ++p) {
        float* target = target_row(out, p, scratch_out);
        float a = vector0 ? *load_row(s0, p, &one) : instruction.immediate0;
        numerics::apply_scalar(binary(instruction.function0), load_row(in, p, scratch_in), a,
                               (instruction.flags & kReverse0) != 0, target, n);
        if ((instruction.flags & kHasOp1) != 0) {
          float b = vector1 ? *load_row(s1, p, &one) : instruction.immediate1;
          numerics::apply_scalar(binary(instruction.function1), target, b, (instruction.flags & kReverse1) != 0, target, n);
        }
        store_row(out, p, target, rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    double ops = (instruction.flags & kHasOp1) != 0 ? 2 : 1;
    return streaming_cost(core, program, instruction, copy_rate(core, program, instruction), false, ops);
  }

  static InstructionSpec spec() {
    return {"tensor_scalar", "out = op1(op0(in, s0), s1) with one value a partition or immediates",
            "NKI ISA API reference (tensor_scalar): max(64, N), one or two operators alike",
            {"out", "in", "s0", "s1"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
