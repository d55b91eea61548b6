// SPDX-License-Identifier: Apache-2.0
// collective_permute_implicit_reduce: a step around the ring with op(src0, src1), in fp32 and
// rounded once, where it is received.
#pragma once

#include <cstring>

#include "thorong/isa/collective.h"
#include "thorong/isa/engine_cost.h"

namespace thorong::isa::instructions {

struct collective_permute_implicit_reduce {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    size_t channels = call.writes.size();
    auto left =
        std::make_shared<const Bytes>(read_tensors(machine, program, call.reads.first(channels)));
    auto right =
        std::make_shared<const Bytes>(read_tensors(machine, program, call.reads.subspan(channels)));
    std::array<MachineState::Mail, 2> both{left, right};
    Bytes sent;
    size_t at = 0;
    for (size_t i = 0; i < channels; ++i) {
      const AccessPattern& in = program.patterns[static_cast<size_t>(call.reads[i])];
      auto n = static_cast<size_t>(in.elements());
      std::vector<float> values = reduce_ranks(instruction.function0, in.format, both, at, n);
      sent.resize(sent.size() + n * sizeof(float));
      std::memcpy(sent.data() + sent.size() - n * sizeof(float), values.data(), n * sizeof(float));
      at += padded_bytes(in);
    }
    std::vector<MachineState::Mail> all;
    if (!swap_tensors(machine, program, instruction, std::move(sent), all)) return;
    const std::byte* values =
        all[static_cast<size_t>((call.position + call.ranks() - 1) % call.ranks())]->data();
    for (int64_t tensor : call.writes) {
      const AccessPattern& out = program.patterns[static_cast<size_t>(tensor)];
      write_rounded(machine, program, tensor, reinterpret_cast<const float*>(values));
      values += static_cast<size_t>(out.elements()) * sizeof(float);
    }
  }

  static Status assemble(Binding& call) {
    CollectiveCall parts{call[3].integers, call[0].patterns, call[2].patterns};
    parts.reads.insert(parts.reads.end(), call[1].patterns.begin(), call[1].patterns.end());
    return attach_collective(call, parts);
  }

  static Status check(const Binding& call) {
    const auto &left = call[0].patterns, &right = call[1].patterns, &dsts = call[2].patterns;
    THORONG_RETURN_IF_ERROR(check_channels(call, call[5], left.size()));
    for (const auto* each : {&left, &right}) {
      THORONG_RETURN_IF_ERROR(check_tensors(call, *each, dsts, {.one_of_many = true}));
      THORONG_RETURN_IF_ERROR(check_sizes(call, *each, dsts, 1, 1));
    }
    THORONG_RETURN_IF_ERROR(check_same_dtype(call, left, right));
    THORONG_RETURN_IF_ERROR(check_reduction(call, call[4]));
    return check_priority(call, call[6]);
  }

  static Cost cost(const CoreParameters& core, const Program& program,
                   const Instruction& instruction) {
    Collective call = collective_of(program, instruction);
    double read = total_bytes(program, call.reads), written = total_bytes(program, call.writes);
    return collective_cost(core, program, instruction,
                           in_memory(program, call, {1, 0, read}, read + written));
  }

  static InstructionSpec spec() {
    InstructionSpec spec = collective_spec(
        "collective_permute_implicit_reduce",
        "each rank's dst = op(src0, src1) of the rank before it in the ring",
        "Intra-node Collective Communications (ring, reduce-scatter): one step, both sources' "
        "bytes read and reduced");
    spec.operands = {"out", "in", "in1"};
    spec.execute = execute, spec.cost = cost;
    spec.parameters = {
        {"srcs0_by_channel", ParameterKind::kTiles, -1, "", "the left operand for each channel",
         kInHbm | kInSbuf},
        {"srcs1_by_channel", ParameterKind::kTiles, -1, "", "the right operand for each channel",
         kInHbm | kInSbuf},
        {"dsts_by_channel", ParameterKind::kTiles, -1, "", "a tensor to receive for each channel",
         kInHbm | kInSbuf},
        {"replica_group", ParameterKind::kIntegers, -1, "", "the rings of ranks"},
        {"op", ParameterKind::kOperator, 0, "", "nl.add, nl.minimum or nl.maximum"},
        {"channel_ids", ParameterKind::kIntegers, -1, "", "0, 1, ... in order"},
        {"priority", ParameterKind::kInteger, -1, "None", "0 to 3, lower first (NeuronCore-v4)"},
        {"name", ParameterKind::kText, -1, "None", "a label for reports"}};
    spec.assemble = assemble;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
