// SPDX-License-Identifier: Apache-2.0
// rand2: out = least + u * (most - least), u uniform in [0, 1) from the four XORWOW streams of each
// of Vector's lanes.
#pragma once

#include <vector>

#include "thorong/isa/accumulator.h"
#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/random.h"

namespace thorong::isa::instructions {

struct rand2 {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    Column least = column(machine, program, instruction, 1, instruction.immediate0);
    Column most = column(machine, program, instruction, 2, instruction.immediate1);
    auto n = static_cast<size_t>(out.elements);
    std::vector<float> row(n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      auto lane = static_cast<uint32_t>(out.pattern->start_partition + p);
      auto& state = machine.engines.vector_random[lane];
      float low = least.at(p), width = most.at(p) - low;
      for (size_t i = 0; i < n; ++i) {
        float scaled =
            unit_float(xorwow(state.data() + i % 4 * 6, lane * 4 + static_cast<uint32_t>(i % 4))) *
            width;
        row[i] = numerics::canonical(low + scaled);
      }
      store_row(out, p, row.data(), machine.rounding());
    }
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(column_if_given(call, 1, 0));
    return column_if_given(call, 2, 0);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, core.vector_random, false);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "rand2",
        "uniform random numbers between two bounds",
        "Trainium3 Architecture Guide for NKI (Vector Engine): four samples a lane and cycle",
        {"out", "least", "most"},
        execute,
        cost};
    spec.engine_state = true;
    spec.first_generation = 4;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "", "the tile for the numbers"},
                       {"min", ParameterKind::kTileOrNumber, 1, "",
                        "the lower bound: a number or a tile (partitions, 1)", kOnChip, 0},
                       {"max", ParameterKind::kTileOrNumber, 2, "",
                        "the upper bound: a number or a tile (partitions, 1)", kOnChip, 1},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
