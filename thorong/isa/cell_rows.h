// SPDX-License-Identifier: Apache-2.0
// Copies of fp32 rows between two patterns, without gathering them first.
#pragma once

#include <cstdint>
#include <vector>

#include "thorong/isa/machine_state.h"

namespace thorong::isa {

// How rows are copied between patterns with equally many elements, both walked in one pass.
struct CellCopy {
  static constexpr size_t kMost = 5;
  struct Walk {
    int64_t size, to, from;  // steps in elements
  };
  std::vector<Walk> dimensions;  // innermost first

  bool usable() const { return !dimensions.empty(); }
};
// Not usable if formats, shapes or indices do not allow it; then load and store rows.
CellCopy cell_copy(const Operand& out, const Operand& in);
void copy_cells(const CellCopy& copy, const Operand& out, const Operand& in, int64_t first,
                int64_t last);

}  // namespace thorong::isa
