// SPDX-License-Identifier: Apache-2.0
// all_to_all_v: each rank sends a chunk to every rank, of lengths known only when it runs. The
// documentation restricts it to groups that span chips or instances; ranks of one chip are let
// through here (the result's not_modelled says so).
#pragma once

#include "thorong/isa/collective_counts.h"

namespace thorong::isa::instructions {

struct all_to_all_v {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    execute_counted(machine, program, instruction, false);
  }

  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(check_counted(call));
    bool places = call[5].kind == Argument::Kind::kBool && call[5].flag;
    if (!places || call.generation >= 4) return ok_status();
    return named(
        "generation",
        Status(Code::kUnsupported,
               "all_to_all_v: has_rdispls needs the switched fabric of Trainium3, and the "
               "chip has NeuronCore-v" +
                   std::to_string(call.generation) + ". Leave it out; chunks lie in equal slots."));
  }

  static InstructionSpec spec() {
    InstructionSpec spec =
        counted_spec("all_to_all_v", "each rank's dst = the chunk that each rank has for it");
    spec.execute = execute;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
