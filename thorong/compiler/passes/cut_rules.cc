// SPDX-License-Identifier: Apache-2.0
// Which dimension of its operands an operator needs for a part of one dimension of its result. An
// operator that is not listed is not cut.
#include <algorithm>
#include <map>
#include <string>

#include "thorong/compiler/passes/strips.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::Node;
using ops::Shape;
using Cuts = std::optional<std::vector<Cut>>;
using Integers = std::vector<int64_t>;

const Shape& shape_of(const Graph& graph, const Node& node, size_t operand) {
  return graph.type(node.inputs[operand]).shape;
}
const Shape& result_of(const Graph& graph, const Node& node) {
  return graph.type(node.outputs[0]).shape;
}

// The first operand in strips, the others whole.
Cuts first_operand(const Node& node, const Cut& cut) {
  std::vector<Cut> cuts(node.inputs.size());
  cuts[0] = cut;
  return cuts;
}

int64_t axis_of(const Node& node, const char* key, int64_t rank, int64_t fallback) {
  int64_t axis = node.attributes.integer(key, fallback);
  return axis < 0 ? axis + rank : axis;
}

Cuts elementwise(const Graph& graph, const Node& node, const Cut& result) {
  std::vector<Cut> cuts(node.inputs.size());
  for (size_t i = 0; i < cuts.size(); ++i) {
    if (node.inputs[i] < 0) continue;
    if (shape_of(graph, node, i) == result_of(graph, node))
      cuts[i] = result;
    else if (graph.type(node.inputs[i]).elements() != 1)
      return std::nullopt;
  }
  return cuts;
}

// Elements are in row-major order on both sides: the dimension is the one with as many elements
// before it.
Cuts reshape(const Graph& graph, const Node& node, const Cut& result, int64_t extent) {
  const Shape &in = shape_of(graph, node, 0), &out = result_of(graph, node);
  int64_t before = 1, seen = 1;
  for (int d = 0; d < result.dim; ++d) before *= out[static_cast<size_t>(d)];
  for (size_t d = 0; d < in.size() && seen <= before; seen *= in[d], ++d) {
    if (seen != before || in[d] == 1) continue;
    if (in[d] % extent != 0) return std::nullopt;
    return first_operand(node, {static_cast<int>(d), in[d] / extent});
  }
  return std::nullopt;
}

Cuts transpose(const Graph&, const Node& node, const Cut& result, int64_t) {
  auto permutation = node.attributes.integers("permutation");
  return first_operand(
      node, {static_cast<int>(permutation[static_cast<size_t>(result.dim)]), result.unit});
}

Cuts broadcast_in_dim(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto dimensions = node.attributes.integers("broadcast_dimensions");
  for (size_t i = 0; i < dimensions.size(); ++i) {
    if (dimensions[i] == result.dim && shape_of(graph, node, 0)[i] != 1)
      return first_operand(node, {static_cast<int>(i), result.unit});
  }
  return first_operand(node, {});
}

Cuts slice(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto d = static_cast<size_t>(result.dim);
  bool whole = shape_of(graph, node, 0)[d] == result_of(graph, node)[d];
  return whole ? first_operand(node, result) : std::nullopt;
}

Cuts concatenate(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto rank = static_cast<int64_t>(result_of(graph, node).size());
  if (axis_of(node, "dimension", rank, 0) == result.dim) return std::nullopt;
  return std::vector<Cut>(node.inputs.size(), result);
}

Cuts dot_general(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  int out = result.dim;
  std::vector<Cut> cuts(2);
  Integers batch[2] = {node.attributes.integers("lhs_batching_dimensions"),
                       node.attributes.integers("rhs_batching_dimensions")};
  Integers contracting[2] = {node.attributes.integers("lhs_contracting_dimensions"),
                             node.attributes.integers("rhs_contracting_dimensions")};
  if (out < static_cast<int>(batch[0].size())) {
    for (size_t s = 0; s < 2; ++s)
      cuts[s] = {static_cast<int>(batch[s][static_cast<size_t>(out)]), result.unit};
    return cuts;
  }
  out -= static_cast<int>(batch[0].size());
  for (size_t s = 0; s < 2; ++s) {
    for (int64_t d = 0; d < static_cast<int64_t>(shape_of(graph, node, s).size()); ++d) {
      auto has = [&](const Integers& list) {
        return std::find(list.begin(), list.end(), d) != list.end();
      };
      if (has(batch[s]) || has(contracting[s])) continue;
      if (out-- == 0) {
        cuts[s] = {static_cast<int>(d), result.unit};
        return cuts;
      }
    }
  }
  return std::nullopt;
}

