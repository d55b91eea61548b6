// SPDX-License-Identifier: Apache-2.0
// Legality rules that instructions share. Each returns what was expected, what was found and what
// to do.
#pragma once

#include <string>

#include "thorong/isa/alu.h"
#include "thorong/isa/instruction.h"
#include "thorong/isa/named_check.h"

namespace thorong::isa {

// "dst (float32, 128 x 512, sbuf)".
std::string describe(const Binding& call, int operand);

Status same_partitions(const Binding& call, int a, int b);
Status same_elements(const Binding& call, int a, int b);  // partitions and elements of each
Status same_format(const Binding& call, int a, int b);
// One element for each of operand a's partitions.
Status column_of(const Binding& call, int column, int a);
Status not_both_in_psum(const Binding& call, int a, int b);
// Both integers, as bitwise operators want.
Status integers(const Binding& call, int operand);
// One of reductions().
Status reduces(const Binding& call, Alu op);
Status generation_at_least(const Binding& call, int generation, const std::string& what);
Status limit_elements(const Binding& call, int operand, int64_t most, const std::string& what);

inline bool is_int32(Format format) {
  return format == Format::kInt32 || format == Format::kUint32;
}

// Columns that are absent are fine.
inline Status column_if_given(const Binding& call, int column, int a) {
  return call.has(column) ? column_of(call, column, a) : ok_status();
}

inline uint16_t with_reduce(uint16_t flags, ReduceCommand command) {
  return static_cast<uint16_t>((flags & ~(7U << kReduceShift)) |
                               (static_cast<unsigned>(command) << kReduceShift));
}

}  // namespace thorong::isa
