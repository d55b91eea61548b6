// SPDX-License-Identifier: Apache-2.0
// tensor_copy: out = in, with a change of format if they differ (one rounding). On Vector, Scalar
// or GpSimd.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/cell_rows.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/raw_rows.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct tensor_copy {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    if (CellCopy walk = cell_copy(out, in); walk.usable()) {
      for_partitions(machine, out.pattern->partitions, out.elements,
                     [&](int64_t first, int64_t last) { copy_cells(walk, out, in, first, last); });
      return;
    }
    if (in.pattern->format == out.pattern->format && in.cell == out.cell &&
        !out.direct) {  // bits as they are
      return copy_raw(machine, out, in);
    }
    std::array<RowInput, 1> inputs{{{&in}}};
    map_rows(machine, out, inputs,
             [](const numerics::Rows* from, const numerics::RowsOut& to, size_t rows, size_t n) {
               numerics::apply(numerics::UnaryFunction::kCopy, from[0], to, rows, n);
             });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, copy_rate(core, program, instruction), true);
  }

  static Status check(const Binding& call) {
    if (call.instruction.queue == Queue::kScalar)
      THORONG_RETURN_IF_ERROR(generation_at_least(call, 3, "the Scalar Engine's tensor_copy"));
    return same_elements(call, 0, 1);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"tensor_copy",
                         "out = in, with a change of format if they differ",
                         "NKI ISA API reference (tensor_copy): max(64, N); performance modes of "
                         "Trainium2 for 16-bit formats",
                         {"out", "in"},
                         execute,
                         cost};
    spec.splits = true;
    spec.engines = on(Queue::kVector) | on(Queue::kScalar) | on(Queue::kGpsimd);
    spec.reach = Reach::kElement;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the tile to copy to"},
                       {"src", ParameterKind::kTile, 1, "", "the tile to copy from"},
                       {"engine", ParameterKind::kEngine, -1, "engine.unknown",
                        "vector, scalar (NeuronCore-v3 or newer) or gpsimd"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
