// SPDX-License-Identifier: Apache-2.0
// fold_constants: nodes whose operands are all constants are computed once, however large (a
// transposed convolution's reversed weights). Views stay views: they cost nothing.
//
//   before:  r = reverse(w)   y = convolution(x, r)      after:   y = convolution(x, r')   with r'
//   a constant
#include <set>

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

}  // namespace

Status fold_constants(ops::Graph& graph) {
  constexpr int64_t kMostElements = int64_t{1} << 27;
  const std::set<ops::ValueId> weights = convolution_weights(graph);
  for (const ops::Node& node : graph.nodes) {
    bool view = is_view_operator(node) && !weights.contains(node.outputs[0]);
    bool constant =
        !node.inputs.empty() && node.outputs.size() == 1 && !view && node.regions.empty();
    for (ops::ValueId v : node.inputs) constant = constant && (v < 0 || graph.is_constant(v));
    if (!constant || graph.type(node.outputs[0]).elements() > kMostElements) continue;
    std::vector<ops::Tensor> operands;
    for (ops::ValueId v : node.inputs)
      operands.push_back(v < 0 ? ops::Tensor{} : graph.value(v).constant);
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
