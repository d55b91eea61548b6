// SPDX-License-Identifier: Apache-2.0
// affine_select: out = on_true where cmp(affine value, 0) holds, else immediate0; affine values as
// iota's, of each partition.
#pragma once

#include <vector>

#include "thorong/isa/affine.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct affine_select {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand on_true = machine.resolve(program, program.operand(instruction, 1));
    numerics::Rounding rounding = machine.rounding();
    auto n = static_cast<size_t>(out.elements);
    Alu compare = alu(instruction.function0);
    for_partitions(
        machine, out.pattern->partitions, 4 * out.elements, [&](int64_t first, int64_t last) {
          float* scratch_in = thread_scratch(0, n);
          float* scratch_out = thread_scratch(1, n);
          std::vector<int64_t> affine(n);
          for (int64_t p = first; p < last; ++p) {
            affine_row(program, instruction, p, affine);
            const float* row = load_row(on_true, p, scratch_in);
            float* target = target_row(out, p, scratch_out);
            for (size_t i = 0; i < n; ++i)
              target[i] =
                  apply_integer(compare, affine[i], 0, 32) != 0 ? row[i] : instruction.immediate0;
            store_row(out, p, target, rounding);
          }
        });
  }

  static Status assemble(Binding& call) {
    attach_affine(call, call[1].integers, call[6].integer, call[2].integer);
    return ok_status();
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(same_elements(call, 0, 1));
    return affine_elements(call, call[1].integers, 0);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"affine_select",
                         "out = on_true where an affine value compares with 0, else a number",
                         "NKI ISA API reference (affine_select): 150 + N",
                         {"out", "on_true"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.reach = Reach::kElement;
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the output tile", kInSbuf},
        {"pattern", ParameterKind::kIntegers, -1, "", "up to four [step, number], outermost first"},
        {"channel_multiplier", ParameterKind::kInteger, -1, "", "times the partition"},
        {"on_true_tile", ParameterKind::kTile, 1, "", "chosen where the predicate holds", kInSbuf},
        {"on_false_value", ParameterKind::kNumber, 0, "", "chosen elsewhere"},
        {"cmp_op", ParameterKind::kOperator, 0, "equal",
         "the comparison of the affine value with 0"},
        {"offset", ParameterKind::kInteger, -1, "0", "added to every affine value"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
