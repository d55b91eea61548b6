// SPDX-License-Identifier: Apache-2.0
// The accumulator registers of Vector and Scalar instructions: one fp32 value for each partition
// that outlives an instruction.
#pragma once

#include "thorong/isa/alu.h"
#include "thorong/isa/machine_state.h"

namespace thorong::isa {

// The accumulator after a row of results. kIdle: the row's own reduction, the register untouched.
inline float accumulate(float& kept, ReduceCommand command, Alu op, const float* row, size_t n,
                        float initial) {
  switch (command) {
    case ReduceCommand::kIdle:
      return reduce(op, row, n);
    case ReduceCommand::kReset:
      return kept = identity(op);
    case ReduceCommand::kReduce:
      return kept = combine(op, kept, reduce(op, row, n));
    case ReduceCommand::kResetReduce:
      return kept = reduce(op, row, n);
    case ReduceCommand::kLoadReduce:
      return kept = combine(op, initial, reduce(op, row, n));
  }
  return kept;
}

inline float& vector_accumulator(MachineState& machine, const Operand& operand, int64_t partition) {
  auto lane = static_cast<size_t>(operand.pattern->start_partition + partition);
  return machine.engines.vector_accumulators[lane];
}
inline float& scalar_accumulator(MachineState& machine, const Operand& operand, int64_t partition) {
  auto lane = static_cast<size_t>(operand.pattern->start_partition + partition);
  return machine.engines.scalar_accumulators[lane];
}

// A value for each partition, or an immediate.
struct Column {
  Operand operand;
  float immediate = 0;
  bool vector = false;
  float at(int64_t partition) const {
    float one = 0;
    return vector ? *load_row(operand, partition, &one) : immediate;
  }
};
inline Column column(MachineState& machine, const Program& program, const Instruction& instruction,
                     int operand, float immediate) {
  if (!program.has_operand(instruction, operand)) return {{}, immediate, false};
  return {machine.resolve(program, program.operand(instruction, operand)), immediate, true};
}

}  // namespace thorong::isa
