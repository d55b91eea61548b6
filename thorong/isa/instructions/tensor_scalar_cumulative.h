// SPDX-License-Identifier: Apache-2.0
// tensor_scalar_cumulative: r = op1(op0(in[i], s), r); out[i] = r, along each row. r starts from
// the command: op1's neutral value, the accumulator's, or immediate1 (load_reduce); the accumulator
// keeps the last r.
#pragma once

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_scalar_cumulative {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column s = column(machine, program, instruction, 2, instruction.immediate0);
    Column start = column(machine, program, instruction, 3, instruction.immediate1);
    Alu op0 = alu(instruction.function0), op1 = alu(instruction.function1);
    ReduceCommand command = reduce_command(instruction);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    float* stepped = machine.scratch(0, n);
    float* scratch_out = machine.scratch(1, n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      float* target = target_row(out, p, scratch_out);
      apply_scalar(op0, load_row(in, p, stepped), s.at(p), (instruction.flags & kReverse0) != 0,
                   stepped, n);
      float& kept = vector_accumulator(machine, in, p);
      float r = command == ReduceCommand::kReduce       ? kept
                : command == ReduceCommand::kLoadReduce ? start.at(p)
                                                        : identity(op1);
      for (size_t i = 0; i < n; ++i) target[i] = r = combine(op1, stepped[i], r);
      kept = r;
      store_row(out, p, target, rounding);
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 2, 1));
    return column_if_given(call, 3, 1);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_scan, false, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_scalar_cumulative",
                         "running reduction of op0(in, s) along each row",
                         "NKI ISA API reference (tensor_tensor_scan): max(64, 2 N); the page of "
                         "tensor_scalar_cumulative states none",
                         {"out", "in", "s", "start"},
                         execute,
                         cost};
    spec.engine_state = true;
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the running results"},
        {"src", ParameterKind::kTile, 1, "", "the input tile"},
        {"op0", ParameterKind::kOperator, 0, "", "an arithmetic operator"},
        {"op1", ParameterKind::kOperator, 1, "",
         "nl.add, nl.subtract, nl.multiply, nl.maximum or nl.minimum"},
        {"imm0", ParameterKind::kTileOrNumber, 2, "", "a number or a tile (partitions, 1)", kOnChip,
         0},
        {"imm1", ParameterKind::kTileOrNumber, 3, "None", "the start with load_reduce", kOnChip, 1},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.reset_reduce",
         "where the running value starts"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
