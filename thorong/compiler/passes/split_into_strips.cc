// SPDX-License-Identifier: Apache-2.0
// split_into_strips: before and after stand in strips.h. Nodes that no strip changes (a bias spread
// over the strip's shape) are made once for all strips.
#include <algorithm>
#include <queue>

#include "thorong/compiler/passes/strips.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::Node;
using ops::ValueId;

class Splitter {
 public:
  Splitter(const Graph& graph, const std::vector<Region>& regions)
      : graph_(graph), regions_(regions), unit_of_(graph.nodes.size(), -1) {
    for (size_t r = 0; r < regions.size(); ++r) {
      for (int n : regions[r].nodes) unit_of_[static_cast<size_t>(n)] = static_cast<int>(r);
    }
    int units = static_cast<int>(regions.size());
    for (int& unit : unit_of_) {
      if (unit < 0) unit = units++;
    }
    nodes_.resize(static_cast<size_t>(units));
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      nodes_[static_cast<size_t>(unit_of_[n])].push_back(static_cast<int>(n));
  }

  Result<Graph> run() {
    next_.name = graph_.name, next_.output_names = graph_.output_names, next_.notes = graph_.notes;
    next_.initializer_bytes = graph_.initializer_bytes, next_.fold_limit = graph_.fold_limit;
    next_.values = graph_.values, next_.inputs = graph_.inputs, next_.outputs = graph_.outputs;
    for (ops::Value& value : next_.values) value.producer = -1;
    std::vector<int> order = unit_order();
    if (order.size() != nodes_.size())
      return unsupported("regions in strips that read each other's results");
    for (int unit : order) {
      if (unit < static_cast<int>(regions_.size())) {
        THORONG_RETURN_IF_ERROR(emit(regions_[static_cast<size_t>(unit)]));
      } else {
        append(graph_.nodes[static_cast<size_t>(nodes_[static_cast<size_t>(unit)][0])]);
      }
    }
    return std::move(next_);
  }

