// SPDX-License-Identifier: Apache-2.0
// set_rng_seed: the Vector Engine's generators start anew from a 32-bit seed: the counter-based
// one, and the XORWOW streams of each lane, whose words are drawn from it.
#pragma once

#include "thorong/isa/call_rules.h"
#include "thorong/isa/engine_cost.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/random.h"

namespace thorong::isa::instructions {

struct set_rng_seed {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Operand in = machine.resolve(program, program.operand(instruction, 1));
    int64_t seed = 0;
    load_integers(in, 0, &seed);
    machine.engines.vector_seed = static_cast<uint32_t>(seed);
    machine.engines.vector_drawn = 0;
    uint64_t counter = 0;
    for (auto& state : machine.engines.vector_random) {
      for (uint32_t& word : state) word = counted_bits(~machine.engines.vector_seed, counter++);
    }
  }

  static Status check(const Binding& call) {
    if (call.operand(1).elements() == 1 && numerics::byte_size(call.operand(1).format) == 4)
      return ok_status();
    return invalid_argument("set_rng_seed: expected one 32-bit value, found " + describe(call, 1) +
                            ". Slice it.");
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Cost cost;
    cost.cycles = engine_cycles(core, instruction.queue, 1);
    count_operands(program, instruction, cost.events);
    return cost;
  }

  static InstructionSpec spec() {
    InstructionSpec spec{
        "set_rng_seed",
        "a seed for the Vector Engine's random numbers",
        "NKI ISA API reference (set_rng_seed), which states no cost: the least issue interval",
        {"", "in"},
        execute,
        cost};
    spec.engine_state = true;
    spec.writes = 0;
    spec.parameters = {{"src_seeds", ParameterKind::kTile, 1, "", "a tile (1, 1) of 32 bits"},
                       {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
