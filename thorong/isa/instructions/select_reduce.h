// SPDX-License-Identifier: Apache-2.0
// select_reduce: out = predicate != 0 (== 0 with kReversePredicate) ? on_true : on_false; with a
// command also the row's maximum in the accumulators and in most[p]. on_false: one value a
// partition or immediate0.
#pragma once

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct select_reduce {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand predicate = machine.resolve(program, program.operand(instruction, 1));
    Operand on_true = machine.resolve(program, program.operand(instruction, 2));
    Column on_false = column(machine, program, instruction, 3, instruction.immediate0);
    Column most = column(machine, program, instruction, 4, 0);
    bool reversed = (instruction.flags & kReversePredicate) != 0;
    ReduceCommand command = reduce_command(instruction);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    for_partitions(
        machine, out.pattern->partitions, 2 * out.elements, [&](int64_t first, int64_t last) {
          float* scratch_p = thread_scratch(0, n);
          float* scratch_in = thread_scratch(1, n);
          float* scratch_out = thread_scratch(2, n);
          for (int64_t p = first; p < last; ++p) {
            const float *chosen = load_row(predicate, p, scratch_p),
                        *row = load_row(on_true, p, scratch_in);
            float* target = target_row(out, p, scratch_out);
            float other = on_false.at(p);
            for (size_t i = 0; i < n; ++i)
              target[i] = (chosen[i] != 0) != reversed ? row[i] : other;
            if (command != ReduceCommand::kIdle || most.vector) {
              float largest = accumulate(vector_accumulator(machine, out, p), command,
                                         alu(numerics::BinaryFunction::kMaximum), target, n, 0);
              if (most.vector) store_row(most.operand, p, &largest, rounding);
            }
            store_row(out, p, target, rounding);
          }
        });
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 2));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 3, 0));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 4, 0));
    THORONG_RETURN_IF_ERROR(integers(call, 1));
    return not_both_in_psum(call, 1, 2);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    bool split = program.buffer(program.operand(instruction, 1)).space !=
                 program.buffer(program.operand(instruction, 2)).space;
    return streaming_cost(core, program, instruction, split ? 1 : 2, true, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"select_reduce",
                         "out = predicate ? on_true : on_false, optionally with the maximum",
                         "NKI ISA API reference (select_reduce): as tensor_copy_predicated",
                         {"out", "predicate", "on_true", "on_false", "most"},
                         execute,
                         cost};
    spec.writes = 0b10001;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"predicate", ParameterKind::kTile, 1, "", "integers"},
        {"on_true", ParameterKind::kTile, 2, "", "chosen where the predicate is not zero"},
        {"on_false", ParameterKind::kTileOrNumber, 3, "",
         "chosen elsewhere: a number or a tile (partitions, 1)", kOnChip, 0},
        {"reduce_res", ParameterKind::kTile, 4, "None", "a tile (partitions, 1) for the maximum"},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.idle",
         "what to do with the accumulators"},
        {"reduce_op", ParameterKind::kOperator, -1, "maximum", "nl.maximum"},
        {"reverse_pred", ParameterKind::kFlag, kReversePredicate, "False",
         "the predicate means its opposite"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
