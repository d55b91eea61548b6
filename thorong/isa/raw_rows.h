// SPDX-License-Identifier: Apache-2.0
// Rows of an operand as cells without widening: for copies of any format.
#pragma once

#include <cstddef>
#include <cstdint>

#include "thorong/isa/machine_state.h"

namespace thorong::isa {

// The row's cells, one after the other, into / from `bytes`.
void gather_raw(const Operand& operand, int64_t partition, std::byte* bytes);
void scatter_raw(const Operand& operand, int64_t partition, const std::byte* bytes);

// The rows of machine.part() from one operand to another of equally many cells of the same kind; as
// if all were read before the first is written.
void copy_raw(const MachineState& machine, const Operand& out, const Operand& in);

}  // namespace thorong::isa
