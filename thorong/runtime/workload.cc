// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/workload.h"

#include "thorong/compiler/groups.h"
#include "thorong/ops/operator.h"

namespace thorong::runtime {
namespace {

bool is_weight(const ops::Graph& graph, ops::ValueId v) {
  while (true) {
    int producer = graph.value(v).producer;
    if (producer < 0) return graph.is_constant(v);
    const ops::Node& node = graph.nodes[static_cast<size_t>(producer)];
    if (!compiler::is_view_operator(node)) return false;
    v = node.inputs[0];
  }
}

}  // namespace

std::string workload_kind(const ops::Graph& graph) {
  double convolutions = 0, products = 0, attention = 0;
  bool softmax = false;
  for (const ops::Node& node : graph.nodes) {
    softmax = softmax || node.op->name == "softmax";
    if (!node.op->work) continue;
    const double multiply_adds = node.op->work(graph, node).multiply_adds;
    if (node.op->name == "convolution") convolutions += multiply_adds;
    if (node.op->name != "dot_general") continue;
    products += multiply_adds;
    // Neither side is a weight: scores of queries with keys, or probabilities with values.
    if (!is_weight(graph, node.inputs[0]) && !is_weight(graph, node.inputs[1]))
      attention += multiply_adds;
  }
  if (softmax && attention > 0) return convolutions > 0 ? "inference-vit" : "inference-encoder";
  return convolutions > products ? "inference-cnn" : "";
}

}  // namespace thorong::runtime
