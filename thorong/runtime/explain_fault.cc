// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/explain_fault.h"

#include <algorithm>
#include <set>

namespace thorong::runtime {
namespace {

// Names of the graph's integer inputs that reach the nodes of one name through integers alone.
std::vector<std::string> integer_inputs(const ops::Graph& graph, const std::string& name) {
  std::vector<ops::ValueId> stack;
  for (const ops::Node& node : graph.nodes) {
    if (node.name == name) stack.insert(stack.end(), node.inputs.begin(), node.inputs.end());
  }
  std::set<ops::ValueId> seen;
  while (!stack.empty()) {
    const ops::ValueId id = stack.back();
    stack.pop_back();
    if (id < 0 || !numerics::is_integer(graph.type(id).format) || !seen.insert(id).second) continue;
    const int32_t producer = graph.value(id).producer;
    if (producer < 0) continue;
    const auto& more = graph.nodes[static_cast<size_t>(producer)].inputs;
    stack.insert(stack.end(), more.begin(), more.end());
  }
  std::vector<std::string> names;
  for (ops::ValueId id : graph.inputs) {
    if (seen.contains(id)) names.push_back("'" + graph.value(id).name + "'");
  }
  return names;
}

}  // namespace

Status explain_fault(const Status& status, const std::string& operator_name,
                     const Program& program) {
  std::string message = status.message(), names;
  for (const std::string& name : integer_inputs(program.graph, operator_name))
    names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) message += ". Its integers come from input " + names + "; check the values.";
  return Status(status.code(), message, status.where()).at(program.model_path);
}

}  // namespace thorong::runtime
