// SPDX-License-Identifier: Apache-2.0
// scalar_tensor_tensor: out = op1(op0(a, s), b); s is one value a partition or an immediate.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/cell_rows.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct scalar_tensor_tensor {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand a = machine.resolve(program, program.operand(instruction, 1));
    bool vector = program.has_operand(instruction, 2);
    Operand s = vector ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand b = machine.resolve(program, program.operand(instruction, 3));
    Alu op0 = alu(instruction.function0), op1 = alu(instruction.function1);
    bool reverse0 = (instruction.flags & kReverse0) != 0,
         reverse1 = (instruction.flags & kReverse1) != 0;
    bool plain = !reverse0 && !reverse1 && is_binary(op0) && is_binary(op1);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    Gaps gaps = plain ? common_gaps(out, {&a, &b}) : Gaps{};
    for_partitions(
        machine, out.pattern->partitions, out.elements, [&](int64_t first, int64_t last) {
          float one = 0;
          float* scratch_a = thread_scratch(0, n);
          float* scratch_b = thread_scratch(1, n);
          float* scratch_out = thread_scratch(2, std::max(n, gaps.run));
          float* inner = thread_scratch(3, n);
          for (int64_t p = first; p < last; ++p) {
            float value = vector ? *load_row(s, p, &one) : instruction.immediate0;
            if (gaps.usable) {
              numerics::scalar_tensor_tensor(binary_of(op0), binary_of(op1), a.row(p), value,
                                             b.row(p), scratch_out, gaps.run);
              numerics::replace_unkept(scratch_out, gaps.keep.data(), out.row(p), gaps.run);
              continue;
            }
            float* target = target_row(out, p, scratch_out);
            const float *x = load_row(a, p, scratch_a), *y = load_row(b, p, scratch_b);
            if (plain) {
              numerics::scalar_tensor_tensor(binary_of(op0), binary_of(op1), x, value, y, target,
                                             n);
            } else {
              apply_scalar(op0, x, value, reverse0, inner, n);
              reverse1 ? apply(op1, y, inner, target, n) : apply(op1, inner, y, target, n);
            }
            store_row(out, p, target, rounding);
          }
        });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern &a = program.operand(instruction, 1), &b = program.operand(instruction, 3);
    bool narrow = is_16bit(a.format) && is_16bit(b.format) && a.free_elements() % 2 == 0;
    double rate = narrow ? core.vector_tensor_tensor_16bit : core.vector_tensor_tensor;
    return streaming_cost(core, program, instruction, rate, false, 2);
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 1, 3));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 2, 1));
    return not_both_in_psum(call, 1, 3);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "scalar_tensor_tensor",
        "out = op1(op0(a, s), b)",
        "NKI ISA API reference (scalar_tensor_tensor): N in bf16 with even N, else 2N",
        {"out", "a", "s", "b"},
        execute,
        cost};
    spec.splits = true;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"op0", ParameterKind::kOperator, 0, "", "the operator between data and operand0"},
        {"operand0", ParameterKind::kTileOrNumber, 2, "", "a number or a tile (partitions, 1)",
         kOnChip, 0},
        {"op1", ParameterKind::kOperator, 1, "", "the operator between that and operand1"},
        {"operand1", ParameterKind::kTile, 3, "", "a tile of data's shape"},
        {"reverse0", ParameterKind::kFlag, kReverse0, "False", "operand0 <op0> data"},
        {"reverse1", ParameterKind::kFlag, kReverse1, "False", "operand1 <op1> result"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
