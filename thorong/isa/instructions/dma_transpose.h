// SPDX-License-Identifier: Apache-2.0
// dma_transpose: out[i, ...] = in with its dimensions in the order of `axes`, by the DMA engines;
// bits as they are. Rows of `in` may be indirect (gather and transpose). Program::integers at
// `extra`: rank, in's shape, axes.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/instructions/dma_copy.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct dma_transpose {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    const int64_t* list = program.integers.data() + instruction.extra;
    auto rank = static_cast<size_t>(list[0]);
    const int64_t *shape = list + 1, *axes = list + 1 + rank;
    size_t cell = numerics::byte_size(in.cell);
    size_t total = static_cast<size_t>(in.elements * in.pattern->partitions);
    std::vector<std::byte> from(total * cell), to(total * cell);
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      if (!in.skipped(p))
        gather_raw(in, p, from.data() + static_cast<size_t>(p * in.elements) * cell);
    }
    std::array<int64_t, 8> steps{}, index{}, step_of{}, size_of{};
    for (size_t d = rank, step = 1; d-- > 0; step *= static_cast<size_t>(shape[d]))
      steps[d] = static_cast<int64_t>(step);
    for (size_t d = 0; d < rank; ++d)
      step_of[d] = steps[static_cast<size_t>(axes[d])], size_of[d] = shape[axes[d]];
    for (size_t i = 0; i < total; ++i) {
      int64_t at = 0;
      for (size_t d = 0; d < rank; ++d) at += index[d] * step_of[d];
      std::copy_n(from.data() + static_cast<size_t>(at) * cell, cell, to.data() + i * cell);
      for (size_t d = rank; d-- > 0;) {
        if (++index[d] < size_of[d]) break;
        index[d] = 0;
      }
    }
    size_t row = static_cast<size_t>(out.elements);
    size_t out_cell = numerics::byte_size(out.cell);
    std::vector<std::byte> converted(row * out_cell);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      const std::byte* start = to.data() + static_cast<size_t>(p) * row * cell;
      if (in.cell == out.cell) {
        scatter_raw(out, p, start);
        continue;
      }
      numerics::convert(in.cell, start, out.cell, converted.data(), row);
      scatter_raw(out, p, converted.data());
    }
  }

  static std::vector<int64_t> axes_of(const Binding& call) {
    if (call[2].given() && !call[2].integers.empty()) return call[2].integers;
    switch (call[1].shape.size()) {
      case 2:
        return {1, 0};
      case 3:
        return {2, 1, 0};
      default:
        return {3, 1, 2, 0};
    }
  }

  static Status assemble(Binding& call) {
    call.instruction.queue = dma_copy::ring(call);
    std::vector<int64_t> list{static_cast<int64_t>(call[1].shape.size())};
    list.insert(list.end(), call[1].shape.begin(), call[1].shape.end());
    for (int64_t axis : axes_of(call)) list.push_back(axis);
    call.attach(list);
    bool skip = call[5].kind == Argument::Kind::kName && call[5].code == 1;
    if (skip && call.operand(1).indirect >= 0)
      call.program.indirects[static_cast<size_t>(call.operand(1).indirect)].skip_out_of_bounds =
          true;
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_format(call, 0, 1));
    std::vector<int64_t> axes = axes_of(call), sorted = axes;
    std::sort(sorted.begin(), sorted.end());
    std::span<const int64_t> from = call[1].shape, to = call[0].shape;
    bool fits =
        axes.size() == from.size() && from.size() >= 2 && from.size() <= 4 && to.size() >= 2;
    for (size_t i = 0; fits && i < sorted.size(); ++i) fits = sorted[i] == static_cast<int64_t>(i);
    fits = fits && to[0] == from[static_cast<size_t>(axes[0])] &&
           call.operand(0).elements() == call.operand(1).elements();
    if (fits) return ok_status();
    return invalid_argument(
        "dma_transpose: expected 2 to 4 dimensions, axes (1, 0), (2, 1, 0) or (3, 1, 2, 0), and "
        "dst with src's dimensions in that order; found " +
        describe(call, 1) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern &out = program.operand(instruction, 0),
                        &in = program.operand(instruction, 1);
    bool from_hbm = program.buffer(in).space == Space::kHbm;
    double rate = core.dma_engines * core.dma_engine_bytes_per_s *
                  (from_hbm ? core.dma_transpose_fraction_hbm : core.dma_transpose_fraction_sbuf);
    auto bytes = static_cast<double>(out.bytes());
    Cost cost;
    cost.occupied_s = bytes / rate;
    cost.latency_s = core.dma_latency_s + core.dma_completion_s +
                     std::max(0.0, core.dma_fixed_s - cost.occupied_s);
    cost.events.dma_bytes = bytes;
    cost.events.dma_descriptors = core.dma_engines;
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"dma_transpose",
                         "out = in with its dimensions in another order, by DMA",
                         "Trainium2 Architecture Guide for NKI (DMA transpose): at most 90% of the "
                         "DMA rate from HBM, 50% within SBUF",
                         {"out", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kDmaMove;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the transposed tile", kInSbuf},
        {"src", ParameterKind::kTile, 1, "", "the tensor to transpose", kInHbm | kInSbuf},
        {"axes", ParameterKind::kIntegers, -1, "None", "src's dimensions in the order of dst's"},
        {"priority", ParameterKind::kChoice, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"dge_mode", ParameterKind::kChoice, -1, "dge_mode.unknown", "who makes the descriptors"},
        {"oob_mode", ParameterKind::kChoice, -1, "oob_mode.error",
         "skip: leave rows with an index out of bounds alone"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
