// SPDX-License-Identifier: Apache-2.0
// fold_constants: nodes whose operands are all constants are computed once, however large (a
// transposed convolution's reversed weights). Views stay views: they cost nothing; but a node that
// reads views of constants is folded where that makes nothing larger than what lies behind them
// (quantized weights times their broadcast scale).
//
//   before:  r = reverse(w)   y = convolution(x, r)      after:   y = convolution(x, r')   with r'
//   a constant
#include <algorithm>
#include <set>
#include <vector>

#include "thorong/compiler/codegen.h"
#include "thorong/compiler/passes/passes.h"

namespace thorong::compiler {
namespace {

// Weights of convolutions, and the views that they pass through: a convolution arranges its weights
// itself and needs them plain.
std::set<ops::ValueId> convolution_weights(const ops::Graph& graph) {
  std::set<ops::ValueId> weights;
  for (const ops::Node& node : graph.nodes) {
    if (node.op->name != "convolution") continue;
    ops::ValueId v = node.inputs[1];
    while (weights.insert(v).second && graph.value(v).producer >= 0) {
      const ops::Node& maker = graph.nodes[static_cast<size_t>(graph.value(v).producer)];
      if (!is_view_operator(maker) && maker.op->name != "reverse") break;
      v = maker.inputs[0];
    }
  }
  return weights;
}

// The views from a value down to what they show, nearest first, and that value.
struct Seen {
  std::vector<const ops::Node*> views;
  ops::ValueId base;
};

Seen look_through(const ops::Graph& graph, ops::ValueId v) {
  Seen seen{{}, v};
  while (graph.value(seen.base).producer >= 0) {
    const ops::Node& maker = graph.nodes[static_cast<size_t>(graph.value(seen.base).producer)];
    if (!is_view_operator(maker)) break;
    seen.views.push_back(&maker);
    seen.base = maker.inputs[0];
  }
  return seen;
}

bool can_fold(const ops::Graph& graph, const ops::Node& node) {
  constexpr int64_t kMostElements = int64_t{1} << 27;
  if (node.inputs.empty() || node.outputs.size() != 1 || !node.regions.empty()) return false;
  bool plain = true;  // no operand is a view
  int64_t largest = 0;
  for (ops::ValueId v : node.inputs) {
    if (v < 0) continue;
    const Seen seen = look_through(graph, v);
    if (!graph.is_constant(seen.base)) return false;
    plain = plain && seen.views.empty();
    largest = std::max(largest, graph.type(seen.base).elements());
  }
  return graph.type(node.outputs[0]).elements() <= (plain ? kMostElements : largest);
}

Result<ops::Tensor> evaluate_view(const ops::Graph& graph, ops::ValueId v) {
  if (v < 0) return ops::Tensor{};
  const Seen seen = look_through(graph, v);
  ops::Tensor shown = graph.value(seen.base).constant;
  for (size_t i = seen.views.size(); i-- > 0;) {
    THORONG_TRY(auto results, ops::evaluate_node(graph, *seen.views[i], {&shown, 1}));
    shown = std::move(results[0]);
  }
  return shown;
}

}  // namespace

Status fold_constants(ops::Graph& graph) {
  const std::set<ops::ValueId> weights = convolution_weights(graph);
  for (const ops::Node& node : graph.nodes) {
    bool view = is_view_operator(node) && !weights.contains(node.outputs[0]);
    if (view || !can_fold(graph, node)) continue;
    std::vector<ops::Tensor> operands;
    for (ops::ValueId v : node.inputs) {
      THORONG_TRY(ops::Tensor operand, evaluate_view(graph, v));
      operands.push_back(std::move(operand));
    }
    THORONG_TRY(auto results, ops::evaluate_node(graph, node, operands));
    graph.value(node.outputs[0]).constant = std::move(results[0]);
    graph.value(node.outputs[0]).producer = -1;
  }
  std::vector<ops::Node> kept;
  for (ops::Node& node : graph.nodes) {
    bool folded = node.outputs.size() == 1 && graph.is_constant(node.outputs[0]);
    if (folded) continue;
    for (ops::ValueId v : node.outputs) {
      if (v >= 0) graph.value(v).producer = static_cast<int32_t>(kept.size());
    }
    kept.push_back(std::move(node));
  }
  graph.nodes = std::move(kept);
  return ok_status();
}

}  // namespace thorong::compiler
