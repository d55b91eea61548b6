// SPDX-License-Identifier: Apache-2.0
#include "thorong/ops/extract.h"

#include <set>
#include <unordered_map>

namespace thorong::ops {
namespace {

struct Needed {
  std::set<ValueId> values;
  std::set<int32_t> nodes;
};

Needed find_needed(const Graph& graph, std::span<const ValueId> results,
                   const std::function<bool(ValueId)>& cut) {
  Needed needed;
  std::vector<ValueId> pending(results.begin(), results.end());
  while (!pending.empty()) {
    const ValueId id = pending.back();
    pending.pop_back();
    if (id == kNoValue || !needed.values.insert(id).second) continue;
    const int32_t producer = graph.value(id).producer;
    if (graph.is_constant(id) || producer < 0 || cut(id)) continue;
    if (!needed.nodes.insert(producer).second) continue;
    const Node& node = graph.nodes[static_cast<size_t>(producer)];
    pending.insert(pending.end(), node.inputs.begin(), node.inputs.end());
  }
  return needed;
}

}  // namespace

Part extract_part(const Graph& graph, std::span<const ValueId> results,
                  const std::function<bool(ValueId)>& cut) {
  const Needed needed = find_needed(graph, results, cut);
  Part part;
  part.graph.name = graph.name;
  part.graph.fold_limit = graph.fold_limit;
  std::unordered_map<ValueId, ValueId> place{{kNoValue, kNoValue}};
  for (const ValueId id : needed.values) {
    const Value& value = graph.value(id);
    if (value.constant) {
      place[id] = part.graph.add_constant(value.name, value.constant);
    } else if (value.producer < 0 || cut(id)) {
      place[id] = part.graph.add_input(value.name, value.type);
      part.inputs.push_back(id);
    }
  }
  for (const int32_t index : needed.nodes) {  // ascending: the graph's order
    Node node = graph.nodes[static_cast<size_t>(index)];
    for (ValueId& id : node.inputs) id = place.at(id);
    for (ValueId& id : node.outputs) {
      if (id == kNoValue) continue;
      const Value& value = graph.value(id);
      const auto made = static_cast<ValueId>(part.graph.values.size());
      part.graph.values.push_back(
          {value.name, value.type, static_cast<int32_t>(part.graph.nodes.size()), Tensor{}});
      // A cut value that a node gives beside others is an input of the part already.
      place.emplace(id, made);
      id = made;
    }
    part.graph.nodes.push_back(std::move(node));
  }
  for (const ValueId id : results) {
    part.graph.outputs.push_back(place.at(id));
    part.graph.output_names.push_back(graph.value(id).name);
  }
  return part;
}

}  // namespace thorong::ops
