// SPDX-License-Identifier: Apache-2.0
// fold_constants: nodes whose operands are all constants are computed once, however large (a transposed convolution's reversed
// weights). Views stay views: they cost nothing.
//
//   before:  r = reverse(w)   y = convolution(x, r)      after:   y = convolution(x, r')   with r' a constant
#include "thorong/compiler/codegen.h"
#include "thorong/compiler/passes/passes.h"

namespace thorong::compiler {

Status fold_constants(ops::Graph& graph) {
  constexpr int64_t kMostElements = int64_t{1} << 27;
  for (const ops::Node& node : graph.nodes) {
    bool constant = !node.inputs.empty() && node.outputs.size() == 1 && !is_view_operator(node) && node.regions.empty();
    for (ops::ValueId v : node.inputs) constant = constant && (v < 0 || graph.is_constant(v));
    if (!constant || graph.type(node.outputs[0]).elements() > kMostElements) continue;
    std::vector<ops::Tensor> operands;
    for (ops::ValueId v : node.inputs) operands.push_back(v < 0 ? ops::Tensor{} : graph.value(v).constant);
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
