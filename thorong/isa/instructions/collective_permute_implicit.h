// SPDX-License-Identifier: Apache-2.0
// collective_permute_implicit: a step around the ring of the group's list. Each rank sends to the
// next and receives from the one before it, on every channel at the same time.
#pragma once

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct collective_permute_implicit {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    std::vector<MachineState::Mail> all;
    if (!swap_tensors(machine, program, instruction, read_tensors(machine, program, call.reads),
                      all))
      return;
    const Bytes& before =
        *all[static_cast<size_t>((call.position + call.ranks() - 1) % call.ranks())];
    size_t at = 0;
    for (int64_t tensor : call.writes) {
      write_tensor(machine, program, tensor, before.data() + at);
      at += padded_bytes(program.patterns[static_cast<size_t>(tensor)]);
    }
  }

  static Status assemble(Binding& call) {
    return attach_collective(call, {call[2].integers, call[0].patterns, call[1].patterns});
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    THORONG_RETURN_IF_ERROR(check_channels(call, call[3], srcs.size()));
    THORONG_RETURN_IF_ERROR(check_tensors(call, srcs, dsts, {.one_of_many = true}));
    THORONG_RETURN_IF_ERROR(check_same_dtype(call, srcs, dsts));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, 1, 1));
    return check_priority(call, call[4]);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    double bytes = total_bytes(program, call.writes);
    return collective_cost(core, program, instruction,
                           in_memory(program, call, {1, bytes, 0}, 2 * bytes));
  }

  static InstructionSpec spec() {
    InstructionSpec spec = collective_spec(
        "collective_permute_implicit",
        "each rank's dst = the src of the rank before it in the ring",
        "Intra-node Collective Communications (ring): one step, the tensors' bytes");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs_by_channel", ParameterKind::kTiles, -1, "", "a tensor to send for each channel",
         kInHbm | kInSbuf},
        {"dsts_by_channel", ParameterKind::kTiles, -1, "", "a tensor to receive for each channel",
         kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the rings of ranks"},
        {"channel_ids", ParameterKind::kIntegers, -1, "", "0, 1, ... in order"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
