// SPDX-License-Identifier: Apache-2.0
// all_to_all: part r of a rank's tensor goes to rank r, which puts the parts one after the other in
// the order of the ranks that they come from.
#pragma once

#include <cstring>

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct all_to_all {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    std::vector<MachineState::Mail> all;
    if (!swap_tensors(machine, program, instruction, read_tensors(machine, program, call.reads),
                      all))
      return;
    size_t at = 0;
    for (size_t i = 0; i < call.reads.size(); ++i) {
      const AccessPattern& in = program.patterns[static_cast<size_t>(call.reads[i])];
      size_t part = static_cast<size_t>(in.bytes()) / all.size();
      Bytes joined(part * all.size());
      for (size_t r = 0; r < all.size(); ++r) {
        std::memcpy(joined.data() + r * part,
                    all[r]->data() + at + static_cast<size_t>(call.position) * part, part);
      }
      write_tensor(machine, program, call.writes[i], joined.data());
      at += padded_bytes(in);
    }
  }

  static Status assemble(Binding& call) {
    return attach_collective(call, {call[2].integers, call[0].patterns, call[1].patterns});
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    int64_t n = collective_of(call.program, call.instruction).ranks();
    THORONG_RETURN_IF_ERROR(check_tensors(call, srcs, dsts, {.hbm_only = true}));
    THORONG_RETURN_IF_ERROR(check_dimension(call, call[3], 0));
    THORONG_RETURN_IF_ERROR(check_same_dtype(call, srcs, dsts));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, n, n));
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
        "all_to_all", "part s of rank r's dst = part r of rank s's src",
        "Intra-node Collective Communications (mesh): one step, N C bytes written to a rank");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs", ParameterKind::kTiles, -1, "", "the tensors to distribute", kInHbm | kInSbuf},
        {"dsts", ParameterKind::kTiles, -1, "", "a tensor for each result", kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the groups of ranks"},
        {"collective_dim", ParameterKind::kInteger, -1, "", "the dimension that is split: 0"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
