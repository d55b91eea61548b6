// SPDX-License-Identifier: Apache-2.0
// all_reduce: every rank gets the reduction of all ranks' tensors. As a reduce-scatter and an
// all-gather (two steps, each rank reduces its part), or in one step in which each rank reduces
// everything: what is faster.
#pragma once

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct all_reduce {
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
      auto n = static_cast<size_t>(in.elements());
      write_rounded(machine, program, call.writes[i],
                    reduce_ranks(instruction.function0, in.format, all, at, n).data());
      at += padded_bytes(in);
    }
  }

  static Status assemble(Binding& call) {
    return attach_collective(call, {call[2].integers, call[0].patterns, call[1].patterns});
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    THORONG_RETURN_IF_ERROR(check_tensors(call, srcs, dsts, {}));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, 1, 1));
    THORONG_RETURN_IF_ERROR(check_reduction(call, call[3]));
    return check_priority(call, call[4]);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    auto n = static_cast<double>(call.ranks());
    double bytes = total_bytes(program, call.reads), part = bytes * (n - 1) / n;
    CollectiveWork two{2, part, bytes}, one{1, 0, bytes * n};
    Cost apart = collective_cost(core, program, instruction,
                                 in_memory(program, call, two, 2 * bytes + 2 * part));
    Cost at_once =
        collective_cost(core, program, instruction, in_memory(program, call, one, bytes * (n + 1)));
    bool faster = at_once.occupied_s + at_once.latency_s < apart.occupied_s + apart.latency_s;
    return faster ? at_once : apart;
  }

  static InstructionSpec spec() {
    InstructionSpec spec = collective_spec(
        "all_reduce", "each rank's dst = the reduction of all ranks' src",
        "Intra-node Collective Communications (mesh): two steps of B (N - 1) / N and B bytes, or "
        "one of B N");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs", ParameterKind::kTiles, -1, "", "the tensors to reduce", kInHbm | kInSbuf},
        {"dsts", ParameterKind::kTiles, -1, "", "a tensor for each result", kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the groups of ranks"},
        {"op", ParameterKind::kOperator, 0, "", "nl.add, nl.minimum or nl.maximum"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
