// SPDX-License-Identifier: Apache-2.0
// rand_set_state: each partition's generator (XORWOW) gets its words: six on GpSimd, four streams
// of six on Vector.
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"

namespace thorong::isa::instructions {

struct rand_set_state {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    std::vector<int64_t> words(static_cast<size_t>(in.elements));
    for (int64_t p = 0; p < in.pattern->partitions; ++p) {
      load_integers(in, p, words.data());
      auto lane = static_cast<size_t>(in.pattern->start_partition + p);
      auto& state = instruction.queue == Queue::kVector ? machine.engines.vector_random[lane]
                                                        : machine.engines.gpsimd_random[lane];
      for (size_t i = 0; i < words.size() && i < state.size(); ++i)
        state[i] = static_cast<uint32_t>(words[i]);
    }
  }

  // Words of a partition's state on this engine.
  static int64_t words(Queue queue) { return queue == Queue::kVector ? 24 : 6; }

  static Status check_state(const Binding& call, int operand) {
    if (call.instruction.queue == Queue::kVector)
      THORONG_RETURN_IF_ERROR(generation_at_least(call, 4, "the Vector Engine's XORWOW"));
    int64_t expected = words(call.instruction.queue);
    if (call.operand(operand).free_elements() == expected &&
        call.operand(operand).format == Format::kUint32)
      return ok_status();
    return invalid_argument("expected " + std::to_string(expected) +
                            " uint32 words per partition, found " + describe(call, operand) + ".");
  }

  static Status check(const Binding& call) { return check_state(call, 1); }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost;
    cost.cycles =
        engine_cycles(core, instruction.queue,
                      static_cast<double>(program.operand(instruction, 1).free_elements()));
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{"rand_set_state",
                         "the states of an engine's random generators",
                         "NKI ISA API reference (rand_set_state), which states no cost: as a copy",
                         {"", "in"},
                         execute,
                         cost};
    spec.engine_state = true;
    spec.engine = Queue::kGpsimd;
    spec.engines = on(Queue::kGpsimd) | on(Queue::kVector);
    spec.writes = 0;
    spec.first_generation = 3;
    spec.parameters = {{"src_seeds", ParameterKind::kTile, 1, "",
                        "uint32, 6 words (GpSimd) or 24 (Vector) per partition", kInSbuf},
                       {"engine", ParameterKind::kEngine, -1, "engine.gpsimd",
                        "gpsimd, or vector on NeuronCore-v4"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
