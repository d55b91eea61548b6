// SPDX-License-Identifier: Apache-2.0
// scalar_tensor_tensor: out = op1(op0(a, s), b); s is one value a partition or an immediate.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct scalar_tensor_tensor {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand a = machine.resolve(program, program.operand(instruction, 1));
    bool vector = program.has_operand(instruction, 2);
    Operand s = vector ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand b = machine.resolve(program, program.operand(instruction, 3));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
      float one = 0;
      float* scratch_a = thread_scratch(0, n);
      float* scratch_b = thread_scratch(1, n);
      float* scratch_out = thread_scratch(2, n);
      for (int64_t p = first; p < last; ++p) {
        float* target = target_row(out, p, scratch_out);
        float value = vector ? *load_row(s, p, &one) : instruction.immediate0;
        numerics::scalar_tensor_tensor(binary(instruction.function0), binary(instruction.function1),
                                       load_row(a, p, scratch_a), value, load_row(b, p, scratch_b), target, n);
        store_row(out, p, target, rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    const AccessPattern &a = program.operand(instruction, 1), &b = program.operand(instruction, 3);
    bool narrow = is_16bit(a.format) && is_16bit(b.format) && a.free_elements() % 2 == 0;
    double rate = narrow ? core.vector_tensor_tensor_16bit : core.vector_tensor_tensor;
    return streaming_cost(core, program, instruction, rate, false, 2);
  }

  static InstructionSpec spec() {
    return {"scalar_tensor_tensor", "out = op1(op0(a, s), b)",
            "NKI ISA API reference (scalar_tensor_tensor): N in bf16 with even N, else 2N",
            {"out", "a", "s", "b"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
