// SPDX-License-Identifier: Apache-2.0
// nc_match_replace8: out = in, with the first occurrence of each of the eight values replaced by
// immediate0; values are taken from the last to the first, each occurrence once; index[p, j], if
// wanted, is where value j was.
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct nc_match_replace8 {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    Operand values = machine.resolve(program, program.operand(instruction, 2));
    bool indexed = program.has_operand(instruction, 3);
    Operand index = indexed ? machine.resolve(program, program.operand(instruction, 3)) : Operand{};
    auto n = static_cast<size_t>(in.elements);
    std::vector<float> row(n), rest(n);
    std::vector<bool> taken(n);
    float* wanted = machine.scratch(1, 8);
    std::array<int64_t, 8> found{};
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      const float* loaded = load_row(in, p, row.data());
      std::copy(loaded, loaded + n, rest.begin());
      std::fill(taken.begin(), taken.end(), false);
      const float* value = load_row(values, p, wanted);
      for (size_t j = 8; j-- > 0;) {
        size_t i = 0;
        while (i < n && (taken[i] || rest[i] != value[j])) ++i;
        found[j] = i == n ? -1 : static_cast<int64_t>(i);
        if (i < n) taken[i] = true;
      }
      for (size_t i = 0; i < n; ++i) {
        if (taken[i]) rest[i] = instruction.immediate0;
      }
      store_row(out, p, rest.data(), machine.rounding());
      if (indexed) store_integers(index, p, found.data());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(same_partitions(call, 1, 2));
    bool eight = call.operand(2).free_elements() == 8 &&
                 (!call.has(3) || call.operand(3).free_elements() == 8);
    if (eight) return call.has(3) ? integers(call, 3) : ok_status();
    return invalid_argument(
        "nc_match_replace8: expected eight values and eight indices per partition, found " +
        describe(call, 2) + ".");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"nc_match_replace8",
                         "eight values of each row replaced",
                         "NKI ISA API reference (nc_match_replace8): max(64, N)",
                         {"out", "in", "values", "index"},
                         execute,
                         cost};
    spec.writes = 0b1001;
    spec.reach = Reach::kPartition;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the tile with replaced values"},
        {"data", ParameterKind::kTile, 1, "", "the tile to search"},
        {"vals", ParameterKind::kTile, 2, "", "a tile (partitions, 8) of values"},
        {"imm", ParameterKind::kNumber, 0, "", "what replaces them"},
        {"dst_idx", ParameterKind::kTile, 3, "None", "a tile (partitions, 8) for the indices"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
