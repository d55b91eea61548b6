// SPDX-License-Identifier: Apache-2.0
// nc_n_gather: out[p, i] = in[p, index[p, i]], each partition by itself; bits as they are.
#pragma once

#include <algorithm>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct nc_n_gather {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Operand index = machine.resolve(program, program.operand(instruction, 2));
    auto n = static_cast<size_t>(out.elements);
    size_t cell = numerics::byte_size(in.cell);
    std::vector<std::byte> row(cell * static_cast<size_t>(in.elements)), gathered(cell * n);
    std::vector<int64_t> indices(static_cast<size_t>(index.elements));
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      gather_raw(in, p, row.data());
      load_integers(index, p, indices.data());
      for (size_t i = 0; i < n; ++i) {
        if (indices[i] < 0 || indices[i] >= in.elements) {
          machine.fault(instruction, "index " + std::to_string(indices[i]) + " of partition " +
                                         std::to_string(p) + " is out of bounds: expected 0 to " +
                                         std::to_string(in.elements - 1) + ". Correct the indices");
          return;
        }
        std::copy_n(row.data() + static_cast<size_t>(indices[i]) * cell, cell,
                    gathered.data() + i * cell);
      }
      scatter_raw(out, p, gathered.data());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_format(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 2));
    return integers(call, 2);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    auto n = static_cast<double>(program.operand(instruction, 0).free_elements());
    Cost cost = streaming_cost(core, program, instruction, 1, true);
    cost.cycles = core.gpsimd_start_cycles * std::ceil(n / 512) + n;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "nc_n_gather",
        "out[p, i] = in[p, index[p, i]]",
        "assumed: 150 cycles for each 512 elements and one element a cycle; no public rule",
        {"out", "in", "index"},
        execute,
        cost};
    spec.engine = Queue::kGpsimd;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the gathered elements", kInSbuf},
        {"data", ParameterKind::kTile, 1, "", "the tile to gather from", kInSbuf},
        {"indices", ParameterKind::kTile, 2, "", "uint32, one for each element of dst", kInSbuf},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
