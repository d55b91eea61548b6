// SPDX-License-Identifier: Apache-2.0
// nc_stream_shuffle: within each 32 partitions, out[i, :] = in[mask[i], :]; a mask of 255 leaves
// the partition as it is. Bits as they are. Program::integers at `extra`: the 32 masks. A source
// with fewer partitions than the destination is read again.
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct nc_stream_shuffle {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    const int64_t* mask = program.integers.data() + instruction.extra;
    size_t row = numerics::byte_size(in.cell) * static_cast<size_t>(in.elements);
    auto sources = int64_t{in.pattern->partitions};
    std::vector<std::byte> all(row * static_cast<size_t>(sources));
    for (int64_t p = 0; p < sources; ++p)
      gather_raw(in, p, all.data() + static_cast<size_t>(p) * row);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      int64_t from = mask[p % kQuadrant];
      if (from == kUnmodified) continue;
      int64_t source = (sources > kQuadrant ? p / kQuadrant * kQuadrant : 0) + from;
      if (source >= sources) {
        machine.fault(instruction, "the mask names partition " + std::to_string(source) +
                                       " and src has " + std::to_string(sources));
        return;
      }
      scatter_raw(out, p, all.data() + static_cast<size_t>(source) * row);
    }
  }
  static constexpr int64_t kQuadrant = 32, kUnmodified = 255;

  static Status assemble(Binding& call) {
    call.attach(call[2].integers);
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_format(call, 0, 1));
    if (call.operand(0).free_elements() != call.operand(1).free_elements()) {
      return invalid_argument(
          "nc_stream_shuffle: expected the same number of elements per partition, found " +
          describe(call, 0) + " and " + describe(call, 1) + ". Slice one of them.");
    }
    const std::vector<int64_t>& mask = call[2].integers;
    bool fits = mask.size() == kQuadrant;
    for (int64_t m : mask) fits = fits && ((m >= 0 && m < kQuadrant) || m == kUnmodified);
    if (fits) return ok_status();
    return invalid_argument(
        "nc_stream_shuffle: expected a mask of 32 numbers from 0 to 31, or 255 for partitions that "
        "stay, found " +
        std::to_string(mask.size()) + " numbers. Give one for each partition of a quadrant.");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nc_stream_shuffle",
                         "out[i, :] = in[mask[i], :] within each 32 partitions",
                         "NKI ISA API reference (nc_stream_shuffle): max(64, N)",
                         {"out", "in"},
                         execute,
                         cost};
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the destination tile"},
                       {"src", ParameterKind::kTile, 1, "", "the source tile"},
                       {"shuffle_mask", ParameterKind::kIntegers, -1, "",
                        "32 numbers: the source partition of each"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
