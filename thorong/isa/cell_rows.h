// SPDX-License-Identifier: Apache-2.0
// fp32 rows worked on where they lie, without gathering them first: copies between two patterns,
// and computations that run over short gaps.
#pragma once

#include <cstdint>
#include <initializer_list>
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

// Rows of short lines with short gaps between: computed as one run, gaps included, which are then
// left as they were.
struct Gaps {
  bool usable = false;
  size_t run = 0;             // from a row's first element to its last
  std::vector<int32_t> keep;  // -1 in the gaps
};
// Usable if `out` has such rows in fp32 and all of `in` lie in the same way.
Gaps common_gaps(const Operand& out, std::initializer_list<const Operand*> in);

}  // namespace thorong::isa
