// SPDX-License-Identifier: Apache-2.0
// tensor_scalar: out = op1(op0(in, s0), s1); s0, s1 are immediates or one value a partition; either
// may be reversed (op(s, x)). All in fp32, one rounding on writing.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/integer_rows.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct tensor_scalar {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    bool vector0 = program.has_operand(instruction, 2),
         vector1 = program.has_operand(instruction, 3);
    Operand s0 = vector0 ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand s1 = vector1 ? machine.resolve(program, program.operand(instruction, 3)) : Operand{};
    if ((instruction.flags & kIntegerWork) != 0) {
      if (machine.part().index == 0)
        execute_integers(program, instruction, out, in, s0, s1);  // by one thread
      return;
    }
    Alu op0 = alu(instruction.function0), op1 = alu(instruction.function1);
    bool reverse0 = (instruction.flags & kReverse0) != 0,
         reverse1 = (instruction.flags & kReverse1) != 0;
    std::array<RowInput, 3> inputs{{{&in}, {vector0 ? &s0 : &s1, true}, {&s1, true}}};
    size_t used = 1 + (vector0 ? 1 : 0) + (vector1 ? 1 : 0);
    map_rows(machine, out, std::span(inputs).first(used),
             [&](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
               numerics::Rows a = vector0 ? from[1] : numerics::value_rows(instruction.immediate0);
               if ((instruction.flags & kHasOp1) == 0)
                 return apply_scalar(op0, from[0], a, reverse0, to, rows, n);
               numerics::Rows b =
                   vector1 ? from[used - 1] : numerics::value_rows(instruction.immediate1);
               if (is_scale_and_shift(op0, op1))  // either way round: both commute
                 return numerics::activate(numerics::UnaryFunction::kCopy, from[0], a, b, to, rows,
                                           n);
               for_pieces(rows, n, [&](size_t r, size_t i, size_t count, float* between) {
                 apply_scalar(op0, from[0].at(r, i), a.at(r, i), reverse0,
                              numerics::rows_of(between), 1, count);
                 apply_scalar(op1, numerics::rows_of(static_cast<const float*>(between)),
                              b.at(r, i), reverse1, to.at(r, i), 1, count);
               });
             });
  }

  // A batch norm: one pass over the rows.
  static bool is_scale_and_shift(Alu op0, Alu op1) {
    return is_binary(op0) && binary_of(op0) == numerics::BinaryFunction::kMultiply &&
           is_binary(op1) && binary_of(op1) == numerics::BinaryFunction::kAdd;
  }

  // Immediates of integer work are exact: Program::integers at `extra`.
  static void execute_integers(const Program& program, const Instruction& instruction, Operand& out,
                               Operand& in, Operand& s0, Operand& s1) {
    bool vector0 = s0.pattern != nullptr, vector1 = s1.pattern != nullptr;
    const int64_t* immediate = program.integers.data() + instruction.extra;
    std::array<Operand*, 3> inputs{&in, vector0 ? &s0 : &in, vector1 ? &s1 : &in};
    int bits = bits_of(in);
    auto step = [&](Alu op, int64_t x, int64_t y, bool reversed) {
      return reversed ? apply_integer(op, y, x, bits) : apply_integer(op, x, y, bits);
    };
    map_integer_rows(out, inputs, [&](const int64_t* const* rows, int64_t* target, size_t n) {
      int64_t a = vector0 ? rows[1][0] : immediate[0], b = vector1 ? rows[2][0] : immediate[1];
      for (size_t i = 0; i < n; ++i) {
        target[i] =
            step(alu(instruction.function0), rows[0][i], a, (instruction.flags & kReverse0) != 0);
        if ((instruction.flags & kHasOp1) != 0)
          target[i] =
              step(alu(instruction.function1), target[i], b, (instruction.flags & kReverse1) != 0);
      }
    });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    double ops = (instruction.flags & kHasOp1) != 0 ? 2 : 1;
    return streaming_cost(core, program, instruction, copy_rate(core, program, instruction), false,
                          ops);
  }

  static Status assemble(Binding& call) {
    Instruction& instruction = call.instruction;
    if (call[5].given()) instruction.flags |= kHasOp1;
    bool chosen = call[8].kind == Argument::Kind::kName && call[8].code != 0;
    bool rsqrt = alu(instruction.function0) == alu(numerics::UnaryFunction::kRsqrt);
    if (rsqrt && !chosen && call.space(0) == Space::kSbuf && call.space(1) == Space::kSbuf)
      instruction.queue = Queue::kGpsimd;
    if (is_bitwise(alu(instruction.function0))) {
      instruction.flags |= kIntegerWork;
      call.attach(std::array<int64_t, 2>{call[3].integer, call[6].integer});
    }
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 2, 1));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 3, 1));
    bool bits = is_bitwise(alu(call.instruction.function0));
    if ((call.instruction.flags & kHasOp1) != 0 &&
        bits != is_bitwise(alu(call.instruction.function1))) {
      return named(
          "operator",
          invalid_argument(
              "tensor_scalar: expected two bitwise or two arithmetic operators, found " +
              std::string(name(alu(call.instruction.function0))) + " and " +
              std::string(name(alu(call.instruction.function1))) + ". Use two instructions."));
    }
    if (!bits) return ok_status();
    THORONG_RETURN_IF_ERROR(integers(call, 0));
    return integers(call, 1);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "tensor_scalar",
        "out = op1(op0(in, s0), s1) with one value a partition or immediates",
        "NKI ISA API reference (tensor_scalar): max(64, N), one or two operators alike",
        {"out", "in", "s0", "s1"},
        execute,
        cost};
    spec.splits = true;
    spec.engines = on(Queue::kVector) | on(Queue::kScalar) | on(Queue::kGpsimd);
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"op0", ParameterKind::kOperator, 0, "", "the first operator"},
        {"operand0", ParameterKind::kTileOrNumber, 2, "",
         "a number or a tile (partitions, 1); None or 0 with a unary operator", kOnChip, 0},
        {"reverse0", ParameterKind::kFlag, kReverse0, "False",
         "operand0 <op0> data in place of data <op0> operand0"},
        {"op1", ParameterKind::kOperator, 1, "None", "the second operator"},
        {"operand1", ParameterKind::kTileOrNumber, 3, "None", "a number or a tile (partitions, 1)",
         kOnChip, 1},
        {"reverse1", ParameterKind::kFlag, kReverse1, "False",
         "operand1 <op1> result in place of result <op1> operand1"},
        {"engine", ParameterKind::kEngine, -1, "engine.unknown", "vector, scalar or gpsimd"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
