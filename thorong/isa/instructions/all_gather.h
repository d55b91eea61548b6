// SPDX-License-Identifier: Apache-2.0
// all_gather: every rank gets all ranks' tensors, one after the other along the first dimension, or
// along the second of tiles in SBUF.
#pragma once

#include <cstring>

#include "thorong/isa/collective.h"

namespace thorong::isa::instructions {

struct all_gather {
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
      // Along dimension 1 the ranks' rows alternate.
      auto rows = static_cast<size_t>(call.extra[0] == 1 ? in.partitions : 1);
      size_t part = static_cast<size_t>(in.bytes()) / rows;
      Bytes joined(part * rows * all.size());
      std::byte* to = joined.data();
      for (size_t row = 0; row < rows; ++row) {
        for (const MachineState::Mail& mail : all) {
          std::memcpy(to, mail->data() + at + row * part, part);
          to += part;
        }
      }
      write_tensor(machine, program, call.writes[i], joined.data());
      at += padded_bytes(in);
    }
  }

  static Status assemble(Binding& call) {
    return attach_collective(
        call, {call[2].integers, call[0].patterns, call[1].patterns, {call[3].integer}});
  }

  static Status check(const Binding& call) {
    const auto &srcs = call[0].patterns, &dsts = call[1].patterns;
    int64_t n = collective_of(call.program, call.instruction).ranks();
    THORONG_RETURN_IF_ERROR(check_tensors(call, srcs, dsts, {}));
    const AccessPattern &in = call.program.patterns[static_cast<size_t>(srcs[0])],
                        &out = call.program.patterns[static_cast<size_t>(dsts[0])];
    bool sbuf = call.program.buffer(in).space == Space::kSbuf;
    THORONG_RETURN_IF_ERROR(check_dimension(call, call[3], sbuf ? 1 : 0));
    THORONG_RETURN_IF_ERROR(check_same_dtype(call, srcs, dsts));
    THORONG_RETURN_IF_ERROR(check_sizes(call, srcs, dsts, 1, n));
    int64_t wide = call[3].integer == 1 ? 1 : n;
    if (!sbuf || in.partitions * wide == out.partitions) return check_priority(call, call[4]);
    return named(
        "shape",
        invalid_argument("all_gather: expected a dst on " + std::to_string(in.partitions * wide) +
                         " partitions for collective_dim " + std::to_string(call[3].integer) +
                         ", found " + std::to_string(out.partitions) + ". Correct its shape."));
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
        "all_gather", "each rank's dst = all ranks' src, one after the other",
        "Intra-node Collective Communications (mesh): one step, N C bytes written to a rank");
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs", ParameterKind::kTiles, -1, "", "the tensors to gather", kInHbm | kInSbuf},
        {"dsts", ParameterKind::kTiles, -1, "", "a tensor for each result", kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the groups of ranks"},
        {"collective_dim", ParameterKind::kInteger, -1, "",
         "the dimension along which they follow each other: 0, in SBUF also 1"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
