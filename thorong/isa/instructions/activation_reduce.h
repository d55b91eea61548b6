// SPDX-License-Identifier: Apache-2.0
// activation_reduce: out = function(in * scale + bias), and sum[p] = sum of the row's results:
// activation with the command reset_reduce. The Scalar Engine's accumulators hold the sums
// afterwards.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/instructions/activation.h"

namespace thorong::isa::instructions {

struct activation_reduce {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Instruction same = instruction;
    same.flags = with_reduce(instruction.flags, ReduceCommand::kResetReduce);
    activation::execute(machine, program, same);
  }

  static Status check(const Binding& call) { return activation::check(call); }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost = activation::cost(core, program, instruction);
    if (!program.has_operand(instruction, 4)) cost.cycles += core.scalar_reduce_cycles;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"activation_reduce",
                         "out = function(in * scale + bias) with the row's sum",
                         "NKI ISA API reference (activation_reduce): max(64, N) + 64",
                         {"out", "in", "bias", "scale", "sum"},
                         execute,
                         cost};
    spec.engine_state = true;
    spec.table = true;
    spec.engine = Queue::kScalar;
    spec.writes = 0b10001;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the activation output"},
        {"op", ParameterKind::kActivation, 0, "", "an activation function, nl.exp for example"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"reduce_op", ParameterKind::kOperator, 1, "", "nl.add"},
        {"reduce_res", ParameterKind::kTile, 4, "None", "a tile (partitions, 1) for the sums"},
        {"bias", ParameterKind::kTileOrNumber, 2, "None",
         "a number or a tile (partitions, 1) to add", kOnChip, 1},
        {"scale", ParameterKind::kTileOrNumber, 3, "1.0",
         "a number or a tile (partitions, 1) to multiply by", kOnChip, 0},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
