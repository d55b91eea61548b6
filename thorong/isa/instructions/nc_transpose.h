// SPDX-License-Identifier: Apache-2.0
// nc_transpose: PSUM[f, p] = in[p, f], through the tensor engine with an identity; values are not changed.
#pragma once

#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct nc_transpose {
  static void execute(MachineState& machine, const Program& program, const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    int64_t P = in.pattern->partitions, F = in.elements;
    float* columns = machine.scratch(2, static_cast<size_t>(P * F));
    float* line = machine.scratch(3, static_cast<size_t>(F));
    for (int64_t p = 0; p < P; ++p) {
      const float* row = load_row(in, p, line);
      for (int64_t f = 0; f < F; ++f) columns[f * P + p] = row[f];
    }
    for (int64_t f = 0; f < F; ++f) {
      float* values = columns + f * P;
      if (out.direct) {
        std::copy(values, values + P, out.row(f));
      } else {
        store_row(out, f, values, {});
      }
    }
  }

  static Cost cost(const CoreParameters& core, const Program& program, const Instruction& instruction) {
    const AccessPattern& in = program.operand(instruction, 1);
    auto P = static_cast<double>(in.partitions), F = static_cast<double>(in.free_elements());
    double times = in.format == Format::kFloat32 ? core.transpose_factor_float32 : 1;
    Cost cost;
    cost.cycles = std::max(P, std::min(core.tensor_min_issue_cycles, F)) * times;
    cost.latency_s = core.tensor_fixed_latency_cycles / core.tensor_hz;
    cost.events.mac_format = in.format;
    cost.events.macs = P * P * F * times;  // the data meet an identity of P columns
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    return {"nc_transpose", "PSUM[f, p] = in[p, f] through the tensor engine",
            "NKI ISA API reference (nc_transpose): max(P, min(64, F)) tensor cycles", {"psum", "in"}, execute, cost};
  }
};

}  // namespace thorong::isa::instructions
