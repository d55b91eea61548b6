// SPDX-License-Identifier: Apache-2.0
// reduce_scatter: rank r of the group gets the r-th of N parts of the reduction.
#pragma once

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct reduce_scatter {
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
      auto part = static_cast<size_t>(in.elements() / call.ranks());
      size_t begin =
          at + static_cast<size_t>(call.position) * part * numerics::byte_size(in.format);
      write_rounded(machine, program, call.writes[i],
                    reduce_ranks(instruction.function0, in.format, all, begin, part).data());
      at += padded_bytes(in);
    }
  }

  static Status assemble(Binding& call) {
    return attach_collective(call, {call[2].integers, call[0].patterns, call[1].patterns});
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    int64_t n = collective_of(call.program, call.instruction).ranks();
    THORONG_RETURN_IF_ERROR(check_tensors(call, srcs, dsts, {}));
    THORONG_RETURN_IF_ERROR(check_dimension(call, call[3], 0));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, n, 1));
    THORONG_RETURN_IF_ERROR(check_reduction(call, call[4]));
    const AccessPattern &in = call.program.patterns[static_cast<size_t>(srcs[0])],
                        &out = call.program.patterns[static_cast<size_t>(dsts[0])];
    bool sbuf = call.program.buffer(in).space == Space::kSbuf;
    if (!sbuf || in.partitions == out.partitions * n) return check_priority(call, call[5]);
    return named("shape", invalid_argument("reduce_scatter: expected a src on " +
                                           std::to_string(out.partitions * n) +
                                           " partitions, those of dst for each rank, found " +
                                           std::to_string(in.partitions) + ". Correct its shape."));
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    double bytes = total_bytes(program, call.reads);
    return collective_cost(
        core, program, instruction,
        in_memory(program, call, {1, 0, bytes}, bytes + bytes / static_cast<double>(call.ranks())));
  }

  static InstructionSpec spec() {
    InstructionSpec spec = collective_spec(
        "reduce_scatter", "each rank's dst = its part of the reduction of all ranks' src",
        "Intra-node Collective Communications (mesh): one step, N C bytes read and reduced");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs", ParameterKind::kTiles, -1, "", "the tensors to reduce", kInHbm | kInSbuf},
        {"dsts", ParameterKind::kTiles, -1, "", "a tensor for each part", kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the groups of ranks"},
        {"collective_dim", ParameterKind::kInteger, -1, "", "the dimension that is split: 0"},
        {"op", ParameterKind::kOperator, 0, "", "nl.add, nl.minimum or nl.maximum"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
