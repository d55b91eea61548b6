// SPDX-License-Identifier: Apache-2.0
// nc_find_index8: out[p, j] = index of the first element of in[p, :] equal to value[p, j]; for
// values that stand several times, the next occurrence each; all ones where there is none.
#pragma once

#include <algorithm>
#include <array>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct nc_find_index8 {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Operand values = machine.resolve(program, program.operand(instruction, 2));
    auto n = static_cast<size_t>(in.elements);
    float* scratch = machine.scratch(0, n);
    float* wanted = machine.scratch(1, 8);
    std::array<int64_t, 8> found{};
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      const float *row = load_row(in, p, scratch), *value = load_row(values, p, wanted);
      for (size_t j = 0; j < 8; ++j) {
        size_t from = 0;
        for (size_t k = 0; k < j; ++k) {
          if (value[k] == value[j])
            from = static_cast<size_t>(found[k] + 1);  // -1, none, starts anew and finds none again
        }
        const float* at = std::find(row + from, row + n, value[j]);
        found[j] = at == row + n ? -1 : at - row;
      }
      store_integers(out, p, found.data());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_partitions(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 2));
    Format format = call.operand(0).format;
    int64_t n = call.operand(1).free_elements();
    bool fits = call.operand(0).free_elements() == 8 && n >= 8 && n <= 16384 &&
                (format == Format::kUint32 || format == Format::kUint16);
    if (fits) return ok_status();
    return invalid_argument(
        "nc_find_index8: expected 8 to 16384 elements per partition, 8 values and dst of 8 uint32 "
        "or uint16, found " +
        describe(call, 1) + ", " + describe(call, 2) + " and " + describe(call, 0) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nc_find_index8",
                         "indices of eight values in each row",
                         "NKI ISA API reference (nc_find_index8): N",
                         {"out", "in", "values"},
                         execute,
                         cost};
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "a tile (partitions, 8) of uint32 or uint16"},
        {"data", ParameterKind::kTile, 1, "", "the tile to search"},
        {"vals", ParameterKind::kTile, 2, "", "a tile (partitions, 8) of values"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
