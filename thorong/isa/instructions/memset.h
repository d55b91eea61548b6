// SPDX-License-Identifier: Apache-2.0
// memset: out = immediate0.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/rows.h"

namespace thorong::isa::instructions {

struct memset {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    if ((instruction.flags & kIntegerWork) != 0) {  // exact: Program::integers at `extra`
      if (machine.part().index > 0) return;         // by one thread
      std::vector<int64_t> row(static_cast<size_t>(out.elements),
                               program.integers[static_cast<size_t>(instruction.extra)]);
      for (int64_t p = 0; p < out.pattern->partitions; ++p) store_integers(out, p, row.data());
      return;
    }
    float value = instruction.immediate0;
    round_values(out.pattern->format, &value, 1, {});  // to nearest even always
    map_rows(machine, out, {},
             [&](const numerics::Rows*, const numerics::RowsOut& to, size_t rows, size_t count) {
               numerics::apply(numerics::UnaryFunction::kCopy, numerics::value_rows(value), to,
                               rows, count);
             });
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    bool fast = is_16bit(program.operand(instruction, 0).format) && instruction.immediate0 == 0.0f;
    return streaming_cost(core, program, instruction, fast ? core.vector_memset_zero_16bit : 1,
                          true);
  }

  // Unless the call names one, GpSimd fills SBUF: Vector, which is as fast, has most else to do.
  static Status assemble(Binding& call) {
    bool named = call[2].kind == Argument::Kind::kName && call[2].code != 0;
    if (!named && call.space(0) == Space::kSbuf && call.core.has_gpsimd)
      call.instruction.queue = Queue::kGpsimd;
    if (numerics::is_float(call.operand(0).format)) return ok_status();
    call.instruction.flags |= kIntegerWork;
    call.attach(std::array<int64_t, 1>{call[1].integer});
    return ok_status();
  }

  static Status check(const Binding& call) {
    Packed packed = call.operand(0).packed;
    if (packed == Packed::kNone || packed == Packed::kFloat8E8m0fnu || call[1].number == 0)
      return ok_status();
    return invalid_argument("memset: a packed x4 dtype takes the value 0 only, found " +
                            std::to_string(call[1].number) +
                            ". Fill a view of another dtype: tile.view(nl.uint8).");
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "memset",
        "out = a constant",
        "NKI ISA API reference (memset): max(64, N), N/2 for zeros in 16-bit formats",
        {"out"},
        execute,
        cost};
    spec.splits = true;
    spec.engines = on(Queue::kVector) | on(Queue::kGpsimd);
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the tile to fill"},
                       {"value", ParameterKind::kNumber, 0, "", "the constant"},
                       {"engine", ParameterKind::kEngine, -1, "engine.unknown", "vector or gpsimd"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
