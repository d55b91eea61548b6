// SPDX-License-Identifier: Apache-2.0
// local_gather: each GpSimd processor gathers along the rows of its 16 partitions, all with the
// indices of the 16, taken partition first: out[p, i * e + k] = in[p, index[i] + k] for k < e.
// `extra`: Program::integers e, valid indices.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct local_gather {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Operand index = machine.resolve(program, program.operand(instruction, 2));
    const int64_t* list = program.integers.data() + instruction.extra;
    int64_t each = list[0], valid = list[1];
    size_t cell = numerics::byte_size(in.cell);
    std::vector<std::byte> row(cell * static_cast<size_t>(in.elements)),
        gathered(cell * static_cast<size_t>(out.elements));
    std::vector<int64_t> columns(static_cast<size_t>(index.elements)),
        indices(static_cast<size_t>(index.elements * kGroup));
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      for (int64_t q = 0; p % kGroup == 0 && q < kGroup; ++q) {
        load_integers(index, p + q, columns.data());
        for (size_t i = 0; i < columns.size(); ++i)
          indices[i * kGroup + static_cast<size_t>(q)] = columns[i];
      }
      gather_raw(in, p, row.data());
      for (int64_t i = 0; i < valid; ++i) {
        int64_t from = indices[static_cast<size_t>(i)];
        if (from < 0 || from + each > in.elements) {
          machine.fault(instruction,
                        "index " + std::to_string(from) + " is out of bounds: expected 0 to " +
                            std::to_string(in.elements - each) + ". Correct the indices");
          return;
        }
        std::copy_n(row.data() + static_cast<size_t>(from) * cell, cell * static_cast<size_t>(each),
                    gathered.data() + static_cast<size_t>(i * each) * cell);
      }
      scatter_raw(out, p, gathered.data());
    }
  }
  static constexpr int64_t kGroup = 16;

  static Status assemble(Binding& call) {
    int64_t most = call.operand(2).free_elements() * kGroup;
    call.attach(std::array<int64_t, 2>{call[3].integer, call[4].given() ? call[4].integer : most});
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_format(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 1, 2));
    int64_t each = call[3].integer, most = call.operand(2).free_elements() * kGroup;
    int64_t valid = call[4].given() ? call[4].integer : most;
    bool fits = call.operand(1).partitions % kGroup == 0 && each >= 1 && each <= 32 &&
                (each & (each - 1)) == 0 && valid >= 1 && valid <= most && valid <= 4096;
    if (!fits || call.operand(0).free_elements() != valid * each) {
      return invalid_argument(
          "local_gather: expected partitions in multiples of 16, 1, 2, 4, 8, 16 or 32 elements per "
          "index, at most 4096 valid "
          "indices per processor, and dst with indices x elements per partition; found " +
          describe(call, 0) + ", " + std::to_string(each) + " elements per index and " +
          std::to_string(valid) + " of " + std::to_string(most) + " indices.");
    }
    return integers(call, 2);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    const int64_t* list = program.integers.data() + instruction.extra;
    auto each = static_cast<double>(list[0]), valid = static_cast<double>(list[1]);
    auto bytes = static_cast<double>(numerics::byte_size(program.operand(instruction, 1).format));
    double piece = 4 * each, rate = ((28 + piece) / piece) / std::min(4 / bytes, each);
    Cost cost = streaming_cost(core, program, instruction, 1, true);
    cost.cycles = core.gpsimd_start_cycles + valid * each / rate;
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"local_gather",
                         "gather along the rows with the indices of 16 partitions",
                         "NKI ISA API reference (local_gather): 150 + (indices x elements) / C",
                         {"out", "in", "index"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the gathered elements", kInSbuf},
        {"src_buffer", ParameterKind::kTile, 1, "", "the tile to gather from", kInSbuf},
        {"index", ParameterKind::kTile, 2, "", "uint16 offsets", kInSbuf},
        {"num_elem_per_idx", ParameterKind::kInteger, -1, "1", "elements that follow each index"},
        {"num_valid_indices", ParameterKind::kInteger, -1, "None",
         "indices of each processor that count"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
