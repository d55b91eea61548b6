// SPDX-License-Identifier: Apache-2.0
// dma_copy: out = in between any two memories, by the DMA engines, with a change of format through
// fp32 if they differ. Both patterns have the same number of elements, visited in the same order
// (partition first); with flag kBindView, of a source and a destination that nothing writes to
// afterwards, the machine may rename the destination to the source's host memory instead of
// copying.
#pragma once

#include <cmath>
#include <cstring>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/cell_rows.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"
#include "thorong/isa/rows.h"
#include "thorong/isa/snapshot.h"

namespace thorong::isa::instructions {

struct dma_copy {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    if ((instruction.flags & kBindView) != 0 && in.dense && out.dense && in.cell == out.cell) {
      auto cell = static_cast<int64_t>(numerics::byte_size(out.cell));
      machine.bind(out.pattern->buffer, in.base - out.pattern->offset * cell, in.row_stride_bytes);
      return;
    }
    if (out.pattern->partitions != in.pattern->partitions) return copy_reshaped(machine, out, in);
    bool same = out.pattern->format == in.pattern->format && out.cell == in.cell &&
                in.cell != Format::kFloat32;
    if (same || is_wide(in) || is_wide(out))
      copy_any(machine, out, in);
    else
      copy_rows(machine, out, in);
  }

  // 64-bit formats are converted without fp32 between, where neither side is a narrow float.
  static bool is_wide(const Operand& operand) { return numerics::byte_size(operand.cell) == 8; }

  static void copy_rows(MachineState& machine, const Operand& out, const Operand& in) {
    CellCopy walk = cell_copy(out, in);
    if (walk.usable()) {
      for_partitions(machine, in.pattern->partitions, in.elements,
                     [&](int64_t first, int64_t last) { copy_cells(walk, out, in, first, last); });
      return;
    }
    if (in.rows == nullptr && out.rows == nullptr) {
      std::array<RowInput, 1> inputs{{{&in}}};
      return map_rows(
          machine, out, inputs,
          [](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
            numerics::apply(numerics::UnaryFunction::kCopy, from[0], to, rows, n);
          });
    }
    copy_indirect_rows(machine, out, in);
  }

  static void copy_indirect_rows(MachineState& machine, const Operand& out, const Operand& in) {
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(in.elements);
    bool exact =
        out.pattern->format == in.pattern->format;  // nothing to round, stochastically least of all
    for_rows_as_read(machine, out, in, [&](const Operand& source, int64_t first, int64_t last) {
      float* scratch = thread_scratch(0, n);
      for (int64_t p = first; p < last; ++p) {
        if (source.skipped(p) || out.skipped(p)) continue;
        const float* row = load_row(source, p, target_row(out, p, scratch));
        float* target = target_row(out, p, scratch);
        if (row != target) std::memmove(target, row, n * 4);
        if (!exact || !out.direct) store_row(out, p, target, rounding);
      }
    });
  }

  static void copy_any(MachineState& machine, const Operand& out, const Operand& in) {
    auto n = static_cast<size_t>(in.elements);
    if (in.cell == out.cell) return copy_raw(machine, out, in);
    for_rows_as_read(machine, out, in, [&](const Operand& source, int64_t first, int64_t last) {
      auto* from = reinterpret_cast<std::byte*>(thread_scratch(0, n * 2));
      auto* to = reinterpret_cast<std::byte*>(thread_scratch(1, n * 2));
      for (int64_t p = first; p < last; ++p) {
        if (source.skipped(p) || out.skipped(p)) continue;
        gather_raw(source, p, from);
        numerics::convert(in.cell, from, out.cell, to, n);
        scatter_raw(out, p, to);
      }
    });
  }

