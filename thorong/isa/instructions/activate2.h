// SPDX-License-Identifier: Apache-2.0
// activate2: out = function((in op0 imm0) op1 imm1), on Scalar; with a command also a reduction in
// the accumulators and in sum[p]. Program::integers at `extra`: op0, op1, the reduction, prelu (0
// or 1), the bits of its slope where that is no tile.
#pragma once

#include <array>
#include <bit>

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct activate2 {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column imm0 = column(machine, program, instruction, 2, instruction.immediate0);
    Column imm1 = column(machine, program, instruction, 3, instruction.immediate1);
    Column slope = column(machine, program, instruction, 4, 0);
    Column sum = column(machine, program, instruction, 5, 0);
    const int64_t* list = program.integers.data() + instruction.extra;
    auto op = [&](size_t i) { return alu(static_cast<uint8_t>(list[i])); };
    float fixed_slope = std::bit_cast<float>(static_cast<int32_t>(list[4]));
    ReduceCommand command = reduce_command(instruction);
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(
        machine, out.pattern->partitions, 4 * in.elements, [&](int64_t first, int64_t last) {
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          for (int64_t p = first; p < last; ++p) {
            float* target = target_row(out, p, scratch_out);
            apply_scalar(op(0), load_row(in, p, scratch_in), imm0.at(p),
                         (instruction.flags & kReverse0) != 0, target, n);
            apply_scalar(op(1), target, imm1.at(p), (instruction.flags & kReverse1) != 0, target,
                         n);
            if (list[3] != 0)
              prelu(target, slope.vector ? slope.at(p) : fixed_slope, n);
            else
              numerics::apply(unary(instruction.function0), target, target, n);
            if (command != ReduceCommand::kIdle || sum.vector) {
              float total =
                  accumulate(scalar_accumulator(machine, in, p), command, op(2), target, n, 0);
              if (sum.vector) store_row(sum.operand, p, &total, rounding);
            }
            store_row(out, p, target, rounding);
          }
        });
  }

  static void prelu(float* values, float slope, size_t n) {
    for (size_t i = 0; i < n; ++i)
      values[i] = values[i] < 0 ? numerics::canonical(values[i] * slope) : values[i];
  }

  static Status assemble(Binding& call) {
    bool prelu = call[1].kind == Argument::Kind::kName && alu(call[1].code) == Alu::kPrelu;
    float slope = static_cast<float>(call[7].number);
    auto code = [](const Argument& argument) {
      return argument.given() ? argument.code : static_cast<uint8_t>(Alu::kBypass);
    };
    auto reduction =
        call[10].given() ? call[10].code : static_cast<uint8_t>(numerics::BinaryFunction::kAdd);
    call.attach(std::array<int64_t, 5>{code(call[5]), code(call[6]), reduction, prelu ? 1 : 0,
                                       std::bit_cast<int32_t>(slope)});
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    for (int i = 2; i <= 5; ++i) THORONG_RETURN_IF_ERROR(column_if_given(call, i, 1));
    return ok_status();
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost = streaming_cost(core, program, instruction, 1, false, 2);
    if (program.has_operand(instruction, 5) || reduce_command(instruction) != ReduceCommand::kIdle)
      cost.cycles += core.scalar_reduce_cycles;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"activate2",
                         "out = function((in op0 imm0) op1 imm1), optionally with a reduction",
                         "Trainium3 Architecture Guide for NKI (Scalar Engine); as activation: "
                         "max(64, N), +64 with a reduction",
                         {"out", "in", "imm0", "imm1", "slope", "sum"},
                         execute,
                         cost};
    spec.table = true;
    spec.engine = Queue::kScalar;
    spec.writes = 0b100001;
    spec.first_generation = 4;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the activation output"},
        {"op", ParameterKind::kActivation, 0, "", "an activation function"},
        {"data", ParameterKind::kTile, 1, "", "the input tile"},
        {"imm0", ParameterKind::kTileOrNumber, 2, "", "a number or a tile (partitions, 1) for op0",
         kOnChip, 0},
        {"imm1", ParameterKind::kTileOrNumber, 3, "", "a number or a tile (partitions, 1) for op1",
         kOnChip, 1},
        {"op0", ParameterKind::kOperator, -1, "", "nl.multiply, nl.add, nl.subtract or nl.bypass"},
        {"op1", ParameterKind::kOperator, -1, "", "nl.add, nl.subtract or nl.bypass"},
        {"relu_param", ParameterKind::kTileOrNumber, 4, "0.0", "the slope of nl.prelu", kOnChip,
         -1},
        {"reverse0", ParameterKind::kFlag, kReverse0, "False", "imm0 <op0> data"},
        {"reverse1", ParameterKind::kFlag, kReverse1, "False", "imm1 <op1> result"},
        {"reduce_op", ParameterKind::kOperator, -1, "None",
         "nl.add, nl.maximum, nl.minimum, nl.abs_max or nl.abs_min"},
        {"reduce_res", ParameterKind::kTile, 5, "None",
         "a tile (partitions, 1) for the accumulators' state afterwards"},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.idle",
         "what to do with the accumulators"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
