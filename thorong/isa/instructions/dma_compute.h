// SPDX-License-Identifier: Apache-2.0
// dma_compute: out = the sum of several tensors, by the arithmetic inside the DMA engines: in fp32,
// in the order of the list, rounded once. out or one source may be indirect (scatter-add,
// gather-add). Sources: Program::listed_operands.
#pragma once

#include <algorithm>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct dma_compute {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    std::vector<Operand> sources;
    std::vector<std::vector<int64_t>> rows;  // of indirect sources, whose lists the machine reuses
    for (int64_t listed : program.listed_operands(instruction)) {
      Operand source = machine.resolve(program, program.patterns[static_cast<size_t>(listed)]);
      if (source.rows != nullptr)
        rows.emplace_back(source.rows, source.rows + source.pattern->partitions);
      sources.push_back(source);
    }
    size_t next = 0;
    for (Operand& source : sources) {
      if (source.rows != nullptr) source.rows = rows[next++].data();
    }
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    auto n = static_cast<size_t>(out.elements);
    float* sum = machine.scratch(0, n);
    float* scratch = machine.scratch(1, n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      bool skip = out.skipped(p);
      for (const Operand& source : sources) skip = skip || source.skipped(p);
      if (skip) continue;
      for (size_t i = 0; i < sources.size(); ++i) {
        const float* row = load_row(sources[i], p, scratch);
        if (i == 0)
          std::copy(row, row + n, sum);
        else
          numerics::apply(numerics::BinaryFunction::kAdd, sum, row, sum, n);
      }
      store_row(out, p, sum, machine.rounding());
    }
  }

  static Status assemble(Binding& call) {
    call.instruction.queue = call.space(0) == Space::kHbm ? Queue::kDmaStore : Queue::kDmaMove;
    call.instruction.flags |= kListedOperands;
    std::vector<int64_t> list{static_cast<int64_t>(call[1].patterns.size())};
    list.insert(list.end(), call[1].patterns.begin(), call[1].patterns.end());
    call.attach(list);
    bool skip = call[5].kind == Argument::Kind::kName && call[5].code == 1;
    for (size_t i = 0; skip && i < list.size(); ++i) {
      const AccessPattern& pattern =
          i == 0 ? call.operand(0) : call.program.patterns[static_cast<size_t>(list[i])];
      if (pattern.indirect >= 0)
        call.program.indirects[static_cast<size_t>(pattern.indirect)].skip_out_of_bounds = true;
    }
    return ok_status();
  }

  static Status check(const Binding& call) {
    const AccessPattern& out = call.operand(0);
    bool fits = !call[1].patterns.empty() && call[1].patterns.size() <= 16;
    for (int32_t source : call[1].patterns) {
      const AccessPattern& pattern = call.program.patterns[static_cast<size_t>(source)];
      fits = fits && pattern.partitions == out.partitions &&
             pattern.free_elements() == out.free_elements();
    }
    if (!fits) {
      return invalid_argument(
          "dma_compute: expected 1 to 16 sources with the shape of dst, found " +
          std::to_string(call[1].patterns.size()) + " sources for " + describe(call, 0) +
          ". Give all the same shape.");
    }
    for (int64_t scale : call[3].integers) {
      if (scale != 1)
        return invalid_argument("dma_compute: expected scales of 1.0, found " +
                                std::to_string(scale) + ". Scale the tensors with tensor_scalar.");
    }
    bool add = call[2].kind == Argument::Kind::kName &&
               alu(call[2].code) == alu(numerics::BinaryFunction::kAdd);
    if (add) return ok_status();
    return Status(Code::kUnsupported,
                  "dma_compute: expected reduce_op nl.add, found another operator. Use "
                  "tensor_tensor on tiles in SBUF.");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const AccessPattern& out = program.operand(instruction, 0);
    auto each = static_cast<double>(out.bytes()),
         sources = static_cast<double>(program.listed_operands(instruction).size());
    double rate = core.dma_engines * core.dma_engine_bytes_per_s * core.dma_compute_fraction;
    Cost cost;
    cost.events.dma_bytes = each * (sources + 1);
    cost.events.dma_descriptors = core.dma_engines;
    count_operand(program, out, cost.events);
    for (int64_t listed : program.listed_operands(instruction))
      count_operand(program, program.patterns[static_cast<size_t>(listed)], cost.events);
    cost.occupied_s =
        std::max(each * sources / rate, cost.events.hbm_bytes / core.hbm_core_bytes_per_s);
    cost.latency_s = core.dma_latency_s + core.dma_completion_s +
                     std::max(0.0, core.dma_fixed_s - cost.occupied_s);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"dma_compute",
                         "out = the sum of several tensors, by DMA",
                         "NKI ISA API reference (dma_compute); Trainium2 Architecture Guide for "
                         "NKI: half of the DMA rate before NeuronCore-v4",
                         {"out"},
                         execute,
                         cost};
    spec.engine = Queue::kDmaMove;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the tensor for the sum", kInHbm | kInSbuf},
        {"srcs", ParameterKind::kTiles, -1, "", "the tensors to add", kInHbm | kInSbuf},
        {"reduce_op", ParameterKind::kOperator, -1, "", "nl.add"},
        {"scales", ParameterKind::kChoice, -1, "None", "None, or all 1.0"},
        {"unique_indices", ParameterKind::kFlag, 0, "True", "whether indices are unique"},
        {"oob_mode", ParameterKind::kChoice, -1, "oob_mode.error",
         "skip: leave rows with an index out of bounds alone"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
