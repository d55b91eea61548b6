// SPDX-License-Identifier: Apache-2.0
// tensor_tensor: out = op(a, b), element by element, in fp32 with one rounding on writing.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_tensor {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand a = machine.resolve(program, program.operand(instruction, 1));
    Operand b = machine.resolve(program, program.operand(instruction, 2));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
      float* scratch_a = thread_scratch(0, n);
      float* scratch_b = thread_scratch(1, n);
      float* scratch_out = thread_scratch(2, n);
      for (int64_t p = first; p < last; ++p) {
        float* target = target_row(out, p, scratch_out);
        numerics::apply(binary(instruction.function0), load_row(a, p, scratch_a), load_row(b, p, scratch_b), target, n);
        store_row(out, p, target, rounding);
      }
    });
  }

  static double rate(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    if (instruction.queue != Queue::kVector) return 1;
    const AccessPattern &out = program.operand(instruction, 0), &a = program.operand(instruction, 1),
                        &b = program.operand(instruction, 2);
    bool split = program.buffer(a).space != program.buffer(b).space;
    if (split) return core.vector_tensor_tensor_fast;
    bool narrow = is_16bit(a.format) && is_16bit(b.format) && is_16bit(out.format);
    bool dense = a.contiguous_run() == a.free_elements() && b.contiguous_run() == b.free_elements();
    auto op = binary(instruction.function0);
    bool simple = op == numerics::BinaryFunction::kAdd || op == numerics::BinaryFunction::kMultiply ||
                  op == numerics::BinaryFunction::kSubtract;
    return narrow && dense && simple ? core.vector_tensor_tensor_16bit : core.vector_tensor_tensor;
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    return streaming_cost(core, program, instruction, rate(core, program, instruction), false);
  }

  static InstructionSpec spec() {
    return {"tensor_tensor", "out = op(a, b) element by element",
            "NKI ISA API reference (tensor_tensor): N when one operand is in PSUM and the other in SBUF or all are bf16 and "
            "contiguous, else 2N",
            {"out", "a", "b"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
