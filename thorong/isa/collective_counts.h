// SPDX-License-Identifier: Apache-2.0
// all_gather_v and all_to_all_v: how many elements go where stands in a tensor of four rows (send
// counts, send displacements, receive counts, receive displacements) with a column for each rank.
// The instruction's own integers: elements that this rank receives (all slots full until it has
// run), whether the receive counts are written.
#pragma once

#include "thorong/isa/collective.h"

namespace thorong::isa {

// Lists src, the rows of metadata that are read, dst, and the row that is written.
Status attach_counted(Binding& call);
Status check_counted(const Binding& call);
// all_gather_v: one count for all receivers.
void execute_counted(MachineState& machine, const Program& program, const Instruction& instruction,
                     bool gathers);
Cost counted_cost(const CoreParameters& core, const Program& program,
                  const Instruction& instruction);
InstructionSpec counted_spec(const char* name, const char* summary);

}  // namespace thorong::isa
