// SPDX-License-Identifier: Apache-2.0
// rand_get_state: out = the words of each partition's generator (XORWOW).
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/instructions/rand_set_state.h"

namespace thorong::isa::instructions {

struct rand_get_state {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand out = machine.resolve(program, program.operand(instruction, 0));
    std::vector<int64_t> words(static_cast<size_t>(out.elements));
    for (int64_t p = 0; p < out.pattern->partitions; ++p) {
      auto lane = static_cast<size_t>(out.pattern->start_partition + p);
      const auto& state = instruction.queue == Queue::kVector ? machine.engines.vector_random[lane]
                                                              : machine.engines.gpsimd_random[lane];
      for (size_t i = 0; i < words.size() && i < state.size(); ++i) words[i] = state[i];
      store_integers(out, p, words.data());
    }
  }

  static Status check(const Binding& call) { return rand_set_state::check_state(call, 0); }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    return streaming_cost(core, program, instruction, 1, true);
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"rand_get_state",
                         "the states of an engine's random generators",
                         "NKI ISA API reference (rand_get_state), which states no cost: as a copy",
                         {"out"},
                         execute,
                         cost};
    spec.engine_state = true;
    spec.engine = Queue::kGpsimd;
    spec.engines = on(Queue::kGpsimd) | on(Queue::kVector);
    spec.first_generation = 3;
    spec.parameters = {{"dst", ParameterKind::kTile, 0, "",
                        "uint32, 6 words (GpSimd) or 24 (Vector) per partition"},
                       {"engine", ParameterKind::kEngine, -1, "engine.gpsimd",
                        "gpsimd, or vector on NeuronCore-v4"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
