// SPDX-License-Identifier: Apache-2.0
// Fusion by rule (D6): a group is at most one anchor (matmul, convolution, reduction, window,
// normalisation, movement) and the elementwise operators behind it whose intermediate values nobody
// else reads. A group runs where its last node stands.
#pragma once

#include <vector>

#include "thorong/ops/graph.h"

namespace thorong::compiler {

struct Group {
  int anchor = -1;               // node index; -1: elementwise only
  std::vector<int> elementwise;  // node indices in graph order, after the anchor
  // The value that the anchor's tiles hold: its own, or that of an elementwise node which the
  // anchor does as well (then not in `elementwise`). -1: its own.
  ops::ValueId anchor_value = -1;
  ops::ValueId result =
      -1;  // the group's only output value (anchors with several outputs: the first)
  bool by_reference = false;  // no lowering: gpsimd or host
  int last() const { return elementwise.empty() ? anchor : elementwise.back(); }
};

// The value that the tiles of the group's anchor hold.
inline ops::ValueId anchor_value(const ops::Graph& graph, const Group& group) {
  return group.anchor_value >= 0 ? group.anchor_value
                                 : graph.nodes[static_cast<size_t>(group.anchor)].outputs[0];
}

// Pre: composites without a lowering are decomposed (passes/decompose.cc).
std::vector<Group> form_groups(const ops::Graph& graph);

// Whether an elementwise node's arithmetic is exact on the fp32 engines for its formats (64-bit and
// 32-bit integers are not).
bool runs_on_engines(const ops::Graph& graph, const ops::Node& node);

// reshape, transpose, slice, broadcast_in_dim: strides only, no group of their own.
bool is_view_operator(const ops::Node& node);

}  // namespace thorong::compiler
