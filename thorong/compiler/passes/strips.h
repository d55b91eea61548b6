// SPDX-License-Identifier: Apache-2.0
// Regions of the graph that can be executed in strips over one common (parallel) dimension, and the
// rewriting into strips.
//
//   before:  s = dot_general(q, k)   p = softmax(s)   y = dot_general(p, v)          q, k, v: [16,
//   12, 128, 64] after:   for i in 0..3:  s_i = dot_general(q[4i : 4i+4], k[4i : 4i+4])   p_i =
//   softmax(s_i)   y_i = ...
//            y = concatenate(y_0, y_1, y_2, y_3)
//
// Slices are other strides, and the code generator writes each piece into its place of the
// concatenation, so that a strip costs nothing but the weights it reads again; what it needs
// between its operators stays in SBUF.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "thorong/base/result.h"
#include "thorong/ops/graph.h"

namespace thorong::compiler {

// How a value lies in strips: dimension `dim` is [extent][unit], and strip i of size k takes [i * k
// * unit, (i + 1) * k * unit).
struct Cut {
  int dim = -1;  // -1: each strip reads the whole value
  int64_t unit = 1;
  bool operator==(const Cut&) const = default;
};

// The cuts of a node's operands when its result is cut like that; nullopt: the node is not parallel
// in that dimension.
std::optional<std::vector<Cut>> operand_cuts(const ops::Graph& graph, const ops::Node& node,
                                             const Cut& result, int64_t extent);
// The cut of the result that gives an operand this cut.
std::optional<Cut> result_cut(const ops::Graph& graph, const ops::Node& node, size_t operand,
                              const Cut& cut, int64_t extent);

struct Region {
  int64_t extent = 0;  // indices of the common dimension
  int64_t strips = 1;  // in how many parts it is to be cut; divides extent
  std::vector<int>
      nodes;  // in graph order; none of them reads what depends on the region through others
  std::map<ops::ValueId, Cut> cuts;  // of every value that its nodes make or read in strips
  double bytes = 0;                  // of the values between its groups
};

// The largest region around a value and `extent` equal parts of one of its dimensions; no nodes
// when there is none. `weights`: also nodes that read constants, which each strip then loads again.
// Without: only values that nobody else reads.
Region find_region(const ops::Graph& graph, ops::ValueId seed, int dim, int64_t extent,
                   bool weights);

// The graph with each of the disjoint regions in strips. Error unsupported: no order of the regions
// satisfies all reads.
Result<ops::Graph> split_into_strips(const ops::Graph& graph, const std::vector<Region>& regions);

}  // namespace thorong::compiler
