// SPDX-License-Identifier: Apache-2.0
// all_gather_v: each rank's chunk of a length known only when it runs goes to all ranks.
#pragma once

#include "thorong/isa/collective_counts.h"

namespace thorong::isa::instructions {

struct all_gather_v {
  static void execute(MachineState& machine, const Program& program,
                      const Instruction& instruction) {
    execute_counted(machine, program, instruction, true);
  }

  // The documented limits.
  static Status check(const Binding& call) {
    THORONG_RETURN_IF_ERROR(check_counted(call));
    if (call[5].kind == Argument::Kind::kBool && call[5].flag) {
      return collective_error(call,
                              "expected has_rdispls=False, found True, which is documented as "
                              "not supported. Leave it out; chunks lie in equal slots.");
    }
    Collective collective = collective_of(call.program, call.instruction);
    auto cores = static_cast<int64_t>(collective.cores.size()) / collective.ranks();
    if (collective.ranks() == 4 && cores == 2) return ok_status();
    return collective_error(call, "expected groups of 4 ranks of two cores (LNC=2), found " +
                                      std::to_string(collective.ranks()) + " ranks of " +
                                      std::to_string(cores) +
                                      ". Run kernel[2] with ranks=4, or use all_gather.");
  }

  static InstructionSpec spec() {
    InstructionSpec spec =
        counted_spec("all_gather_v", "each rank's dst = a chunk of each rank, in equal slots");
    spec.execute = execute;
    spec.check = check;
    return spec;
  }
};

}  // namespace thorong::isa::instructions
