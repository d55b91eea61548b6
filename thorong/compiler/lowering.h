// SPDX-License-Identifier: Apache-2.0
// For the files in lowerings/: each defines `Lowering lowering_NAME();` for the operator of its
// file's name.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "thorong/compiler/codegen.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {

// Results of no elements: an empty contraction, reduction or window, padding only. No instruction
// would write them, so the reference does.
inline bool combines_nothing(const Graph& graph, const Node& node) {
  bool empty = std::any_of(node.inputs.begin(), node.inputs.end(),
                           [&](ValueId v) { return v >= 0 && graph.type(v).elements() == 0; });
  return empty && graph.type(node.outputs[0]).elements() > 0;
}

}  // namespace thorong::compiler
