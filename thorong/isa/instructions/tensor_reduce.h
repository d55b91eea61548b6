// SPDX-License-Identifier: Apache-2.0
// tensor_reduce: out[p, i] = reduction over the `extra` innermost dimensions of in[p, i, ...], times -1 with kNegate.
// The order of a reduction is numerics::reduce's: sixteen interleaved partial results.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_reduce {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements), results = static_cast<size_t>(out.elements);
    size_t group = n / results;
    bool negate = (instruction.flags & kNegate) != 0;
    for_partitions(machine, in.pattern->partitions, in.elements, [&](int64_t first, int64_t last) {
      float* scratch_in = thread_scratch(0, n);
      float* scratch_out = thread_scratch(1, results);
      for (int64_t p = first; p < last; ++p) {
        const float* row = load_row(in, p, scratch_in);
        for (size_t i = 0; i < results; ++i) {
          float value = numerics::reduce(binary(instruction.function0), row + i * group, group);
          scratch_out[i] = negate ? -value : value;
        }
        store_row(out, p, scratch_out, rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    bool narrow = is_16bit(program.operand(instruction, 0).format) && is_16bit(program.operand(instruction, 1).format);
    return streaming_cost(core, program, instruction, narrow ? core.vector_reduce_16bit : core.vector_reduce, false);
  }

  static InstructionSpec spec() {
    return {"tensor_reduce", "out[p, i] = reduction over the innermost dimensions of in[p, i, ...]",
            "NKI ISA API reference (tensor_reduce): N, N/2 in bf16", {"out", "in"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