  // The same elements in rows of another length: through one long row.
  static void copy_reshaped(MachineState& machine, const Operand& out, const Operand& in) {
    if (machine.part().index > 0) return;  // by one thread
    auto total = static_cast<size_t>(in.elements * in.pattern->partitions);
    size_t from = numerics::byte_size(in.cell), to = numerics::byte_size(out.cell);
    std::vector<std::byte> all(total * from), converted(total * to);
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      if (!in.skipped(p))
        gather_raw(in, p, all.data() + static_cast<size_t>(p * in.elements) * from);
    }
    if (in.pattern->format == out.pattern->format && in.cell == out.cell) {
      converted = std::move(all);
    } else {
      numerics::convert(in.cell, all.data(), out.cell, converted.data(), total);
      if (out.cell == Format::kFloat32) {
        round_values(out.pattern->format, reinterpret_cast<float*>(converted.data()), total,
                     machine.rounding());
      }
    }
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      if (!out.skipped(p))
        scatter_raw(out, p, converted.data() + static_cast<size_t>(p * out.elements) * to);
    }
  }

  // Bytes that a pattern takes on the wire: short elements are padded to the least efficient size.
  static double wire_bytes(const CoreParameters& core, const AccessPattern& pattern,
                           bool whole_rows) {
    auto size = static_cast<double>(numerics::byte_size(pattern.format));
    double run = static_cast<double>(pattern.contiguous_run());
    if (whole_rows && pattern.partition_step == pattern.free_elements()) run *= pattern.partitions;
    double runs = static_cast<double>(pattern.elements()) / run;
    return runs * std::max(run * size, core.dma_min_element_bytes);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern &out = program.operand(instruction, 0),
                        &in = program.operand(instruction, 1);
    bool out_hbm = program.buffer(out).space == Space::kHbm,
         in_hbm = program.buffer(in).space == Space::kHbm;
    double wire = std::max(wire_bytes(core, out, out_hbm), wire_bytes(core, in, in_hbm));
    // A short transfer keeps few engines busy; others work on other transfers meanwhile. So it
    // takes its share of the common bandwidth, and its own end comes later.
    constexpr double kPacketBytes = 4096;
    double engines = std::clamp(std::ceil(wire / kPacketBytes), 1.0, core.dma_engines);
    double alone_s = wire / (engines * core.dma_engine_bytes_per_s);
    Cost cost;
    cost.occupied_s = wire / (core.dma_engines * core.dma_engine_bytes_per_s);
    if ((instruction.flags & kGenerated) != 0) cost.descriptor_s = core.dma_descriptor_s;
    double hbm = 0;
    if (in_hbm)
      hbm += static_cast<double>(
          in.partition_step == 0 && in.partitions > 1 ? in.bytes() / in.partitions : in.bytes());
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

  static Queue ring(const Binding& call) {
    bool to = call.space(0) == Space::kHbm, from = call.space(1) == Space::kHbm;
    return from == to ? Queue::kDmaMove : from ? Queue::kDmaLoad : Queue::kDmaStore;
  }

  // What dge_mode.unknown leaves to the compiler is taken as the generator in hardware, where there
  // is one; it knows no indirect addresses.
  static bool generated(const Binding& call) {
    constexpr uint8_t kUnknown = 0, kHardware = 2;
    bool named = call[4].kind == Argument::Kind::kName;
    uint8_t mode = named ? call[4].code : kUnknown;
    return (mode == kUnknown || mode == kHardware) && call.operand(0).indirect < 0 &&
           call.operand(1).indirect < 0;
  }

  static Status assemble(Binding& call) {
    call.instruction.queue = ring(call);
    if (generated(call)) call.instruction.flags |= kGenerated;
    bool skip = call[3].kind == Argument::Kind::kName && call[3].code == 1;
    for (int i = 0; i < 2 && skip; ++i) {
      if (call.operand(i).indirect >= 0)
        call.program.indirects[static_cast<size_t>(call.operand(i).indirect)].skip_out_of_bounds =
            true;
    }
    return ok_status();
  }

  static Status check(const Binding& call) {
    if (call.space(0) == Space::kPsum || call.space(1) == Space::kPsum) {
      return named("memory",
                   invalid_argument("dma_copy: expected HBM or SBUF, found " +
                                    describe(call, call.space(0) == Space::kPsum ? 0 : 1) +
                                    ". Copy between PSUM and SBUF with tensor_copy."));
    }
    if (call.operand(0).elements() == call.operand(1).elements()) return ok_status();
    return named(
        "shape",
        invalid_argument("dma_copy: expected the same number of elements, found " +
                         describe(call, 0) + " and " + describe(call, 1) + ". Slice one of them."));
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"dma_copy",
                         "out = in between any two memories, by the DMA engines",
                         "Introduction to Direct Memory Access with NKI; Guideline to Avoid "
                         "Under-Utilizing DMA Bandwidth",
                         {"out", "in"},
                         execute,
                         cost};
    spec.splits = true;
    spec.engine = Queue::kDmaMove;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the tensor to copy to", kAnywhere},
        {"src", ParameterKind::kTile, 1, "", "the tensor to copy from", kAnywhere},
        {"priority", ParameterKind::kChoice, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"oob_mode", ParameterKind::kChoice, -1, "oob_mode.error",
         "skip: leave rows with an index out of bounds alone"},
        {"dge_mode", ParameterKind::kChoice, -1, "dge_mode.unknown", "who makes the descriptors"},
        {"engine", ParameterKind::kChoice, -1, "engine.unknown",
         "the engine that asks a hardware DGE"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
