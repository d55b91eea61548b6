// SPDX-License-Identifier: Apache-2.0
// activation: out = function(in * scale + bias), optionally also sum[p] = sum of the row's results.
// scale and bias are immediates or one value a partition. Multiply and add round separately, in fp32.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct activation {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    bool has_bias = program.has_operand(instruction, 2), has_scale = program.has_operand(instruction, 3);
    bool has_sum = program.has_operand(instruction, 4);
    Operand bias = has_bias ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand scale = has_scale ? machine.resolve(program, program.operand(instruction, 3)) : Operand{};
    Operand sum = has_sum ? machine.resolve(program, program.operand(instruction, 4)) : Operand{};
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    auto function = unary(instruction.function0);
    for_partitions(machine, in.pattern->partitions, in.elements * 2, [&](int64_t first, int64_t last) {
      float one = 0;
      float* scratch_in = thread_scratch(0, n);
      float* scratch_out = thread_scratch(1, n);
      for (int64_t p = first; p < last; ++p) {
        const float* row = load_row(in, p, scratch_in);
        float* target = target_row(out, p, scratch_out);
        float b = has_bias ? *load_row(bias, p, &one) : instruction.immediate1;
        float s = has_scale ? *load_row(scale, p, &one) : instruction.immediate0;
        numerics::activate(function, row, s, b, target, n);
        if (has_sum) {
          float total = numerics::reduce(numerics::BinaryFunction::kAdd, target, n);
          store_row(sum, p, &total, rounding);
        }
        store_row(out, p, target, rounding);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    bool copy = unary(instruction.function0) == numerics::UnaryFunction::kCopy;
    Cost cost = streaming_cost(core, program, instruction, 1, copy);
    if (program.has_operand(instruction, 4)) cost.cycles += core.scalar_reduce_cycles;
    return cost;
  }

  static InstructionSpec spec() {
    return {"activation", "out = function(in * scale + bias), optionally with the row's sum",
            "NKI ISA API reference (activation, activation_reduce): max(64, N), +64 with a reduction",
            {"out", "in", "bias", "scale", "sum"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
