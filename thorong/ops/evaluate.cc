// SPDX-License-Identifier: Apache-2.0
// Runs nodes and graphs by the operators' references. Slow and plain: the meaning, not the machine.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr size_t kMaxBytes = size_t{1} << 40;

// The node after which a value is no longer needed; size_t's maximum for the graph's outputs.
std::vector<size_t> last_uses(const Graph& graph) {
  std::vector<size_t> last(graph.values.size(), 0);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) last[static_cast<size_t>(id)] = i;
    for (const ValueId id : graph.nodes[i].inputs) {
      if (id != kNoValue) last[static_cast<size_t>(id)] = i;
    }
  }
  for (const ValueId id : graph.outputs)
    last[static_cast<size_t>(id)] = std::numeric_limits<size_t>::max();
  return last;
}

}  // namespace

Result<std::vector<Tensor>> evaluate_node(const Graph& graph, const Node& node, Inputs inputs) {
  THORONG_CHECK(inputs.size() == node.inputs.size(), "evaluate_node: one tensor for each operand");
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!has_operand(node, i)) continue;
    const TensorType& expected = operand_type(graph, node, i);
    if (!inputs[i] || !(inputs[i].type == expected)) {
      return invalid_argument(fmt::format("operand {} must be {}, found {}", i, to_string(expected),
                                          inputs[i] ? to_string(inputs[i].type) : "no data"));
    }
  }
  std::vector<Tensor> results;
  std::vector<std::byte*> outputs;
  bool empty = true;
  for (const ValueId id : node.outputs) {
    if (graph.type(id).bytes() > kMaxBytes) {
      return resource_exhausted(fmt::format("the result {} is too large to compute by reference",
                                            to_string(graph.type(id))));
    }
    outputs.push_back(nullptr);
    results.push_back(Tensor::allocate(graph.type(id), &outputs.back()));
    empty = empty && graph.type(id).elements() == 0;
  }
  if (empty) return results;  // other dimensions may be large enough to loop for ever
  THORONG_RETURN_IF_ERROR(node.op->reference(graph, node, inputs, outputs));
  return results;
}

Result<std::vector<Tensor>> evaluate(const Graph& graph, Inputs inputs) {
  if (inputs.size() != graph.inputs.size()) {
    return invalid_argument(
        fmt::format("the graph takes {} inputs, found {}", graph.inputs.size(), inputs.size()));
  }
  std::vector<Tensor> tensors(graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) tensors[i] = graph.values[i].constant;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorType& expected = graph.type(graph.inputs[i]);
    if (!inputs[i] || !(inputs[i].type == expected)) {
      return invalid_argument(fmt::format("input '{}' must be {}, found {}",
                                          graph.value(graph.inputs[i]).name, to_string(expected),
                                          inputs[i] ? to_string(inputs[i].type) : "no data"));
    }
    tensors[static_cast<size_t>(graph.inputs[i])] = inputs[i];
  }
  const std::vector<size_t> last = last_uses(graph);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    std::vector<Tensor> operands;
    for (const ValueId id : node.inputs) {
      operands.push_back(id == kNoValue ? Tensor{} : tensors[static_cast<size_t>(id)]);
    }
    Result<std::vector<Tensor>> results = evaluate_node(graph, node, operands);
    if (!results.ok())
      return results.status().at(fmt::format("node '{}' ({})", node.name, node.op->name));
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      tensors[static_cast<size_t>(node.outputs[k])] = std::move((*results)[k]);
    }
    for (const auto& ids : {node.inputs, node.outputs}) {
      for (const ValueId id : ids) {
        if (id != kNoValue && last[static_cast<size_t>(id)] <= i)
          tensors[static_cast<size_t>(id)] = Tensor{};
      }
    }
  }
  std::vector<Tensor> results;
  for (const ValueId id : graph.outputs) results.push_back(tensors[static_cast<size_t>(id)]);
  return results;
}

}  // namespace thorong::ops
