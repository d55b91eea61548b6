// SPDX-License-Identifier: Apache-2.0
// Kahn's algorithm on the nodes, with the smallest index first so that the file's order stays.
#include "frontends/onnx/node_order.h"

#include <functional>
#include <queue>
#include <set>
#include <unordered_map>

namespace thorong::onnx {
namespace {

using Indices = std::vector<size_t>;

// Names that a node reads: its operands, and what its subgraphs read from outside them.
void add_reads(const NodeProto& node, std::set<std::string>& reads) {
  for (const std::string& input : node.inputs) {
    if (!input.empty()) reads.insert(input);
  }
  for (const AttributeProto& attribute : node.attributes) {
    if (!attribute.graph) continue;
    const GraphProto& graph = *attribute.graph;
    std::set<std::string> inner;
    for (const NodeProto& inner_node : graph.nodes) add_reads(inner_node, inner);
    for (const ValueInfo& output : graph.outputs) inner.insert(output.name);
    for (const NodeProto& inner_node : graph.nodes) {
      for (const std::string& output : inner_node.outputs) inner.erase(output);
    }
    for (const TensorProto& initializer : graph.initializers) inner.erase(initializer.name);
    for (const ValueInfo& input : graph.inputs) inner.erase(input.name);
    reads.insert(inner.begin(), inner.end());
  }
}

Result<std::unordered_map<std::string, size_t>> definitions(
    const std::vector<NodeProto>& nodes, const std::function<bool(const std::string&)>& known) {
  std::unordered_map<std::string, size_t> producers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& output : nodes[i].outputs) {
      if (output.empty()) continue;
      auto [place, is_new] = producers.emplace(output, i);
      if (is_new && !known(output)) continue;
      std::string other = is_new ? "an input or an initializer"
                                 : "node '" + nodes[place->second].display_name() + "'";
      return invalid_argument("value '" + output + "' is defined twice: by " + other +
                              " and by node '" + nodes[i].display_name() + "'.");
    }
  }
  return producers;
}

// The operands' producers of each node.
Result<std::vector<Indices>> dependencies(const std::vector<NodeProto>& nodes,
                                          const std::unordered_map<std::string, size_t>& producers,
                                          const std::function<bool(const std::string&)>& known) {
  std::vector<Indices> result(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    std::set<std::string> reads;
    add_reads(nodes[i], reads);
    for (const std::string& name : reads) {
      if (auto producer = producers.find(name); producer != producers.end()) {
        result[i].push_back(producer->second);
      } else if (!known(name)) {
        return invalid_argument("node '" + nodes[i].display_name() + "' (" + nodes[i].op_type +
                                ") reads '" + name +
                                "', which no node, input or initializer defines.");
      }
    }
  }
  return result;
}

// The file's order when it is a topological one, else the smallest topological order; nodes on
// cycles are missing.
Indices topological(const std::vector<Indices>& needs) {
  std::vector<Indices> users(needs.size());
  Indices waiting(needs.size());
  for (size_t i = 0; i < needs.size(); ++i) {
    waiting[i] = needs[i].size();
    for (size_t producer : needs[i]) users[producer].push_back(i);
  }
  std::priority_queue<size_t, Indices, std::greater<>> ready;
  for (size_t i = 0; i < needs.size(); ++i) {
    if (waiting[i] == 0) ready.push(i);
  }
  Indices order;
  while (!ready.empty()) {
    size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (size_t user : users[next]) {
      if (--waiting[user] == 0) ready.push(user);
    }
  }
  return order;
}

Status cycle_error(const std::vector<NodeProto>& nodes, const std::vector<Indices>& needs,
                   const Indices& order) {
  std::vector<bool> done(nodes.size(), false);
  for (size_t i : order) done[i] = true;
  size_t at = 0;
  while (done[at]) ++at;
  std::vector<size_t> path;
  std::vector<int64_t> position(nodes.size(), -1);
  while (position[at] < 0) {  // every node that is left has an operand that is left
    position[at] = static_cast<int64_t>(path.size());
    path.push_back(at);
    for (size_t producer : needs[at]) {
      if (done[producer]) continue;
      at = producer;
      break;
    }
  }
  std::string names;
  size_t count = 0;
  for (size_t i = path.size(); i-- > static_cast<size_t>(position[at]);) {
    if (++count > 8) {
      names += " -> ...";
      break;
    }
    names += (names.empty() ? "'" : " -> '") + nodes[path[i]].display_name() + "'";
  }
  return invalid_argument("the graph has a cycle: " + names +
                          " and back. A graph must not feed a node's result into itself.");
}

}  // namespace

Result<std::vector<const NodeProto*>> order_nodes(
    const std::vector<NodeProto>& nodes, const std::vector<std::string>& outputs,
    const std::function<bool(const std::string&)>& known) {
  THORONG_TRY(auto producers, definitions(nodes, known));
  THORONG_TRY(auto needs, dependencies(nodes, producers, known));
  Indices order = topological(needs);
  if (order.size() < nodes.size()) return cycle_error(nodes, needs, order);
  std::vector<bool> wanted(nodes.size(), false);
  for (const std::string& output : outputs) {
    if (auto producer = producers.find(output); producer != producers.end())
      wanted[producer->second] = true;
  }
  for (size_t i = order.size(); i-- > 0;) {
    if (!wanted[order[i]]) continue;
    for (size_t producer : needs[order[i]]) wanted[producer] = true;
  }
  std::vector<const NodeProto*> result;
  for (size_t i : order) {
    if (wanted[i]) result.push_back(&nodes[i]);
  }
  return result;
}

}  // namespace thorong::onnx
