// SPDX-License-Identifier: Apache-2.0
// activation: out = function(in * scale + bias), optionally also sum[p] = sum of the row's results.
// scale and bias are immediates or one value a partition. Multiply and add round separately, in
// fp32.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct activation {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    bool has_bias = program.has_operand(instruction, 2),
         has_scale = program.has_operand(instruction, 3);
    bool has_sum = program.has_operand(instruction, 4);
    Operand bias = has_bias ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    Operand scale =
        has_scale ? machine.resolve(program, program.operand(instruction, 3)) : Operand{};
    Operand sum = has_sum ? machine.resolve(program, program.operand(instruction, 4)) : Operand{};
    auto function = unary(instruction.function0);
    ReduceCommand command = reduce_command(instruction);
    bool sums = has_sum || command != ReduceCommand::kIdle;
    if (!sums) return without_sums(machine, instruction, out, in, bias, scale);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(
        machine, in.pattern->partitions, in.elements * 2, [&](int64_t first, int64_t last) {
          float one = 0;
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          for (int64_t p = first; p < last; ++p) {
            const float* row = load_row(in, p, scratch_in);
            float* target = target_row(out, p, scratch_out);
            float b = has_bias ? *load_row(bias, p, &one) : instruction.immediate1;
            float s = has_scale ? *load_row(scale, p, &one) : instruction.immediate0;
            numerics::activate(function, row, s, b, target, n);
            float total = accumulate(machine, command, in.pattern->start_partition + p, target, n);
            if (has_sum) store_row(sum, p, &total, rounding);
            store_row(out, p, target, rounding);
          }
        });
  }

  // The lane's accumulator after this row. kIdle: the row's own sum, the register untouched.
  static float accumulate(MachineState& machine, ReduceCommand command, int64_t lane,
                          const float* row, size_t n) {
    if (command == ReduceCommand::kIdle)
      return numerics::reduce(numerics::BinaryFunction::kAdd, row, n);
    float& kept = machine.engines.scalar_accumulators[static_cast<size_t>(lane)];
    if (command == ReduceCommand::kReset) return kept = 0;
    float total = numerics::reduce(numerics::BinaryFunction::kAdd, row, n);
    return kept = command == ReduceCommand::kReduce ? numerics::canonical(kept + total) : total;
  }

  static void without_sums(MachineState& machine, const Instruction& instruction, Operand& out,
                           Operand& in, Operand& bias, Operand& scale) {
    bool has_bias = bias.pattern != nullptr, has_scale = scale.pattern != nullptr;
    std::array<RowInput, 3> inputs{{{&in}, {has_bias ? &bias : &scale, true}, {&scale, true}}};
    size_t used = 1 + (has_bias ? 1 : 0) + (has_scale ? 1 : 0);
    map_rows(machine, out, std::span(inputs).first(used),
             [&](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
               numerics::activate(
                   unary(instruction.function0), from[0],
                   has_scale ? from[used - 1] : numerics::value_rows(instruction.immediate0),
                   has_bias ? from[1] : numerics::value_rows(instruction.immediate1), to, rows, n);
             });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    bool copy = unary(instruction.function0) == numerics::UnaryFunction::kCopy;
    Cost cost = streaming_cost(core, program, instruction, 1, copy);
    if (program.has_operand(instruction, 4) || reduce_command(instruction) != ReduceCommand::kIdle)
      cost.cycles += core.scalar_reduce_cycles;
    return cost;
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 2, 1));
    THORONG_RETURN_IF_ERROR(column_if_given(call, 3, 1));
    return column_if_given(call, 4, 1);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "activation",
        "out = function(in * scale + bias), optionally with the row's sum",
        "NKI ISA API reference (activation, activation_reduce): max(64, N), +64 with a reduction",
        {"out", "in", "bias", "scale", "sum"},
        execute,
        cost};
    spec.splits = true;
    spec.table = true;
    spec.writes = 0b10001;
    spec.engine = Queue::kScalar;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the activation output"},
        {"op", ParameterKind::kActivation, 0, "", "an activation function, nl.exp for example"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"bias", ParameterKind::kTileOrNumber, 2, "None",
         "a number or a tile (partitions, 1) to add", kOnChip, 1},
        {"scale", ParameterKind::kTileOrNumber, 3, "1.0",
         "a number or a tile (partitions, 1) to multiply by", kOnChip, 0},
        {"reduce_op", ParameterKind::kOperator, 1, "None",
         "nl.add, to sum the results of each partition"},
        {"reduce_res", ParameterKind::kTile, 4, "None",
         "a tile (partitions, 1) for the accumulators' state afterwards"},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.idle",
         "what to do with the accumulators"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
