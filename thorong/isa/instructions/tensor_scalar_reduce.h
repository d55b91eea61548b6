// SPDX-License-Identifier: Apache-2.0
// tensor_scalar_reduce: out = op0(in, s), and the row's reduction by op1 goes to the Vector
// Engine's accumulators and to sum[p], times -1 with kNegate. immediate1: the accumulators' start
// with load_reduce.
#pragma once

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_scalar_reduce {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column s = column(machine, program, instruction, 2, instruction.immediate0);
    Column start = column(machine, program, instruction, 4, instruction.immediate1);
    Column sum = column(machine, program, instruction, 3, 0);
    bool reversed = (instruction.flags & kReverse0) != 0,
         negate = (instruction.flags & kNegate) != 0;
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(
        machine, out.pattern->partitions, 2 * in.elements, [&](int64_t first, int64_t last) {
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          for (int64_t p = first; p < last; ++p) {
            float* target = target_row(out, p, scratch_out);
            apply_scalar(alu(instruction.function0), load_row(in, p, scratch_in), s.at(p), reversed,
                         target, n);
            float total =
                accumulate(vector_accumulator(machine, in, p), reduce_command(instruction),
                           alu(instruction.function1), target, n, start.at(p));
            if (negate) total = -total;
            if (sum.vector) store_row(sum.operand, p, &total, rounding);
            store_row(out, p, target, rounding);
          }
        });
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    for (int i = 2; i <= 4; ++i) THORONG_RETURN_IF_ERROR(column_if_given(call, i, 1));
    return ok_status();
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost =
        streaming_cost(core, program, instruction, copy_rate(core, program, instruction), false, 2);
    cost.cycles += core.vector_min_issue_cycles;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_scalar_reduce",
                         "out = op0(in, s) with a reduction of each row",
                         "NKI ISA API reference (tensor_scalar_reduce): max(64, N) + 64",
                         {"out", "in", "s", "sum", "start"},
                         execute,
                         cost};
    spec.writes = 0b1001;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"op0", ParameterKind::kOperator, 0, "", "an arithmetic operator"},
        {"operand0", ParameterKind::kTileOrNumber, 2, "", "a number or a tile (partitions, 1)",
         kOnChip, 0},
        {"reduce_op", ParameterKind::kOperator, 1, "",
         "nl.add, nl.multiply, nl.maximum or nl.minimum"},
        {"reduce_res", ParameterKind::kTile, 3, "None",
         "a tile (partitions, 1) for the accumulators' state afterwards"},
        {"reverse0", ParameterKind::kFlag, kReverse0, "False", "operand0 <op0> data"},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.reset_reduce",
         "what to do with the accumulators"},
        {"reduce_init", ParameterKind::kTileOrNumber, 4, "None",
         "the accumulators' start with load_reduce", kOnChip, 1},
        {"reduce_res_negate", ParameterKind::kFlag, kNegate, "False",
         "True: what is written to reduce_res is negated"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
