// SPDX-License-Identifier: Apache-2.0
// range_select: out[i] = in[i] where comp0(start + i, bound0) and comp1(start + i, bound1), else
// the least fp32 value; and the rows' maximum goes to the accumulators and to most[p].
// Program::integers at `extra`: start, comp0, comp1.
#pragma once

#include <array>
#include <limits>
#include <vector>

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct range_select {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Column bound0 = column(machine, program, instruction, 2, 0),
           bound1 = column(machine, program, instruction, 3, 0);
    Column most = column(machine, program, instruction, 4, 0);
    const int64_t* list = program.integers.data() + instruction.extra;
    auto start = static_cast<float>(list[0]);
    Alu op0 = alu(static_cast<uint8_t>(list[1])), op1 = alu(static_cast<uint8_t>(list[2]));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(
        machine, out.pattern->partitions, 4 * in.elements, [&](int64_t first, int64_t last) {
          std::vector<float> index(n), inside(n), also(n);
          for (size_t i = 0; i < n; ++i) index[i] = start + static_cast<float>(i);
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          for (int64_t p = first; p < last; ++p) {
            const float* row = load_row(in, p, scratch_in);
            apply_scalar(op0, index.data(), bound0.at(p), false, inside.data(), n);
            apply_scalar(op1, index.data(), bound1.at(p), false, also.data(), n);
            float* target = target_row(out, p, scratch_out);
            for (size_t i = 0; i < n; ++i)
              target[i] =
                  inside[i] != 0 && also[i] != 0 ? row[i] : std::numeric_limits<float>::lowest();
            float largest =
                accumulate(vector_accumulator(machine, in, p), reduce_command(instruction),
                           alu(numerics::BinaryFunction::kMaximum), target, n, 0);
            if (most.vector) store_row(most.operand, p, &largest, rounding);
            store_row(out, p, target, rounding);
          }
        });
  }

  static Status assemble(Binding& call) {
    call.attach(std::array<int64_t, 3>{call[9].integer, call[2].code, call[3].code});
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    for (int i = 2; i <= 4; ++i) THORONG_RETURN_IF_ERROR(column_if_given(call, i, 1));
    if (call[10].number > -3.4e38) {
      return invalid_argument(
          "range_select: on_false_value is the least float32 on this hardware, found " +
          std::to_string(call[10].number) + ". Leave it out.");
    }
    return ok_status();
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true, 2);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"range_select",
                         "out = in where the index lies within bounds, else the least value",
                         "NKI ISA API reference (range_select): max(64, N)",
                         {"out", "in", "bound0", "bound1", "most"},
                         execute,
                         cost};
    spec.writes = 0b10001;
    spec.first_generation = 3;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile"},
        {"on_true_tile", ParameterKind::kTile, 1, "", "chosen where both comparisons hold"},
        {"comp_op0", ParameterKind::kOperator, -1, "", "the comparison with bound0"},
        {"comp_op1", ParameterKind::kOperator, -1, "", "the comparison with bound1"},
        {"bound0", ParameterKind::kTile, 2, "", "a tile (partitions, 1) of float32"},
        {"bound1", ParameterKind::kTile, 3, "", "a tile (partitions, 1) of float32"},
        {"reduce_cmd", ParameterKind::kReduce, -1, "reduce_cmd.reset_reduce",
         "what to do with the accumulators"},
        {"reduce_res", ParameterKind::kTile, 4, "None", "a tile (partitions, 1) for the maximum"},
        {"reduce_op", ParameterKind::kOperator, -1, "maximum", "nl.maximum"},
        {"range_start", ParameterKind::kInteger, -1, "0", "the first element's index"},
        {"on_false_value", ParameterKind::kNumber, -1, "-3.4028234663852886e38",
         "the least float32, as the hardware has it"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
