// SPDX-License-Identifier: Apache-2.0
#include "thorong/compiler/recurrences.h"

#include <set>

#include "thorong/ops/operator.h"

namespace thorong::compiler {
namespace {

using ops::Node;
using ops::ValueId;

// Groups that are looked through for a dependence: the body of a recurrence is short.
constexpr size_t kBodyGroups = 64;

std::vector<int> nodes_of(const Group& group) {
  std::vector<int> nodes = group.elementwise;
  if (group.anchor >= 0) nodes.push_back(group.anchor);
  return nodes;
}

class Chains {
 public:
  Chains(const ops::Graph& graph, const std::vector<Group>& groups)
      : graph_(graph), groups_(groups), made_in_(graph.values.size(), -1) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (int n : nodes_of(groups_[g])) {
        for (ValueId v : node(n).outputs) made_in_[static_cast<size_t>(v)] = static_cast<int>(g);
      }
    }
  }

  // Whether group `later` uses what group `earlier` made, directly or through few groups between.
  bool depends(int later, int earlier) const {
    std::set<int> seen{later};
    std::vector<int> open{later};
    while (!open.empty() && seen.size() <= kBodyGroups) {
      const int group = open.back();
      open.pop_back();
      for (int n : nodes_of(groups_[static_cast<size_t>(group)])) {
        for (ValueId v : node(n).inputs) {
          const int maker = v < 0 ? -1 : made_in_[static_cast<size_t>(base(v))];
          if (maker == earlier) return true;
          if (maker > earlier && seen.insert(maker).second) open.push_back(maker);
        }
      }
    }
    return false;
  }

  ValueId base(ValueId v) const {
    for (int n = graph_.value(v).producer; n >= 0 && is_view_operator(node(n));
         n = graph_.value(v).producer)
      v = node(n).inputs[0];
    return v;
  }

  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

 private:
  const ops::Graph& graph_;
  const std::vector<Group>& groups_;
  std::vector<int> made_in_;  // value -> group that makes it, -1
};

}  // namespace

std::map<ValueId, int> recurring_constants(const ops::Graph& graph,
                                           const std::vector<Group>& groups,
                                           int64_t most_elements) {
  const Chains chains(graph, groups);
  std::map<ValueId, std::vector<int>> readers;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].anchor < 0 || chains.node(groups[g].anchor).op->name != "dot_general") continue;
    for (ValueId v : chains.node(groups[g].anchor).inputs) {
      if (graph.is_constant(chains.base(v)) && graph.type(v).elements() <= most_elements)
        readers[v].push_back(static_cast<int>(g));
    }
  }
  std::map<ValueId, int> recurring;
  for (const auto& [constant, at] : readers) {
    if (at.size() > 2 && chains.depends(at[1], at[0]) && chains.depends(at[2], at[1]))
      recurring[constant] = at.back();
  }
  return recurring;
}

}  // namespace thorong::compiler
