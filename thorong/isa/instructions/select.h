// SPDX-License-Identifier: Apache-2.0
// select: out = predicate != 0 ? on_true : on_false (NKI: tensor_copy_predicated over a copy of
// on_false).
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct select {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand predicate = machine.resolve(program, program.operand(instruction, 1));
    Operand on_true = machine.resolve(program, program.operand(instruction, 2));
    Operand on_false = machine.resolve(program, program.operand(instruction, 3));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, out.elements,
                   [&](int64_t first, int64_t last) {
                     float* s0 = thread_scratch(0, n);
                     float* s1 = thread_scratch(1, n);
                     float* s2 = thread_scratch(2, n);
                     float* s3 = thread_scratch(3, n);
                     for (int64_t p = first; p < last; ++p) {
                       float* target = target_row(out, p, s3);
                       numerics::select(load_row(predicate, p, s0), load_row(on_true, p, s1),
                                        load_row(on_false, p, s2), target, n);
                       store_row(out, p, target, rounding);
                     }
                   });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 2, true, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "select",
        "out = predicate ? on_true : on_false",
        "NKI ISA API reference (tensor_copy_predicated): max(64, 2N) with all operands in SBUF",
        {"out", "predicate", "on_true", "on_false"},
        execute,
        cost};
    spec.splits = true;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
