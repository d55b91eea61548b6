// SPDX-License-Identifier: Apache-2.0
// Questions that passes ask of a graph when they look for a pattern.
#pragma once

#include <optional>
#include <string_view>

#include "thorong/ops/operator.h"

namespace thorong::compiler {

// The node that makes v, if it is `op`.
inline const ops::Node* made_by(const ops::Graph& graph, ops::ValueId v, std::string_view op) {
  int producer = graph.value(v).producer;
  if (producer < 0) return nullptr;
  const ops::Node& node = graph.nodes[static_cast<size_t>(producer)];
  return node.op->name == op ? &node : nullptr;
}

// The one number that v holds everywhere, if it does.
inline std::optional<double> number(const ops::Graph& graph, ops::ValueId v) {
  while (const ops::Node* view = made_by(graph, v, "broadcast_in_dim")) v = view->inputs[0];
  while (const ops::Node* view = made_by(graph, v, "reshape")) v = view->inputs[0];
  if (!graph.is_constant(v) || graph.type(v).elements() != 1) return std::nullopt;
  const ops::Tensor& tensor = graph.value(v).constant;
  return numerics::load_as_double(tensor.type.format, tensor.data, 0);
}

}  // namespace thorong::compiler
