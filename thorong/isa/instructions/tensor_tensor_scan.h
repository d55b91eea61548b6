// SPDX-License-Identifier: Apache-2.0
// tensor_tensor_scan: r = op1(op0(a[i], r), b[i]); out[i] = r, along each row, from `initial`.
#pragma once

#include <algorithm>

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_tensor_scan {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand a = machine.resolve(program, program.operand(instruction, 1));
    Operand b = machine.resolve(program, program.operand(instruction, 2));
    Column initial = column(machine, program, instruction, 3, instruction.immediate0);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(machine, out.pattern->partitions, 8 * out.elements,
                   [&](int64_t first, int64_t last) {
                     float* scratch_a = thread_scratch(0, n);
                     float* scratch_b = thread_scratch(1, n);
                     float* target = thread_scratch(2, n);
                     for (int64_t p = first; p < last; ++p) {
                       scan(instruction, load_row(a, p, scratch_a), load_row(b, p, scratch_b),
                            initial.at(p), target, n);
                       if (out.direct) std::copy(target, target + n, out.row(p));
                       store_row(out, p, out.direct ? out.row(p) : target, rounding);
                     }
                   });
  }

  static void scan(const Instruction& instruction, const float* a, const float* b, float r,
                   float* target, size_t n) {
    using numerics::BinaryFunction;
    Alu op0 = alu(instruction.function0), op1 = alu(instruction.function1);
    bool reverse0 = (instruction.flags & kReverse0) != 0,
         reverse1 = (instruction.flags & kReverse1) != 0;
    if (op0 == alu(BinaryFunction::kMultiply) &&
        op1 == alu(BinaryFunction::kAdd)) {  // the recurrence of state space models
      for (size_t i = 0; i < n; ++i) {
        float product = a[i] * r;
        target[i] = r = numerics::canonical(product + b[i]);
      }
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      float inner = reverse0 ? combine(op0, r, a[i]) : combine(op0, a[i], r);
      target[i] = r = reverse1 ? combine(op1, b[i], inner) : combine(op1, inner, b[i]);
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 1, 2));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 3, 1));
    return not_both_in_psum(call, 1, 2);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_scan, false, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_tensor_scan",
                         "r = op1(op0(a[i], r), b[i]) along each row",
                         "NKI ISA API reference (tensor_tensor_scan): max(64, 2 N)",
                         {"out", "a", "b", "initial"},
                         execute,
                         cost};
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the running results"},
        {"data0", ParameterKind::kTile, 1, "", "the left operand of op0"},
        {"data1", ParameterKind::kTile, 2, "", "the right operand of op1"},
        {"initial", ParameterKind::kTileOrNumber, 3, "",
         "where the running value starts: a number or a tile (partitions, 1)", kOnChip, 0},
        {"op0", ParameterKind::kOperator, 0, "", "an arithmetic operator"},
        {"op1", ParameterKind::kOperator, 1, "", "an arithmetic operator"},
        {"reverse0", ParameterKind::kFlag, kReverse0, "False", "r <op0> data0"},
        {"reverse1", ParameterKind::kFlag, kReverse1, "False", "data1 <op1> inner"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
