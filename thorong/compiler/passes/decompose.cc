// SPDX-License-Identifier: Apache-2.0
// decompose: composites that no lowering takes become the operators of their decomposition, until
// none is left.
//
//   before:  y = hard_swish(x)     after:  t = clamp(...)  y = multiply(x, t)
#include "thorong/compiler/codegen.h"
#include "thorong/compiler/passes/passes.h"

namespace thorong::compiler {
namespace {

bool kept(const ops::Graph& graph, const ops::Node& node) {
  if (!node.op->decompose) return true;
  if (is_view_operator(node) || runs_on_engines(graph, node)) return true;
  const Lowering* lowering = find_lowering(node.op->name);
  return lowering != nullptr && (lowering->accepts == nullptr || lowering->accepts(graph, node));
}

}  // namespace

Status decompose(ops::Graph& graph) {
  constexpr int kMaxRounds = 8;  // composites of composites
  for (int round = 0; round < kMaxRounds; ++round) {
    bool changed = false;
    ops::Graph next;
    next.name = graph.name, next.output_names = graph.output_names, next.notes = graph.notes;
    next.initializer_bytes = graph.initializer_bytes;
    next.values = graph.values;
    next.inputs = graph.inputs;
    std::vector<ops::ValueId> renamed(graph.values.size());
    for (size_t v = 0; v < renamed.size(); ++v) {
      renamed[v] = static_cast<ops::ValueId>(v);
      next.values[v].producer = -1;
    }
    for (const ops::Node& old : graph.nodes) {
      ops::Node node = old;
      for (ops::ValueId& v : node.inputs) {
        if (v >= 0) v = renamed[static_cast<size_t>(v)];
      }
      if (kept(graph, old)) {
        for (ops::ValueId v : node.outputs) {
          if (v >= 0) next.value(v).producer = static_cast<int32_t>(next.nodes.size());
        }
        next.nodes.push_back(std::move(node));
        continue;
      }
      changed = true;
      size_t first = next.nodes.size();
      THORONG_TRY(auto outputs, node.op->decompose(next, node));
      for (size_t n = first; n < next.nodes.size(); ++n) next.nodes[n].name = node.name;
      for (size_t i = 0; i < outputs.size() && i < old.outputs.size(); ++i) {
        if (old.outputs[i] < 0) continue;
        renamed[static_cast<size_t>(old.outputs[i])] = outputs[i];
        if (next.value(outputs[i]).name.empty())
          next.value(outputs[i]).name = graph.value(old.outputs[i]).name;
      }
    }
    for (ops::ValueId v : graph.outputs) next.outputs.push_back(renamed[static_cast<size_t>(v)]);
    graph = std::move(next);
    if (!changed) break;
  }
  return ops::verify(graph);
}

}  // namespace thorong::compiler
