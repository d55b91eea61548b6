// SPDX-License-Identifier: Apache-2.0
// collective_permute: each pair's source sends its tensor to the pair's target. Ranks in no pair
// take no part; a rank that is no target keeps its dst. The instruction's own integers: the
// position in the group of the rank to receive from, or -1.
#pragma once

#include <algorithm>

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct collective_permute {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    std::vector<MachineState::Mail> all;
    bool sends = !call.reads.empty();
    auto sent =
        std::make_shared<const Bytes>(sends ? read_tensors(machine, program, call.reads) : Bytes());
    if (!machine.swap(instruction, meeting_name(program, instruction), sent, call.peers, all) ||
        call.writes.empty())
      return;
    const Bytes& bytes = *all[static_cast<size_t>(call.extra[0])];
    const AccessPattern& out = program.patterns[static_cast<size_t>(call.writes[0])];
    if (bytes.size() != padded_bytes(out)) {
      machine.fault(instruction, "expected tensors of one size on all ranks, found " +
                                     std::to_string(out.bytes()) + " bytes here and " +
                                     std::to_string(bytes.size()) +
                                     " from the source. Give all the same shapes");
      return;
    }
    write_tensor(machine, program, call.writes[0], bytes.data());
  }

  static Status check_pairs(const Binding& call, std::span<const int64_t> pairs) {
    for (size_t i = 0; i < pairs.size(); ++i) {
      for (size_t k = i % 2; k < i; k += 2) {
        if (pairs[k] != pairs[i]) continue;
        return collective_error(call, "expected each rank at most once as " +
                                          std::string(i % 2 == 0 ? "source" : "target") +
                                          ", found rank " + std::to_string(pairs[i]) +
                                          " twice. Send in two calls.");
      }
    }
    if (!pairs.empty() && pairs.size() % 2 == 0) return ok_status();
    return collective_error(call, "expected pairs (source, target), found " +
                                      std::to_string(pairs.size()) +
                                      " numbers. Pass source_target_pairs=[(0, 1), (1, 0)].");
  }

  // The ranks of the pairs are the group; a rank beside them is one of its own.
  static Status assemble(Binding& call) {
    const std::vector<int64_t>& pairs = call[2].integers;
    THORONG_RETURN_IF_ERROR(check_pairs(call, pairs));
    std::vector<int64_t> ranks = pairs;
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    auto named = static_cast<int64_t>(ranks.size());
    int64_t own = own_rank(call.place, named).rank;
    CollectiveCall parts{{}, {}, {}, {-1}};
    std::vector<int64_t> groups{named};
    groups.insert(groups.end(), ranks.begin(), ranks.end());
    if (std::find(ranks.begin(), ranks.end(), own) == ranks.end())
      groups.insert(groups.end(), {1, own});
    for (size_t i = 0; i < pairs.size(); i += 2) {
      if (pairs[i] == own) parts.reads = call[0].patterns;
      if (pairs[i + 1] != own) continue;
      parts.writes = call[1].patterns;
      parts.extra[0] = std::find(ranks.begin(), ranks.end(), pairs[i]) - ranks.begin();
    }
    parts.groups = groups;
    return attach_collective(call, parts);
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    THORONG_RETURN_IF_ERROR(
        check_tensors(call, srcs, dsts, {.hbm_only = true, .coalesces = false}));
    THORONG_RETURN_IF_ERROR(check_same_dtype(call, srcs, dsts));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, 1, 1));
    return check_priority(call, call[3]);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    double bytes = total_bytes(program, call.writes);
    return collective_cost(core, program, instruction,
                           in_memory(program, call, {1, bytes, 0}, 2 * bytes));
  }

  static InstructionSpec spec() {
    InstructionSpec spec =
        collective_spec("collective_permute", "each pair's target gets the source's src",
                        "Neuron Collective Communication (permute): one step, the tensor's bytes");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs", ParameterKind::kTiles, -1, "", "the tensor to send", kInHbm | kInSbuf},
        {"dsts", ParameterKind::kTiles, -1, "", "where the received one goes", kInHbm | kInSbuf},
        {"source_target_pairs", ParameterKind::kIntegers, -1, "", "pairs (source, target)"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
