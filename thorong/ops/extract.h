// SPDX-License-Identifier: Apache-2.0
// A part of a graph as a graph of its own.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "thorong/ops/graph.h"

namespace thorong::ops {

struct Part {
  Graph graph;
  std::vector<ValueId> inputs;  // of the whole graph, parallel to the part's inputs
};

// What `results` need, back to constants, inputs and the values for which `cut` holds; these become
// the part's inputs, in the order of their ids. The part's outputs are the results.
Part extract_part(const Graph& graph, std::span<const ValueId> results,
                  const std::function<bool(ValueId)>& cut);

}  // namespace thorong::ops
