// SPDX-License-Identifier: Apache-2.0
// exponential: out = exp(in - max), on Vector; with a command also a running sum in the
// accumulators, and sum[p] = that. immediate0: max; immediate1: the accumulators' start with
// load_reduce.
#pragma once

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct exponential {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column most = column(machine, program, instruction, 2, instruction.immediate0);
    Column start = column(machine, program, instruction, 4, instruction.immediate1);
    Column sum = column(machine, program, instruction, 3, 0);
    ReduceCommand command = reduce_command(instruction);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(
        machine, out.pattern->partitions, 4 * in.elements, [&](int64_t first, int64_t last) {
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          for (int64_t p = first; p < last; ++p) {
            float* target = target_row(out, p, scratch_out);
            numerics::activate(numerics::UnaryFunction::kExp, load_row(in, p, scratch_in), 1.0F,
                               -most.at(p), target, n);
            if (command != ReduceCommand::kIdle || sum.vector) {
              float total = accumulate(vector_accumulator(machine, in, p), command,
                                       alu(numerics::BinaryFunction::kAdd), target, n, start.at(p));
              if (sum.vector) store_row(sum.operand, p, &total, rounding);
            }
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
    return streaming_cost(core, program, instruction, core.vector_exponential, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"exponential",
                         "out = exp(in - max), optionally with a running sum",
                         "Trainium3 Architecture Guide for NKI (Vector Engine): four times the "
                         "rate of the Scalar Engine's exp",
                         {"out", "in", "max", "sum", "start"},
                         execute,
                         cost};
    spec.writes = 0b1001;
    spec.first_generation = 4;
    spec.reach = Reach::kElement;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the output tile"},
                       {"src", ParameterKind::kTile, 1, "", "the input tile"},
                       {"max_value", ParameterKind::kTileOrNumber, 2, "0.0",
                        "a number or a tile (partitions, 1) to subtract", kOnChip, 0},
                       {"reduce_res", ParameterKind::kTile, 3, "None",
                        "a tile (partitions, 1) for the accumulators' state afterwards"},
                       {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.idle",
                        "what to do with the accumulators"},
                       {"reduce_init", ParameterKind::kTileOrNumber, 4, "0.0",
                        "the accumulators' start with load_reduce", kOnChip, 1},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
