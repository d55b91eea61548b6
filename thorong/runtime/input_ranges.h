// SPDX-License-Identifier: Apache-2.0
// Which integers a made-up input may hold, read off the graph: an index must be one, a divisor not
// zero, a mask 0 or 1.
#pragma once

#include <cstdint>
#include <vector>

#include "thorong/ops/graph.h"

namespace thorong::runtime {

// Inclusive; for floats without a meaning.
struct IntegerRange {
  int64_t low = 0, high = 1;
  bool operator==(const IntegerRange&) const = default;
};

// Parallel to graph.inputs. Indices (also after casts, changes of shape and an added constant) lie
// within the smallest axis that they choose from; values compared for equality with constants
// (OneHot) within these. Without such a use: 8-bit integers, which are pictures or quantised, have
// their whole range; those that are only computed with as integers 0 to 9; all others, which are
// mostly masks and token types, 0 or 1.
std::vector<IntegerRange> input_ranges(const ops::Graph& graph);

}  // namespace thorong::runtime
