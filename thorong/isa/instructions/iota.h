// SPDX-License-Identifier: Apache-2.0
// iota: out[p, i0, i1, ...] = offset + p * channel_multiplier + i0 * step0 + i1 * step1 + ..., in
// int32, then in out's format.
#pragma once

#include "thorong/isa/affine.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct iota {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    std::vector<int64_t> row(static_cast<size_t>(out.elements));
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      affine_row(program, instruction, p, row);
      store_integers(out, p, row.data());
    }
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static Status assemble(Binding& call) {
    attach_affine(call, call[1].integers, call[2].integer, call[3].integer);
    return ok_status();
  }

  static Status check(const Binding& call) { return affine_elements(call, call[1].integers, 0); }

  static InstructionSpec spec() {
    InstructionSpec spec{"iota",
                         "out[p, i...] = offset + p * channel_multiplier + the sum of i * step",
                         "NKI ISA API reference (iota): 150 + N",
                         {"out"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile", kInSbuf},
        {"pattern", ParameterKind::kIntegers, -1, "", "up to four [step, number], outermost first"},
        {"offset", ParameterKind::kInteger, -1, "0", "added to every value"},
        {"channel_multiplier", ParameterKind::kInteger, -1, "0", "times the partition"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
