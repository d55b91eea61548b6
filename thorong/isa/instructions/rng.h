// SPDX-License-Identifier: Apache-2.0
// rng: out = random bits, the low ones of 32 for each element. On Vector from the counter-based
// generator (set_rng_seed), on GpSimd from each partition's XORWOW (rand_set_state).
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/random.h"

namespace thorong::isa::instructions {

struct rng {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    auto n = static_cast<size_t>(out.elements);
    std::vector<int64_t> row(n);
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      auto lane = static_cast<uint32_t>(out.pattern->start_partition + p);
      for (size_t i = 0; i < n; ++i) {
        row[i] = instruction.queue == Queue::kVector
                     ? counted_bits(machine.engines.vector_seed, machine.engines.vector_drawn++)
                     : xorwow(machine.engines.gpsimd_random[lane].data(), lane);
      }
      store_integers(out, p, row.data());
    }
  }

  static Status check(const Binding& call) {
    if (call.instruction.queue == Queue::kGpsimd)
      THORONG_RETURN_IF_ERROR(generation_at_least(call, 3, "rng on GpSimd"));
    return integers(call, 0);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"rng",   "random bits", "assumed: one element a cycle; no public rule",
                         {"out"}, execute,       cost};
    spec.engine_state = true;
    spec.engines = on(Queue::kVector) | on(Queue::kGpsimd);
    spec.parameters = {
        {"dst", ParameterKind::kTile, 0, "", "the tile for the bits, of an integer dtype"},
        {"engine", ParameterKind::kEngine, -1, "engine.vector",
         "vector or gpsimd (NeuronCore-v3 or newer)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
