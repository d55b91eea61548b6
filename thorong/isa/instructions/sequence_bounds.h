// SPDX-License-Identifier: Apache-2.0
// sequence_bounds: for each element of a row of segment numbers, out[0, i] = where its segment
// begins and out[1, i] = where it ends; for padding (0) the length and -1.
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct sequence_bounds {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    auto n = static_cast<size_t>(in.elements);
    float* scratch = machine.scratch(0, n);
    std::vector<float> bounds(2 * n);
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      const float* id = load_row(in, p, scratch);
      for (size_t i = 0; i < n; ++i) {
        bool same = i > 0 && id[i] == id[i - 1];
        bounds[i] = id[i] == 0 ? static_cast<float>(n)
                    : same     ? bounds[i - 1]
                               : static_cast<float>(i);
      }
      for (size_t i = n; i-- > 0;) {
        bool same = i + 1 < n && id[i] == id[i + 1];
        bounds[n + i] = id[i] == 0 ? -1.0F : same ? bounds[n + i + 1] : static_cast<float>(i + 1);
      }
      store_row(out, p, bounds.data(), machine.rounding());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    auto fits = [](Format format) {
      return format == Format::kFloat32 || format == Format::kInt32;
    };
    bool good = call.operand(1).partitions == 1 &&
                call.operand(0).free_elements() == 2 * call.operand(1).free_elements() &&
                fits(call.operand(0).format) && fits(call.operand(1).format);
    if (good) return ok_status();
    return invalid_argument(
        "sequence_bounds: expected one partition of n float32 or int32 numbers and dst of 1 x 2 x "
        "n, found " +
        describe(call, 1) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"sequence_bounds",
                         "begin and end of the segment of each element",
                         "assumed: 150 + 2 N, as two passes of GpSimd; no public rule",
                         {"out", "in"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "a tile (1, 2, n)", kInSbuf},
        {"segment_ids", ParameterKind::kTile, 1, "", "a tile (1, n) of segment numbers", kInSbuf},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
