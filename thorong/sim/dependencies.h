// SPDX-License-Identifier: Apache-2.0
// What each instruction of a program must wait for, whatever the order of the stream: read after write, write after read, write
// after write, on overlapping parts of a buffer. Buffers that were placed by hand share the memory of their space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thorong/isa/isa.h"

namespace thorong::sim {

// Nodes 0 .. n-1 are the program's instructions; further ones are joins, which stand for all that they wait for (many readers of
// one buffer become one node). A node's predecessors have smaller trace positions.
struct Dependencies {
  size_t instructions = 0;
  std::vector<int64_t> first;         // node -> range of `predecessors`; nodes() + 1 entries
  std::vector<int32_t> predecessors;
  std::vector<int32_t> position;      // node -> the instruction behind whose place in the trace it stands

  size_t nodes() const { return position.size(); }
  std::span<const int32_t> of(size_t node) const {
    return {predecessors.data() + first[node], static_cast<size_t>(first[node + 1] - first[node])};
  }
};

// `fixed_addresses`: by buffer, the byte that the program itself asked for; -1: none. May be shorter than the buffers.
Dependencies find_dependencies(const isa::Program& program, std::span<const int64_t> fixed_addresses);

}  // namespace thorong::sim
