// SPDX-License-Identifier: Apache-2.0
// scalar_tensor_tensor: out = op1(op0(a, s), b); s is one value a partition or an immediate.
#pragma once

#include "thorong/isa/call_rules.h"
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
    std::array<RowInput, 3> inputs{{{&a}, {&b}, {&s, true}}};
    map_rows(machine, out, std::span(inputs).first(vector ? 3 : 2),
             [&](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
               numerics::Rows value =
                   vector ? from[2] : numerics::value_rows(instruction.immediate0);
               if (plain)
                 return numerics::scalar_tensor_tensor(binary_of(op0), binary_of(op1), from[0],
                                                       value, from[1], to, rows, n);
               for_pieces(rows, n, [&](size_t r, size_t i, size_t count, float* between) {
                 apply_scalar(op0, from[0].at(r, i), value.at(r, i), reverse0,
                              numerics::rows_of(between), 1, count);
                 numerics::Rows inner = numerics::rows_of(static_cast<const float*>(between));
                 const numerics::Rows second = from[1].at(r, i);
                 reverse1 ? apply(op1, second, inner, to.at(r, i), 1, count)
                          : apply(op1, inner, second, to.at(r, i), 1, count);
               });
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
