// SPDX-License-Identifier: Apache-2.0
// core_barrier: no core goes on before all have come here. `data` is what they share: later
// accesses to it wait for this one.
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct core_barrier {
  static void execute(MachineState& machine, const Program&, const Instruction& instruction) {
    std::vector<std::byte> nothing;
    machine.exchange(instruction, "core_barrier", -1, nothing);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost;
    cost.cycles = instruction.queue == Queue::kGpsimd ? core.gpsimd_start_cycles
                                                      : core.vector_min_issue_cycles;
    cost.latency_s = 2 * core.semaphore_s;
    static_cast<void>(program);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"core_barrier",
                         "cores wait for each other",
                         "NKI ISA API reference (core_barrier): a semaphore update and a wait",
                         {"data"},
                         execute,
                         cost};
    spec.engine = Queue::kGpsimd;
    spec.engines = on(Queue::kTensor) | on(Queue::kVector) | on(Queue::kScalar) |
                   on(Queue::kGpsimd) | on(Queue::kSync);
    spec.first_generation = 3;
    spec.meets = true;
    spec.parameters = {
        {"data", ParameterKind::kTile, 0, "", "the tensor that the cores share", kAnywhere},
        {"cores", ParameterKind::kIntegers, -1, "", "the cores, (0, 1)"},
        {"engine", ParameterKind::kEngine, -1, "engine.gpsimd", "the engine that waits"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    return spec;
  }
};

}  // namespace thorong::isa::instructions
