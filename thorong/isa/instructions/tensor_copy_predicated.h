// SPDX-License-Identifier: Apache-2.0
// tensor_copy_predicated: out = src where predicate != 0 (== 0 with kReversePredicate); elsewhere
// out stays as it is. src is a tile or immediate0.
#pragma once

#include <algorithm>
#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"

namespace thorong::isa::instructions {

struct tensor_copy_predicated {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand predicate = machine.resolve(program, program.operand(instruction, 1));
    bool tile = program.has_operand(instruction, 2);
    Operand src = tile ? machine.resolve(program, program.operand(instruction, 2)) : Operand{};
    bool reversed = (instruction.flags & kReversePredicate) != 0;
    auto n = static_cast<size_t>(out.elements);
    bool raw = tile && src.cell == out.cell && src.pattern->format == out.pattern->format;
    size_t cell = numerics::byte_size(out.cell);
    for_partitions(machine, out.pattern->partitions, 4 * out.elements,
                   [&](int64_t first, int64_t last) {
                     std::vector<std::byte> old(n * cell), given(n * cell);
                     std::vector<int64_t> chosen(n);
                     if (!tile) constant(out, instruction.immediate0, given, n);
                     for (int64_t p = first; p < last; ++p) {
                       load_integers(predicate, p, chosen.data());
                       gather_raw(out, p, old.data());
                       if (raw)
                         gather_raw(src, p, given.data());
                       else if (tile)
                         converted(src, out, p, given, n);
                       for (size_t i = 0; i < n; ++i) {
                         if ((chosen[i] != 0) != reversed)
                           std::copy_n(given.data() + i * cell, cell, old.data() + i * cell);
                       }
                       scatter_raw(out, p, old.data());
                     }
                   });
  }

  static void constant(const Operand& out, float value, std::vector<std::byte>& cells, size_t n) {
    std::vector<float> values(n, value);
    round_values(out.pattern->format, values.data(), n, {});
    numerics::narrow(out.cell, values.data(), cells.data(), n);
  }
  static void converted(const Operand& src, const Operand& out, int64_t p,
                        std::vector<std::byte>& cells, size_t n) {
    std::vector<float> values(n);
    const float* row = load_row(src, p, values.data());
    if (row != values.data()) std::copy(row, row + n, values.data());
    round_values(out.pattern->format, values.data(), n, {});
    numerics::narrow(out.cell, values.data(), cells.data(), n);
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    THORONG_RETURN_IF_ERROR(integers(call, 1));
    if (!call.has(2)) return ok_status();
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 2));
    return not_both_in_psum(call, 1, 2);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    bool tile = program.has_operand(instruction, 2);
    bool split = tile && program.buffer(program.operand(instruction, 1)).space !=
                             program.buffer(program.operand(instruction, 2)).space;
    return streaming_cost(core, program, instruction, split ? 1 : 2, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_copy_predicated",
                         "out = src where the predicate holds",
                         "NKI ISA API reference (tensor_copy_predicated): max(64, N) when source "
                         "and predicate are split over SBUF and PSUM, else max(64, 2 N)",
                         {"out", "predicate", "src"},
                         execute,
                         cost};
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the tile to copy to"},
        {"src", ParameterKind::kTileOrNumber, 2, "", "a tile or a number to copy", kOnChip, 0},
        {"predicate", ParameterKind::kTile, 1, "", "where it is not zero, elements are copied"},
        {"reverse_pred", ParameterKind::kFlag, kReversePredicate, "False",
         "copy where the predicate is zero"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
