// SPDX-License-Identifier: Apache-2.0
// Cost rules that instructions share: minimum issue intervals, fixed cycles, memory traffic of
// operands.
#pragma once

#include <algorithm>

#include "thorong/isa/cost_model.h"

namespace thorong::isa {

inline bool is_16bit(Format format) { return numerics::byte_size(format) == 2; }

// Counts the bytes that an operand moves in its memory.
inline void count_operand(const Program& program, const AccessPattern& pattern, Events& events) {
  auto bytes = static_cast<double>(pattern.bytes());
  switch (program.buffer(pattern).space) {
    case Space::kSbuf:
      events.sbuf_bytes += bytes;
      break;
    case Space::kPsum:
      events.psum_bytes += bytes;
      break;
    case Space::kHbm:
      events.hbm_bytes += bytes;
      break;
  }
}

inline void count_operands(const Program& program, const Instruction& instruction, Events& events) {
  for (int i = 0; i < kMaxOperands; ++i) {
    if (program.has_operand(instruction, i))
      count_operand(program, program.operand(instruction, i), events);
  }
}

// What an instruction of a queue takes beside the cycles for its data.
inline double fixed_cycles(const CoreParameters& core, Queue queue) {
  switch (queue) {
    case Queue::kVector:
      return core.vector_fixed_cycles;
    case Queue::kScalar:
      return core.scalar_fixed_cycles;
    case Queue::kGpsimd:
      return core.gpsimd_start_cycles;
    default:
      return 0;
  }
}

// Cycles of one Vector, Scalar or GpSimd instruction that works `cycles` on its data.
inline double engine_cycles(const CoreParameters& core, Queue queue, double cycles) {
  if (queue == Queue::kVector) cycles = std::max(core.vector_min_issue_cycles, cycles);
  if (queue == Queue::kScalar) cycles = std::max(core.scalar_min_issue_cycles, cycles);
  return cycles + fixed_cycles(core, queue);
}

// Lane operations, charged to the engine that does them. A copy or compare costs less than
// arithmetic.
inline void count_ops(Queue queue, double ops, bool copy, Events& events) {
  if (queue == Queue::kVector)
    (copy ? events.vector_copies : events.vector_ops) += ops;
  else if (queue == Queue::kScalar)
    (copy ? events.scalar_copies : events.scalar_ops) += ops;
  else
    events.gpsimd_ops += ops;
}

// Cost of an instruction that passes `elements` per partition at `cycles_per_element`.
inline Cost streaming_cost(const CoreParameters& core, const Program& program,
                           const Instruction& instruction, double cycles_per_element, bool copy,
                           double ops_per_element = 1) {
  const AccessPattern& out = program.operand(instruction, 0);
  int64_t per_partition = out.free_elements(), total = out.elements();
  if (program.has_operand(instruction, 1)) {
    per_partition = std::max(per_partition, program.operand(instruction, 1).free_elements());
    total = std::max(total, program.operand(instruction, 1).elements());
  }
  Cost cost;
  cost.cycles = engine_cycles(core, instruction.queue,
                              cycles_per_element * static_cast<double>(per_partition));
  count_ops(instruction.queue, ops_per_element * static_cast<double>(total), copy, cost.events);
  count_operands(program, instruction, cost.events);
  return cost;
}

// Cycles per element of a copy or tensor_scalar on Vector, by the formats and memories of both
// sides.
inline double copy_rate(const CoreParameters& core, const Program& program,
                        const Instruction& instruction) {
  if (instruction.queue != Queue::kVector && instruction.queue != Queue::kScalar) return 1;
  const AccessPattern& out = program.operand(instruction, 0);
  const AccessPattern& in = program.operand(instruction, 1);
  bool narrow = is_16bit(out.format) && is_16bit(in.format);
  bool sbuf = program.buffer(out).space == Space::kSbuf && program.buffer(in).space == Space::kSbuf;
  if (instruction.queue == Queue::kScalar) return narrow && sbuf ? core.scalar_copy_16bit : 1;
  if (!narrow) return core.vector_copy;
  bool dense =
      in.contiguous_run() == in.free_elements() && out.contiguous_run() == out.free_elements();
  return sbuf && dense ? core.vector_copy_16bit : core.vector_copy_16bit_psum;
}

inline numerics::UnaryFunction unary(uint8_t function) {
  return static_cast<numerics::UnaryFunction>(function);
}
inline numerics::BinaryFunction binary(uint8_t function) {
  return static_cast<numerics::BinaryFunction>(function);
}

}  // namespace thorong::isa