 private:
  // Units in the graph's order of their first nodes, as far as what they read allows.
  std::vector<int> unit_order() const {
    std::vector<std::vector<int>> after(nodes_.size());
    std::vector<int> waits(nodes_.size(), 0), order;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (ValueId v : graph_.nodes[n].inputs) {
        int from = v < 0 ? -1 : graph_.value(v).producer;
        if (from < 0 || unit_of_[static_cast<size_t>(from)] == unit_of_[n]) continue;
        after[static_cast<size_t>(unit_of_[static_cast<size_t>(from)])].push_back(unit_of_[n]);
        ++waits[static_cast<size_t>(unit_of_[n])];
      }
    }
    std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>>
        ready;
    auto offer = [&](int unit) {
      const auto& nodes = nodes_[static_cast<size_t>(unit)];
      ready.push({nodes.empty() ? 0 : nodes[0], unit});
    };
    for (size_t unit = 0; unit < nodes_.size(); ++unit) {
      if (waits[unit] == 0) offer(static_cast<int>(unit));
    }
    while (!ready.empty()) {
      int unit = ready.top().second;
      ready.pop();
      order.push_back(unit);
      for (int other : after[static_cast<size_t>(unit)]) {
        if (--waits[static_cast<size_t>(other)] == 0) offer(other);
      }
    }
    return order;
  }

  void append(Node node) {
    for (ValueId v : node.outputs) {
      if (v >= 0) next_.value(v).producer = static_cast<int32_t>(next_.nodes.size());
    }
    next_.nodes.push_back(std::move(node));
  }

  Status emit(const Region& region) {
    once_.clear();
    std::map<ValueId, std::vector<ValueId>> pieces;
    for (int64_t strip = 0; strip < region.strips; ++strip) {
      local_.clear();
      for (int n : region.nodes) {
        const Node& node = graph_.nodes[static_cast<size_t>(n)];
        THORONG_TRY(ValueId piece, copy(region, node, strip));
        pieces[node.outputs[0]].push_back(piece);
      }
    }
    for (int n : region.nodes) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      if (read_outside(node.outputs[0])) join(region, node, pieces[node.outputs[0]]);
    }
    return ok_status();
  }

  // The node over one strip.
  Result<ValueId> copy(const Region& region, const Node& node, int64_t strip) {
    Cut result = region.cuts.at(node.outputs[0]);
    auto cuts = operand_cuts(graph_, node, result, region.extent);
    THORONG_CHECK(cuts.has_value(), "a node of a region is not parallel");
    bool same = std::all_of(cuts->begin(), cuts->end(), [](const Cut& cut) { return cut.dim < 0; });
    if (auto it = once_.find(node.outputs[0]); same && it != once_.end())
      return local_[node.outputs[0]] = it->second;
    std::vector<ValueId> inputs = node.inputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if ((*cuts)[i].dim < 0) continue;
      THORONG_TRY(inputs[i], piece_of(region, inputs[i], (*cuts)[i], strip, node.name));
    }
    ops::Attributes attributes = node.attributes;
    auto d = static_cast<size_t>(result.dim);
    int64_t size = region.extent / region.strips * result.unit;
    for (const char* key : {"shape", "limit_indices"}) {
      auto list = attributes.integers(key);
      if (list.empty()) continue;
      list[d] = size;
      attributes.set(key, list);
    }
    size_t before = next_.nodes.size();
    THORONG_TRY(ValueId made, next_.add1(node.op->name, inputs, attributes, node.name,
                                         graph_.value(node.outputs[0]).name));
    if (next_.nodes.size() > before)
      next_.nodes.back().copy_of = node.copy_of >= 0 ? node.copy_of : node.outputs[0];
    if (same) once_[node.outputs[0]] = made;
    return local_[node.outputs[0]] = made;
  }

  // A strip of an operand: made in the region, or a slice of what others made.
  Result<ValueId> piece_of(const Region& region, ValueId v, const Cut& cut, int64_t strip,
                           const std::string& name) {
    if (auto it = local_.find(v); it != local_.end()) return it->second;
    const ops::Shape& shape = graph_.type(v).shape;
    std::vector<int64_t> start(shape.size(), 0), limit = shape;
    int64_t size = region.extent / region.strips * cut.unit;
    start[static_cast<size_t>(cut.dim)] = strip * size;
    limit[static_cast<size_t>(cut.dim)] = (strip + 1) * size;
    ops::Attributes attributes;
    attributes.set("start_indices", start);
    attributes.set("limit_indices", limit);
    THORONG_TRY(ValueId slice, next_.add1("slice", {v}, attributes, name, graph_.value(v).name));
    if (!graph_.is_constant(v))
      local_[v] = slice;  // a constant may be cut in another way elsewhere
    return slice;
  }

  bool read_outside(ValueId v) {
    if (outside_.empty()) {
      outside_.assign(graph_.values.size(), false);
      for (ValueId out : graph_.outputs) outside_[static_cast<size_t>(out)] = true;
      for (size_t n = 0; n < graph_.nodes.size(); ++n) {
        for (ValueId in : graph_.nodes[n].inputs) {
          int from = in < 0 ? -1 : graph_.value(in).producer;
          if (from >= 0 && unit_of_[static_cast<size_t>(from)] != unit_of_[n])
            outside_[static_cast<size_t>(in)] = true;
        }
      }
    }
    return outside_[static_cast<size_t>(v)];
  }

  void join(const Region& region, const Node& node, std::vector<ValueId> pieces) {
    Node whole;
    whole.op = ops::find_operator("concatenate");
    whole.name = node.name;
    whole.inputs = std::move(pieces);
    whole.outputs = node.outputs;
    whole.attributes.set("dimension", static_cast<int64_t>(region.cuts.at(node.outputs[0]).dim));
    append(std::move(whole));
  }

  const Graph& graph_;
  const std::vector<Region>& regions_;
  std::vector<int> unit_of_;             // node -> region, or a unit of its own
  std::vector<std::vector<int>> nodes_;  // of each unit
  std::vector<bool> outside_;            // value: read by another unit
  Graph next_;
  std::map<ValueId, ValueId> local_, once_;  // values of the present strip; of all strips
};

}  // namespace

Result<Graph> split_into_strips(const Graph& graph, const std::vector<Region>& regions) {
  return Splitter(graph, regions).run();
}

}  // namespace thorong::compiler
