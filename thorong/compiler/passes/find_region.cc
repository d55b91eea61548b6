// SPDX-License-Identifier: Apache-2.0
// find_region: from a value and one of its dimensions along makers and readers, as far as every
// operator is parallel in that dimension; then what would break a group, share a value with others
// (without weights) or depend on itself is left out.
#include <algorithm>
#include <deque>

#include "thorong/compiler/groups.h"
#include "thorong/compiler/passes/strips.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::Node;
using ops::ValueId;

class Finder {
 public:
  Finder(const Graph& graph, bool weights)
      : graph_(graph),
        weights_(weights),
        readers_(graph.values.size()),
        output_(graph.values.size()),
        inside_(graph.nodes.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      for (ValueId v : graph.nodes[n].inputs) {
        if (v >= 0) readers_[static_cast<size_t>(v)].push_back(static_cast<int>(n));
      }
    }
    for (ValueId v : graph.outputs) output_[static_cast<size_t>(v)] = true;
  }

  Region run(ValueId seed, int dim, int64_t extent) {
    Region region;
    extent_ = region.extent = extent;
    int64_t size = graph_.type(seed).shape[static_cast<size_t>(dim)];
    if (extent < 2 || size % extent != 0 || graph_.value(seed).producer < 0) return region;
    grow(seed, {dim, size / extent});
    int anchor = graph_.value(seed).producer;
    std::vector<Group> groups = form_groups(graph_);
    while (drop_broken(groups)) {
    }
    if (!weights_) keep_connected(anchor);
    std::vector<bool> grown = inside_;
    for (bool later : {true, false}) {
      inside_ = grown;
      bool changed = true;
      while (changed) {
        changed = drop_broken(groups);
        changed = drop_whole_reads() || changed;
        changed = (later ? drop_later_ends() : drop_earlier_ends()) || changed;
        changed = drop_outer_views() || changed;
      }
      if (!weights_) keep_connected(anchor);
      if (inside(anchor)) break;
    }
    if (!inside_[static_cast<size_t>(anchor)]) return region;
    for (size_t n = 0; n < inside_.size(); ++n) {
      if (inside_[n]) region.nodes.push_back(static_cast<int>(n));
    }
    region.cuts = cuts_;
    for (const Group& group : groups) {
      bool between = inside_[static_cast<size_t>(group.last())] && read_inside(group.result);
      if (between) region.bytes += static_cast<double>(graph_.type(group.result).bytes());
    }
    return region;
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }
  bool inside(int n) const { return n >= 0 && inside_[static_cast<size_t>(n)]; }
  int maker(ValueId v) const { return v < 0 ? -1 : graph_.value(v).producer; }
  const std::vector<int>& readers(ValueId v) const { return readers_[static_cast<size_t>(v)]; }

  // Whether it is read inside through views.
  bool read_inside(ValueId v) const {
    return std::any_of(readers(v).begin(), readers(v).end(), [&](int n) { return inside(n); });
  }

  bool reads_weights(const Node& n) const {
    constexpr int64_t kSmall = 4096;  // biases and scales cost nothing
    return std::any_of(n.inputs.begin(), n.inputs.end(), [&](ValueId v) {
      while (v >= 0 && maker(v) >= 0 && is_view_operator(node(maker(v))))
        v = node(maker(v)).inputs[0];
      return v >= 0 && graph_.is_constant(v) && graph_.type(v).elements() > kSmall;
    });
  }

  void grow(ValueId seed, const Cut& cut) {
    cuts_[seed] = cut;
    std::deque<int> open{maker(seed)};
    for (int n : readers(seed)) open.push_back(n);
    while (!open.empty()) {
      int n = open.front();
      open.pop_front();
      if (n < 0 || inside(n)) continue;
      if (accept(node(n))) {
        inside_[static_cast<size_t>(n)] = true;
        for (ValueId v : node(n).inputs) {
          if (v < 0 || !cuts_.contains(v)) continue;
          open.push_back(maker(v));
          for (int reader : readers(v)) open.push_back(reader);
        }
        for (int reader : readers(node(n).outputs[0])) open.push_back(reader);
      }
    }
  }

  // Takes a node into the region if its operands and result can have the cuts that they already
  // have.
  bool accept(const Node& n) {
    if (n.outputs.size() != 1 || (!weights_ && reads_weights(n))) return false;
    std::optional<Cut> result;
    if (auto it = cuts_.find(n.outputs[0]); it != cuts_.end()) result = it->second;
    for (size_t i = 0; i < n.inputs.size() && !result; ++i) {
      auto it = n.inputs[i] < 0 ? cuts_.end() : cuts_.find(n.inputs[i]);
      if (it != cuts_.end()) result = result_cut(graph_, n, i, it->second, extent_);
    }
    if (!result) return false;
    auto operands = operand_cuts(graph_, n, *result, extent_);
    if (!operands) return false;
    std::map<ValueId, Cut> wanted;
    for (size_t i = 0; i < n.inputs.size(); ++i) {
      ValueId v = n.inputs[i];
      if (v < 0 || graph_.is_constant(v)) continue;  // constants are cut as each reader wants them
      auto known = cuts_.find(v);
      if (known != cuts_.end() && !(known->second == (*operands)[i])) return false;
      auto [it, fresh] = wanted.emplace(v, (*operands)[i]);
      if (!fresh && !(it->second == (*operands)[i])) return false;
    }
    for (const auto& [v, cut] : wanted) {
      if (cut.dim >= 0) cuts_[v] = cut;
    }
    cuts_[n.outputs[0]] = *result;
    return true;
  }

  bool drop_broken(const std::vector<Group>& groups) {
    bool changed = drop_parts(groups);
    return (!weights_ && drop_shared()) || changed;
  }

  bool remove(int n) {
    bool was = inside(n);
    if (n >= 0) inside_[static_cast<size_t>(n)] = false;
    return was;
  }

  // Groups of which only a part is inside.
  bool drop_parts(const std::vector<Group>& groups) {
    bool changed = false;
    for (const Group& group : groups) {
      bool all = group.anchor < 0 || inside(group.anchor);
      for (int n : group.elementwise) all = all && inside(n);
      if (all) continue;
      changed = remove(group.anchor) || changed;
      for (int n : group.elementwise) changed = remove(n) || changed;
    }
    return changed;
  }

  // Values that are read inside and outside.
  bool drop_shared() {
    bool changed = false;
    for (size_t n = inside_.size(); n-- > 0;) {
      if (!inside_[n]) continue;
      ValueId v = graph_.nodes[n].outputs[0];
      bool outside = output_[static_cast<size_t>(v)];
      for (int reader : readers(v)) outside = outside || !inside(reader);
      if (outside && read_inside(v)) changed = remove(static_cast<int>(n));
    }
    return changed;
  }

  // Nodes that read all of a value of which the region makes a strip at a time.
  bool drop_whole_reads() {
    bool changed = false;
    for (size_t n = 0; n < inside_.size(); ++n) {
      if (!inside_[n]) continue;
      const Node& reader = graph_.nodes[n];
      auto cuts = operand_cuts(graph_, reader, cuts_.at(reader.outputs[0]), extent_);
      for (size_t i = 0; cuts && i < reader.inputs.size(); ++i) {
        if ((*cuts)[i].dim < 0 && inside(maker(reader.inputs[i])))
          inside_[n] = false, changed = true;
      }
    }
    return changed;
  }

  // Round trips: the region makes something that it reads again through nodes outside. Either what
  // reads it leaves ...
  bool drop_later_ends() {
    bool changed = false;
    std::vector<bool> after(graph_.nodes.size());
    for (size_t n = 0; n < inside_.size(); ++n) {
      for (ValueId v : graph_.nodes[n].inputs) {
        int from = maker(v);
        if (from < 0) continue;
        bool late = after[static_cast<size_t>(from)];
        if (inside_[n] && late) inside_[n] = false, changed = true;
        if (!inside_[n]) after[n] = after[n] || late || inside(from);
      }
    }
    return changed;
  }

  // ... or what makes it.
  bool drop_earlier_ends() {
    bool changed = false;
    std::vector<bool> before(graph_.nodes.size());
    for (size_t n = inside_.size(); n-- > 0;) {
      bool leads = false, inner = false;
      for (ValueId v : graph_.nodes[n].outputs) {
        if (v < 0) continue;
        for (int reader : readers(v)) {
          leads = leads || before[static_cast<size_t>(reader)];
          inner = inner || inside(reader);
        }
      }
      if (inside_[n] && leads) inside_[n] = false, changed = true;
      if (!inside_[n]) before[n] = leads || inner;
    }
    return changed;
  }

  // Views at the edges: the whole value is viewed as before.
  bool drop_outer_views() {
    bool changed = false;
    for (size_t n = 0; n < inside_.size(); ++n) {
      const Node& view = graph_.nodes[n];
      if (!inside_[n] || !is_view_operator(view)) continue;
      bool first = cuts_.contains(view.inputs[0]) && !inside(maker(view.inputs[0]));
      if (first || !read_inside(view.outputs[0])) changed = remove(static_cast<int>(n));
    }
    return changed;
  }

  // Whether a strip of the node reads strips.
  bool has_strips(const Node& n) const {
    auto cuts = operand_cuts(graph_, n, cuts_.at(n.outputs[0]), extent_);
    return cuts &&
           std::any_of(cuts->begin(), cuts->end(), [](const Cut& cut) { return cut.dim >= 0; });
  }

  // What the anchor reads, directly or not, and what reads that.
  void keep_connected(int anchor) {
    std::vector<bool> reached(inside_.size());
    std::vector<int> open;
    auto visit = [&](int n) {
      if (!inside(n) || reached[static_cast<size_t>(n)]) return;
      reached[static_cast<size_t>(n)] = true;
      open.push_back(n);
    };
    visit(anchor);
    while (!open.empty()) {
      const Node& n = node(open.back());
      open.pop_back();
      if (!has_strips(n)) continue;  // the same for every reader: no connection between them
      for (ValueId v : n.inputs) visit(maker(v));
      for (int reader : readers(n.outputs[0])) visit(reader);
    }
    inside_ = reached;
  }

  const Graph& graph_;
  bool weights_;
  int64_t extent_ = 0;
  std::vector<std::vector<int>> readers_;
  std::vector<bool> output_, inside_;
  std::map<ValueId, Cut> cuts_;
};

}  // namespace

Region find_region(const Graph& graph, ValueId seed, int dim, int64_t extent, bool weights) {
  return Finder(graph, weights).run(seed, dim, extent);
}

}  // namespace thorong::compiler
