// SPDX-License-Identifier: Apache-2.0
// Elementwise work on integers as bit patterns: what bitwise operators do on Vector, and all
// operators on 32-bit integers on GpSimd.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "thorong/isa/alu.h"
#include "thorong/isa/machine_state.h"

namespace thorong::isa {

// Calls f(inputs, target, n) for each row; rows are int64 here and the operand's width in memory.
template <typename F>
void map_integer_rows(Operand& out, std::span<Operand* const> inputs, F&& f) {
  auto n = static_cast<size_t>(out.elements);
  std::array<std::vector<int64_t>, 4> rows;
  std::array<const int64_t*, 4> pointers{};
  for (size_t i = 0; i < inputs.size(); ++i) {
    rows[i].resize(static_cast<size_t>(inputs[i]->elements));
    pointers[i] = rows[i].data();
  }
  std::vector<int64_t> target(n);
  for (int64_t p = 0; p < out.pattern->partitions; ++p) {
    for (size_t i = 0; i < inputs.size(); ++i) load_integers(*inputs[i], p, rows[i].data());
    f(pointers.data(), target.data(), n);
    store_integers(out, p, target.data());
  }
}

inline int bits_of(const Operand& operand) { return numerics::info(operand.pattern->format).bits; }

}  // namespace thorong::isa