// Operators on rows: any dimension before the rows.
Cuts rows(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto rank = static_cast<int64_t>(result_of(graph, node).size());
  return result.dim < axis_of(node, "axis", rank, -1) ? first_operand(node, result) : std::nullopt;
}

Cuts cumsum(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto rank = static_cast<int64_t>(result_of(graph, node).size());
  return result.dim != axis_of(node, "axis", rank, 0) ? first_operand(node, result) : std::nullopt;
}

Cuts reduce(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  Integers reduced = node.attributes.integers("dimensions");
  auto rank = static_cast<int64_t>(shape_of(graph, node, 0).size());
  for (int64_t& d : reduced) d += d < 0 ? rank : 0;
  int out = result.dim;
  for (int64_t d = 0; d < rank; ++d) {
    if (std::find(reduced.begin(), reduced.end(), d) != reduced.end()) continue;
    if (out-- == 0) return first_operand(node, {static_cast<int>(d), result.unit});
  }
  return std::nullopt;
}

// Images: by batch.
Cuts by_batch(const Graph&, const Node& node, const Cut& result, int64_t) {
  return result.dim == 0 ? first_operand(node, result) : std::nullopt;
}

// Nothing happens along the dimension: each list of the node has its neutral entry there.
Cuts untouched(const Node& node, const Cut& result, const std::map<std::string, int64_t>& neutral) {
  for (const auto& [key, value] : neutral) {
    auto list = node.attributes.integers(key);
    if (!list.empty() && list[static_cast<size_t>(result.dim)] != value) return std::nullopt;
  }
  return first_operand(node, result);
}

Cuts reduce_window(const Graph&, const Node& node, const Cut& result, int64_t) {
  return untouched(
      node, result,
      {{"window_dimensions", 1}, {"window_strides", 1}, {"padding_low", 0}, {"padding_high", 0}});
}

Cuts pad(const Graph&, const Node& node, const Cut& result, int64_t) {
  return untouched(node, result, {{"low", 0}, {"high", 0}, {"interior", 0}});
}

Cuts take(const Graph& graph, const Node& node, const Cut& result, int64_t) {
  auto rank = static_cast<int64_t>(shape_of(graph, node, 0).size());
  auto axis = static_cast<int>(axis_of(node, "axis", rank, 0));
  auto indices = static_cast<int>(shape_of(graph, node, 1).size());
  std::vector<Cut> cuts(2);
  if (result.dim < axis)
    cuts[0] = result;
  else if (result.dim < axis + indices)
    cuts[1] = {result.dim - axis, result.unit};
  else
    cuts[0] = {result.dim - indices + 1, result.unit};
  return cuts;
}

using Rule = Cuts (*)(const Graph&, const Node&, const Cut&, int64_t);

Rule rule_of(const std::string& op) {
  static const std::map<std::string, Rule> rules{{"reshape", reshape},
                                                 {"transpose", transpose},
                                                 {"broadcast_in_dim", broadcast_in_dim},
                                                 {"slice", slice},
                                                 {"concatenate", concatenate},
                                                 {"dot_general", dot_general},
                                                 {"cumsum", cumsum},
                                                 {"softmax", rows},
                                                 {"layer_norm", rows},
                                                 {"rms_norm", rows},
                                                 {"reduce", reduce},
                                                 {"convolution", by_batch},
                                                 {"reduce_window", reduce_window},
                                                 {"pad", pad},
                                                 {"take", take}};
  auto found = rules.find(op);
  return found == rules.end() ? nullptr : found->second;
}

}  // namespace

std::optional<std::vector<Cut>> operand_cuts(const Graph& graph, const Node& node,
                                             const Cut& result, int64_t extent) {
  if (node.outputs.size() != 1 || node.inputs.empty() || !node.regions.empty()) return std::nullopt;
  bool plain = node.op->category == ops::Category::kElementwise || node.op->name == "clamp" ||
               !std::holds_alternative<std::monostate>(node.op->engine_function);
  if (plain) return elementwise(graph, node, result);
  Rule rule = rule_of(node.op->name);
  return rule == nullptr ? std::nullopt : rule(graph, node, result, extent);
}

std::optional<Cut> result_cut(const Graph& graph, const Node& node, size_t operand, const Cut& cut,
                              int64_t extent) {
  if (node.outputs.size() != 1) return std::nullopt;
  const Shape& shape = result_of(graph, node);
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0 || shape[d] % extent != 0) continue;
    Cut result{static_cast<int>(d), shape[d] / extent};
    auto cuts = operand_cuts(graph, node, result, extent);
    if (cuts && (*cuts)[operand] == cut) return result;
  }
  return std::nullopt;
}

}  // namespace thorong::compiler
