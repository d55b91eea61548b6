// SPDX-License-Identifier: Apache-2.0
// Affine patterns of GpSimd instructions (iota, affine_select): offset + partition * multiplier +
// the sum of index * step. Program::integers at `extra`: offset, multiplier, dimensions, then step
// and number of each, outermost first.
#pragma once

#include <vector>

#include "thorong/isa/call_rules.h"

namespace thorong::isa {

void attach_affine(Binding& call, const std::vector<int64_t>& pattern, int64_t offset,
                   int64_t multiplier);
// The pattern has as many elements as a partition of `operand`.
Status affine_elements(const Binding& call, const std::vector<int64_t>& pattern, int operand);
// One partition's values, modulo 2^32.
void affine_row(const Program& program, const Instruction& instruction, int64_t partition,
                std::vector<int64_t>& row);

}  // namespace thorong::isa
