// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of this folder: a chip with round figures, and programs written by hand.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "thorong/chip/loader.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/sim/semaphores.h"

namespace thorong::sim::testing {

using isa::AccessPattern;
using isa::BufferId;
using isa::Format;
using isa::Opcode;
using isa::Queue;
using isa::Space;

// trainium1 with figures that are easy to add up: one cycle is 1 ns on every engine, a DMA byte
// 1 ns of the shared path, DMA results appear 100 ns later, a semaphore takes 10 ns, an activation
// table 300 ns, the tensor engine's results 50 ns.
inline isa::CoreParameters round_core() {
  isa::CoreParameters core = isa::core_parameters(*chip::load("trainium1"));
  core.tensor_hz = core.vector_hz = core.scalar_hz = core.gpsimd_hz = 1e9;
  core.tensor_fixed_latency_cycles = 50;
  core.vector_fixed_cycles = core.scalar_fixed_cycles = 0;
  core.scalar_table_load_s = 300e-9;
  core.dma_engines = 1, core.dma_engine_bytes_per_s = 1e9, core.hbm_core_bytes_per_s = 1e12;
  core.dma_latency_s = 100e-9, core.dma_completion_s = 0, core.dma_fixed_s = 0;
  core.dma_min_element_bytes = 1;
  core.semaphore_s = 10e-9;
  core.vendor_overlap = 0;
  return core;
}

class ProgramBuilder {
 public:
  // A buffer of `elements` (a partition in SBUF and PSUM) at a byte address.
  BufferId buffer(Space space, int64_t address, int64_t elements,
                  Format format = Format::kFloat32) {
    isa::Buffer made;
    made.space = space, made.address = address, made.format = format;
    made.row_bytes = elements * static_cast<int64_t>(numerics::byte_size(format));
    program.buffers.push_back(made);
    return static_cast<BufferId>(program.buffers.size()) - 1;
  }
  // Elements [offset, offset + elements) of partitions [first, first + partitions).
  AccessPattern part(BufferId id, int64_t offset, int32_t elements, int32_t first = 0,
                     int32_t partitions = 1, int64_t partition_step = 0) const {
    AccessPattern ap;
    ap.buffer = id, ap.format = program.buffers[static_cast<size_t>(id)].format;
    ap.rank = 1, ap.size[0] = elements, ap.step[0] = 1, ap.offset = offset;
    ap.start_partition = first, ap.partitions = partitions, ap.partition_step = partition_step;
    return ap;
  }
  isa::Instruction& add(Opcode opcode, Queue queue, const std::vector<AccessPattern>& operands) {
    isa::Instruction instruction;
    instruction.opcode = static_cast<uint16_t>(opcode), instruction.queue = queue;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i].buffer < 0) continue;
      instruction.operands[i] = static_cast<int32_t>(program.patterns.size());
      program.patterns.push_back(operands[i]);
    }
    program.instructions.push_back(instruction);
    return program.instructions.back();
  }
  void load(const AccessPattern& out, const AccessPattern& in) {
    add(Opcode::dma_copy, Queue::kDmaLoad, {out, in});
  }
  void store(const AccessPattern& out, const AccessPattern& in) {
    add(Opcode::dma_copy, Queue::kDmaStore, {out, in});
  }
  void copy(const AccessPattern& out, const AccessPattern& in) {
    add(Opcode::tensor_copy, Queue::kVector, {out, in});
  }
  void activate(numerics::UnaryFunction function, const AccessPattern& out,
                const AccessPattern& in) {
    isa::Instruction& made = add(Opcode::activation, Queue::kScalar, {out, in});
    made.function0 = static_cast<uint8_t>(function), made.immediate0 = 1;
  }

  isa::Program program;
};

// What instruction i waits for: queue and count.
inline std::map<Queue, int32_t> waits_of(const isa::Program& program, size_t i) {
  std::map<Queue, int32_t> waits;
  const isa::Instruction& instruction = program.instructions[i];
  for (int32_t w = 0; w < instruction.waits; ++w) {
    const isa::Wait& wait = program.waits[static_cast<size_t>(instruction.first_wait + w)];
    waits[wait.queue] = wait.count;
  }
  return waits;
}

}  // namespace thorong::sim::testing
