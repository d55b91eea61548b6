// SPDX-License-Identifier: Apache-2.0
// An instruction reads all of its inputs before it writes: what a row of an input holds does not
// depend on which rows of the output were written before it. Rows are worked on one after the
// other, by several threads; where an output's row lies on another row of an input, that input is
// copied first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thorong/isa/machine_state.h"

namespace thorong::isa {

// Whether writing a row of `out` may change another row of `in`. Also true for what only seems to
// overlap: indices, and gaps between elements.
bool disturbs_rows(const Operand& out, const Operand& in);

// The operand as it was: its rows one after the other in memory of their own.
class Snapshot {
 public:
  explicit Snapshot(const Operand& in);
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  const Operand& operand() const { return operand_; }

 private:
  AccessPattern pattern_;
  Operand operand_;
  std::vector<std::byte> bytes_;
  std::vector<int64_t> rows_;  // of an indirect operand: which are skipped
};

// Calls body(in, first, last) over the rows of machine.part(), as for_partitions does; `in` is as
// it was before the first of them.
template <typename F>
void for_rows_as_read(const MachineState& machine, const Operand& out, const Operand& in,
                      F&& body) {
  int64_t partitions = in.pattern->partitions;
  if (!disturbs_rows(out, in)) {
    for_partitions(machine, partitions, in.elements,
                   [&](int64_t first, int64_t last) { body(in, first, last); });
  } else if (machine.part().index == 0) {  // by one thread
    Snapshot before(in);
    body(before.operand(), 0, partitions);
  }
}

}  // namespace thorong::isa
