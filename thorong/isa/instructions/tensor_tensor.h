// SPDX-License-Identifier: Apache-2.0
// tensor_tensor: out = op(a, b), element by element, in fp32 with one rounding on writing.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/integer_rows.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct tensor_tensor {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand a = machine.resolve(program, program.operand(instruction, 1));
    Operand b = machine.resolve(program, program.operand(instruction, 2));
    Alu op = alu(instruction.function0);
    if ((instruction.flags & kIntegerWork) != 0) {
      if (machine.part().index > 0) return;  // by one thread
      std::array<Operand*, 2> inputs{&a, &b};
      int bits = bits_of(a);
      map_integer_rows(out, inputs, [&](const int64_t* const* rows, int64_t* target, size_t n) {
        for (size_t i = 0; i < n; ++i) target[i] = apply_integer(op, rows[0][i], rows[1][i], bits);
      });
      return;
    }
    std::array<RowInput, 2> inputs{{{&a}, {&b}}};
    map_rows(machine, out, inputs,
             [&](const numerics::Rows* in, const numerics::RowsOut& to, size_t rows, size_t n) {
               apply(op, in[0], in[1], to, rows, n);
             });
  }

  static double rate(const CoreParameters& core, const Program& program,
                     const Instruction& instruction) {
    if (instruction.queue != Queue::kVector) return 1;
    const AccessPattern &out = program.operand(instruction, 0),
                        &a = program.operand(instruction, 1), &b = program.operand(instruction, 2);
    bool split = program.buffer(a).space != program.buffer(b).space;
    if (split) return core.vector_tensor_tensor_fast;
    bool narrow = is_16bit(a.format) && is_16bit(b.format) && is_16bit(out.format);
    bool dense = a.contiguous_run() == a.free_elements() && b.contiguous_run() == b.free_elements();
    auto op = binary(instruction.function0);
    bool simple = op == numerics::BinaryFunction::kAdd ||
                  op == numerics::BinaryFunction::kMultiply ||
                  op == numerics::BinaryFunction::kSubtract;
    return narrow && dense && simple ? core.vector_tensor_tensor_16bit : core.vector_tensor_tensor;
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, rate(core, program, instruction), false);
  }

  static bool any_in_psum(const Binding& call) {
    return call.space(0) == Space::kPsum || call.space(1) == Space::kPsum ||
           call.space(2) == Space::kPsum;
  }

  // 32-bit integers are exact on GpSimd, where they go unless the call says otherwise or an operand
  // is in PSUM.
  static Status assemble(Binding& call) {
    bool int32 = is_int32(call.operand(0).format) && is_int32(call.operand(1).format) &&
                 is_int32(call.operand(2).format);
    bool power =
        call.instruction.function0 == static_cast<uint8_t>(numerics::BinaryFunction::kPower);
    bool chosen = call[4].kind == Argument::Kind::kName && call[4].code != 0;
    if (!chosen && (int32 || power) && !any_in_psum(call)) call.instruction.queue = Queue::kGpsimd;
    bool exact = int32 && !power && call.instruction.queue == Queue::kGpsimd;
    if (exact || is_bitwise(alu(call.instruction.function0)))
      call.instruction.flags |= kIntegerWork;
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 1, 2));
    if (is_bitwise(alu(call.instruction.function0))) {
      for (int i = 0; i < 3; ++i) THORONG_RETURN_IF_ERROR(integers(call, i));
    }
    return not_both_in_psum(call, 1, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_tensor",
                         "out = op(a, b) element by element",
                         "NKI ISA API reference (tensor_tensor): N when one operand is in PSUM and "
                         "the other in SBUF or all are bf16 and "
                         "contiguous, else 2N",
                         {"out", "a", "b"},
                         execute,
                         cost};
    spec.splits = true;
    spec.engines = on(Queue::kVector) | on(Queue::kGpsimd);
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"data1", ParameterKind::kTile, 1, "", "the left operand"},
        {"data2", ParameterKind::kTile, 2, "", "the right operand"},
        {"op", ParameterKind::kOperator, 0, "", "a binary operator, nl.add for example"},
        {"engine", ParameterKind::kEngine, -1, "engine.unknown", "vector or gpsimd"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
