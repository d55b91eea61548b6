// SPDX-License-Identifier: Apache-2.0
// The graph's own rules, removal of unused nodes and the readable text.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

bool in_range(const Graph& graph, ValueId id) {
  return id >= 0 && static_cast<size_t>(id) < graph.values.size();
}

std::string place_of(const Node& node) {
  return fmt::format("node '{}' ({})", node.name, node.op == nullptr ? "?" : node.op->name);
}

Status verify_values(const Graph& graph, std::vector<bool>& defined) {
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    THORONG_RETURN_IF_ERROR(
        check_size(value.type).at(fmt::format("value %{} '{}'", i, value.name)));
    if (!value.constant) continue;
    defined[i] = true;
    if (value.producer != -1 || !(value.constant.type == value.type)) {
      return internal_error(fmt::format(
          "the constant %{} '{}' has a producer or another type than its data", i, value.name));
    }
  }
  for (const ValueId id : graph.inputs) {
    if (!in_range(graph, id) || defined[static_cast<size_t>(id)]) {
      return internal_error(fmt::format("the input %{} does not exist or is defined twice", id));
    }
    defined[static_cast<size_t>(id)] = true;
  }
  return ok_status();
}

Status verify_node(const Graph& graph, const Node& node, int32_t number,
                   std::vector<bool>& defined) {
  if (node.op == nullptr) return internal_error("the node has no operator");
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id == kNoValue && static_cast<int>(i) >= node.op->min_inputs) continue;
    if (!in_range(graph, id) || !defined[static_cast<size_t>(id)]) {
      return internal_error(
          fmt::format("operand {} is %{}, which is not defined before the node", i, id));
    }
  }
  THORONG_TRY(const Types types, node.op->infer(graph, node));
  if (types.size() != node.outputs.size()) {
    return internal_error(
        fmt::format("the operator has {} results, found {}", types.size(), node.outputs.size()));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    const ValueId id = node.outputs[i];
    if (!in_range(graph, id) || defined[static_cast<size_t>(id)]) {
      return internal_error(fmt::format("result %{} does not exist or is defined twice", id));
    }
    if (!(graph.type(id) == types[i]) || graph.value(id).producer != number) {
      return internal_error(fmt::format("result %{} is {} of node {}, expected {} of node {}", id,
                                        to_string(graph.type(id)), graph.value(id).producer,
                                        to_string(types[i]), number));
    }
    defined[static_cast<size_t>(id)] = true;
  }
  for (const auto& region : node.regions) THORONG_RETURN_IF_ERROR(verify(*region));
  return ok_status();
}

std::string attribute_text(const Attribute& attribute) {
  if (const auto* integer = std::get_if<int64_t>(&attribute)) return fmt::format("{}", *integer);
  if (const auto* number = std::get_if<double>(&attribute)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&attribute)) return *text;
  if (const auto* list = std::get_if<std::vector<int64_t>>(&attribute)) return to_string(*list);
  if (const auto* list = std::get_if<std::vector<double>>(&attribute)) {
    return fmt::format("[{}]", fmt::join(*list, ", "));
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&attribute)) {
    return fmt::format("[{}]", fmt::join(*list, ", "));
  }
  return "tensor " + to_string(std::get<Tensor>(attribute).type);
}

std::string value_text(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "none";
  const Value& value = graph.value(id);
  if (!value.constant) return fmt::format("%{}", id);
  if (value.type.elements() != 1) return fmt::format("%{}=const {}", id, to_string(value.type));
  return fmt::format("%{}=const {} {{{}}}", id, to_string(value.type),
                     value.constant.to_doubles()[0]);
}

std::string node_text(const Graph& graph, const Node& node) {
  std::vector<std::string> results, operands, attributes;
  for (const ValueId id : node.outputs) {
    results.push_back(fmt::format("%{}: {}", id, to_string(graph.type(id))));
  }
  for (const ValueId id : node.inputs) operands.push_back(value_text(graph, id));
  for (const auto& [key, value] : node.attributes.all()) {
    attributes.push_back(fmt::format("{}={}", key, attribute_text(value)));
  }
  std::string line = fmt::format("  {} = {}({})", fmt::join(results, ", "), node.op->name,
                                 fmt::join(operands, ", "));
  if (!attributes.empty()) line += fmt::format(" {{{}}}", fmt::join(attributes, ", "));
  if (!node.name.empty()) line += "  # " + node.name;
  return line + "\n";
}

}  // namespace

Status verify(const Graph& graph) {
  std::vector<bool> defined(graph.values.size(), false);
  THORONG_RETURN_IF_ERROR(verify_values(graph, defined));
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    THORONG_RETURN_IF_ERROR(verify_node(graph, graph.nodes[i], static_cast<int32_t>(i), defined)
                                .at(place_of(graph.nodes[i])));
  }
  for (const ValueId id : graph.outputs) {
    if (!in_range(graph, id) || !defined[static_cast<size_t>(id)]) {
      return internal_error(fmt::format("the graph's output %{} is not defined", id));
    }
  }
  if (!graph.output_names.empty() && graph.output_names.size() != graph.outputs.size()) {
    return internal_error(
        fmt::format("{} names for {} outputs", graph.output_names.size(), graph.outputs.size()));
  }
  return ok_status();
}

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  for (const ValueId id : graph.outputs) used[static_cast<size_t>(id)] = true;
  std::vector<bool> live(graph.nodes.size(), false);
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    for (const ValueId id : node.outputs) live[i] = live[i] || used[static_cast<size_t>(id)];
    if (!live[i]) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) used[static_cast<size_t>(id)] = true;
    }
  }
  size_t kept = 0;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const ValueId id : graph.nodes[i].outputs) {
      graph.value(id).producer = live[i] ? static_cast<int32_t>(kept) : -1;
    }
    if (!live[i]) continue;
    if (kept != i) graph.nodes[kept] = std::move(graph.nodes[i]);
    ++kept;
  }
  graph.nodes.resize(kept);
}

std::string to_text(const Graph& graph) {
  std::string text = fmt::format("graph {}(", graph.name);
  std::vector<std::string> parts;
  for (const ValueId id : graph.inputs) {
    parts.push_back(
        fmt::format("%{} '{}': {}", id, graph.value(id).name, to_string(graph.type(id))));
  }
  text += fmt::format("{}) {{\n", fmt::join(parts, ", "));
  for (const Node& node : graph.nodes) {
    text += node_text(graph, node);
    for (const auto& region : node.regions) text += to_text(*region);
  }
  parts.clear();
  for (const ValueId id : graph.outputs) parts.push_back(value_text(graph, id));
  return text + fmt::format("  return {}\n}}\n", fmt::join(parts, ", "));
}

}  // namespace thorong::ops
