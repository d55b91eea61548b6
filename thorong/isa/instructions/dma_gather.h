// SPDX-License-Identifier: Apache-2.0
// dma_gather: out[p, :] = table[index[p, 0], :], one row of an HBM table for each partition
// (indirect DMA). Negative indices count from the end. `extra` is the number of rows of the table;
// an index beyond it is a fault of the machine.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct dma_gather {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand table = machine.resolve(program, program.operand(instruction, 1));
    Operand index = machine.resolve(program, program.operand(instruction, 2));
    auto n = static_cast<size_t>(out.elements);
    auto* from = reinterpret_cast<std::byte*>(machine.scratch(0, n * 2));
    auto* to = reinterpret_cast<std::byte*>(machine.scratch(1, n * 2));
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      auto row = static_cast<int64_t>(
          numerics::load_as_double(index.cell, index.base + p * index.row_stride_bytes, 0));
      if (row < 0) row += instruction.extra;
      if (row < 0 || row >= instruction.extra) {
        machine.fault(instruction, "dma_gather reads row " + std::to_string(row) +
                                       " of a table of " + std::to_string(instruction.extra) +
                                       " rows");
        return;
      }
      gather_raw(table, row, from);
      numerics::convert(table.cell, from, out.cell, to, n);
      scatter_raw(out, p, to);
    }
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern& out = program.operand(instruction, 0);
    double row = static_cast<double>(out.free_elements()) *
                 static_cast<double>(numerics::byte_size(out.format));
    double wire = std::max(row, core.dma_min_element_bytes) * out.partitions;
    Cost cost;
    cost.occupied_s = std::max(wire / (core.dma_engines * core.dma_engine_bytes_per_s),
                               row * out.partitions / core.hbm_core_bytes_per_s);
    cost.latency_s = core.dma_latency_s + core.dma_completion_s + core.dma_fixed_s;
    cost.events.hbm_bytes = cost.events.dma_bytes = row * out.partitions;
    cost.events.dma_descriptors = out.partitions;
    cost.events.sbuf_bytes = row * out.partitions;
    return cost;
  }

  static InstructionSpec spec() {
    return {"dma_gather",
            "out[p, :] = table[index[p], :], one HBM row for each partition",
            "Descriptor Generation Engine Reference; Introduction to Direct Memory Access with NKI",
            {"out", "table", "index"},
            execute,
            cost};
  }
};

}  // namespace thorong::isa::instructions
