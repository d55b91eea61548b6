// SPDX-License-Identifier: Apache-2.0
// tensor_partition_reduce: out[0, i] = reduction of in[:, i] over the partitions in their order, on
// GpSimd.
#pragma once

#include <algorithm>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct tensor_partition_reduce {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Alu op = alu(instruction.function0);
    auto n = static_cast<size_t>(in.elements);
    if ((instruction.flags & kIntegerWork) != 0) return reduce_integers(out, in, op, n);
    float* row = machine.scratch(0, n);
    float* sum = machine.scratch(1, n);
    auto partitions = int64_t{in.pattern->partitions};
    Alu step = op == Alu::kAverage ? alu(numerics::BinaryFunction::kAdd) : op;
    for (int64_t p = 0; p < partitions; ++p) {
      const float* values = load_row(in, p, row);
      if (p == 0)
        std::copy(values, values + n, sum);
      else
        apply(step, sum, values, sum, n);
    }
    if (op == Alu::kAverage)
      numerics::apply_scalar(numerics::BinaryFunction::kDivide, sum, static_cast<float>(partitions),
                             false, sum, n);
    store_row(out, 0, sum, machine.rounding());
  }

  static void reduce_integers(const Operand& out, const Operand& in, Alu op, size_t n) {
    std::vector<int64_t> sum(n), row(n);
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      load_integers(in, p, p == 0 ? sum.data() : row.data());
      for (size_t i = 0; p > 0 && i < n; ++i) sum[i] = apply_integer(op, sum[i], row[i], 32);
    }
    store_integers(out, 0, sum.data());
  }

  static Status assemble(Binding& call) {
    if (is_bitwise(alu(call.instruction.function0))) call.instruction.flags |= kIntegerWork;
    return ok_status();
  }

  static Status check(const Binding& call) {
    if (call.operand(0).partitions != 1 ||
        call.operand(0).free_elements() != call.operand(1).free_elements()) {
      return invalid_argument(
          "tensor_partition_reduce: expected dst of one partition with as many elements as one of "
          "data, found " +
          describe(call, 0) + " for " + describe(call, 1) + ".");
    }
    return (call.instruction.flags & kIntegerWork) != 0 ? integers(call, 1) : ok_status();
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern& in = program.operand(instruction, 1);
    Cost cost = streaming_cost(core, program, instruction, 1, false);
    cost.cycles = core.gpsimd_start_cycles +
                  static_cast<double>(in.elements()) * core.gpsimd_processors / core.gpsimd_lanes;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_partition_reduce",
                         "out[0, i] = reduction over the partitions of in[:, i]",
                         "assumed: 150 + N for each of the eight processors' sixteen partitions, "
                         "as GpSimd reads them; no public rule",
                         {"out", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "one partition of results", kInSbuf},
                       {"op", ParameterKind::kOperator, 0, "",
                        "nl.add, nl.average, nl.maximum, nl.bitwise_or or nl.bitwise_and"},
                       {"data", ParameterKind::kTile, 1, "", "the tile to reduce", kInSbuf},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
