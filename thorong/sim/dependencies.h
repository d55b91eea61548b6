// SPDX-License-Identifier: Apache-2.0
// What each instruction of a program must wait for, whatever the order of the stream: read after
// write, write after read, write after write, on overlapping parts of a buffer; and the order of
// those that use what an engine keeps between instructions. The scheduler orders traced programs by
// it (schedule.h), the host executes independent instructions side by side (work_list.h).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "thorong/isa/isa.h"

namespace thorong::sim {

// Nodes 0 .. n-1 are the program's instructions; further ones are joins, which do nothing and stand
// for all that they wait for (many readers of one buffer become one node). A node follows only
// nodes of smaller or equal trace positions.
struct Dependencies {
  size_t instructions = 0;
  std::vector<int32_t> needed;      // of each node: how many others must be done before it
  std::vector<int64_t> first_next;  // node -> range of `next`; nodes() + 1 entries
  std::vector<int32_t> next;
  std::vector<int32_t>
      position;  // node -> the instruction behind whose place in the trace it stands

  size_t nodes() const { return needed.size(); }
  std::span<const int32_t> followers(size_t node) const {
    return {next.data() + first_next[node],
            static_cast<size_t>(first_next[node + 1] - first_next[node])};
  }
};

// The later and the earlier of two instructions, by index.
using Edge = std::pair<int32_t, int32_t>;

// Of a traced program, whose tiles have no addresses yet; but those in `fixed_addresses` share the
// memory of their space (by buffer, the byte that the program itself asked for; -1: none; may be
// shorter than the buffers). `edges` are waits that no memory asks for.
Dependencies find_dependencies(const isa::Program& program,
                               std::span<const int64_t> fixed_addresses,
                               std::span<const Edge> edges = {});

// Of a program as the machine runs it: a buffer in SBUF or PSUM waits for all that used its
// addresses before.
Dependencies find_placed_dependencies(const isa::Program& program);

}  // namespace thorong::sim
