// SPDX-License-Identifier: Apache-2.0
// dma_copy: out = in between any two memories, by the DMA engines, with a change of format through fp32 if they differ.
// Both patterns have the same number of elements, visited in the same order (partition first); with flag kBindView and a
// constant source the machine may rename the destination to the source's host memory instead of copying.
#pragma once

#include <cmath>
#include <cstring>

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct dma_copy {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    if ((instruction.flags & kBindView) != 0 && in.dense && out.dense && in.cell == out.cell) {
      auto cell = static_cast<int64_t>(numerics::byte_size(out.cell));
      machine.bind(out.pattern->buffer, in.base - out.pattern->offset * cell, in.row_stride_bytes);
      return;
    }
    if (out.cell == Format::kFloat32 && in.cell == Format::kFloat32) {
      copy_floats(machine, out, in);
    } else {
      copy_any(machine, out, in);
    }
  }

  static void copy_floats(MachineState& machine, const Operand& out, const Operand& in) {
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    for_partitions(machine, in.pattern->partitions, in.elements, [&](int64_t first, int64_t last) {
      float* scratch = thread_scratch(0, n);
      for (int64_t p = first; p < last; ++p) {
        const float* row = load_row(in, p, target_row(out, p, scratch));
        float* target = target_row(out, p, scratch);
        if (row != target) std::memmove(target, row, n * 4);
        store_row(out, p, target, rounding);
      }
    });
  }

  static void copy_any(MachineState& machine, const Operand& out, const Operand& in) {
    auto n = static_cast<size_t>(in.elements);
    auto* from = reinterpret_cast<std::byte*>(machine.scratch(0, n * 2));
    auto* to = reinterpret_cast<std::byte*>(machine.scratch(1, n * 2));
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      gather_raw(in, p, from);
      if (in.cell == out.cell) {
        scatter_raw(out, p, from);
        continue;
      }
      numerics::convert(in.cell, from, out.cell, to, n);
      scatter_raw(out, p, to);
    }
  }

  // Bytes that a pattern takes on the wire: short elements are padded to the least efficient size.
  static double wire_bytes(const CoreParameters& core, const AccessPattern& pattern, bool whole_rows) {
    auto size = static_cast<double>(numerics::byte_size(pattern.format));
    double run = static_cast<double>(pattern.contiguous_run());
    if (whole_rows && pattern.partition_step == pattern.free_elements()) run *= pattern.partitions;
    double runs = static_cast<double>(pattern.elements()) / run;
    return runs * std::max(run * size, core.dma_min_element_bytes);
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    const AccessPattern &out = program.operand(instruction, 0), &in = program.operand(instruction, 1);
    bool out_hbm = program.buffer(out).space == Space::kHbm, in_hbm = program.buffer(in).space == Space::kHbm;
    double wire = std::max(wire_bytes(core, out, out_hbm), wire_bytes(core, in, in_hbm));
    // A short transfer keeps few engines busy; others work on other transfers meanwhile. So it takes its share of the common
    // bandwidth, and its own end comes later.
    constexpr double kPacketBytes = 4096;
    double engines = std::clamp(std::ceil(wire / kPacketBytes), 1.0, core.dma_engines);
    double alone_s = wire / (engines * core.dma_engine_bytes_per_s);
    Cost cost;
    cost.occupied_s = wire / (core.dma_engines * core.dma_engine_bytes_per_s);
    double hbm = 0;
    if (in_hbm) hbm += static_cast<double>(in.partition_step == 0 && in.partitions > 1 ? in.bytes() / in.partitions : in.bytes());
    if (out_hbm) hbm += static_cast<double>(out.bytes());
    cost.occupied_s = std::max(cost.occupied_s, hbm / core.hbm_core_bytes_per_s);
    cost.latency_s = core.dma_latency_s + core.dma_completion_s +
                     std::max(0.0, std::max(alone_s, core.dma_fixed_s) - cost.occupied_s);
    cost.events.hbm_bytes = hbm;
    cost.events.dma_bytes = static_cast<double>(std::max(in.bytes(), out.bytes()));
    cost.events.dma_descriptors = engines;
    if (!in_hbm) count_operand(program, in, cost.events);
    if (!out_hbm) count_operand(program, out, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    return {"dma_copy", "out = in between any two memories, by the DMA engines",
            "Introduction to Direct Memory Access with NKI; Guideline to Avoid Under-Utilizing DMA Bandwidth",
            {"out", "in"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
