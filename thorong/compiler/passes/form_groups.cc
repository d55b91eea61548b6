// SPDX-License-Identifier: Apache-2.0
// form_groups: elementwise operators join the anchor whose result they refine.
//
//   before:  c = convolution(x, w)   y = add(c, broadcast(b))   z = relu(y)
//   after:   {anchor: convolution, elementwise: [add, relu], result: z}
//
// Grown backwards from each last node: a producer joins when every reader of its value is already
// in the group and its shape is the group's, so that no intermediate value leaves the group and all
// other operands exist when its last node runs.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "thorong/compiler/codegen.h"

namespace thorong::compiler {
namespace {

using ops::Category;
using ops::Graph;
using ops::Node;

constexpr size_t kMaxElementwise = 16;  // temporaries of one chunk must fit the stream region

class Grouper {
 public:
  explicit Grouper(const Graph& graph)
      : graph_(graph), consumers_(graph.values.size()), taken_(graph.nodes.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      for (ops::ValueId v : graph.nodes[n].inputs) {
        if (v >= 0) consumers_[static_cast<size_t>(v)].push_back(static_cast<int>(n));
      }
    }
    is_output_.resize(graph.values.size());
    for (ops::ValueId v : graph.outputs) is_output_[static_cast<size_t>(v)] = true;
  }

  std::vector<Group> run() {
    std::vector<Group> groups;
    for (int n = static_cast<int>(graph_.nodes.size()) - 1; n >= 0; --n) {
      const Node& node = graph_.nodes[static_cast<size_t>(n)];
      if (taken_[static_cast<size_t>(n)] || is_view_operator(node)) continue;
      groups.push_back(grow(n));
    }
    std::sort(groups.begin(), groups.end(),
              [](const Group& a, const Group& b) { return a.last() < b.last(); });
    return groups;
  }

 private:
  const Node& node(int n) const { return graph_.nodes[static_cast<size_t>(n)]; }

  Group grow(int last) {
    Group group;
    group.result = node(last).outputs[0];
    taken_[static_cast<size_t>(last)] = true;
    if (!runs_on_engines(graph_, node(last))) {
      group.anchor = last;
      const Lowering* lowering = find_lowering(node(last).op->name);
      group.by_reference = lowering == nullptr ||
                           (lowering->accepts != nullptr && !lowering->accepts(graph_, node(last)));
      return group;
    }
    std::set<int> members{last};
    bool grown = true;
    while (grown && members.size() < kMaxElementwise && group.anchor < 0) {
      grown = false;
      for (int m : std::set<int>(members)) {
        for (ops::ValueId v : node(m).inputs) grown = join(v, members, group) || grown;
      }
    }
    group.elementwise.assign(members.begin(), members.end());
    if (group.anchor >= 0) std::erase(group.elementwise, group.anchor);
    return group;
  }

  bool join(ops::ValueId v, std::set<int>& members, Group& group) {
    if (v < 0 || is_output_[static_cast<size_t>(v)]) return false;
    int producer = graph_.value(v).producer;
    if (producer < 0 || taken_[static_cast<size_t>(producer)] || members.size() >= kMaxElementwise)
      return false;
    const Node& from = node(producer);
    if (is_view_operator(from) || from.outputs.size() != 1) return false;
    if (graph_.type(v).shape != graph_.type(group.result).shape) return false;
    for (int reader : consumers_[static_cast<size_t>(v)]) {
      if (!members.contains(reader) || reader == group.anchor)
        return false;  // the anchor's operands come from outside
    }
    if (runs_on_engines(graph_, from)) {
      members.insert(producer);
    } else {
      const Lowering* lowering = find_lowering(from.op->name);
      bool fits = lowering != nullptr && lowering->fuses &&
                  (lowering->accepts == nullptr || lowering->accepts(graph_, from));
      if (!fits || group.anchor >= 0) return false;
      group.anchor = producer;
      members.insert(producer);
    }
    taken_[static_cast<size_t>(producer)] = true;
    return true;
  }

  const Graph& graph_;
  std::vector<std::vector<int>> consumers_;
  std::vector<bool> taken_, is_output_;
};

const Node* producer(const Graph& graph, ops::ValueId v) {
  const int index = graph.value(v).producer;
  return index < 0 ? nullptr : &graph.nodes[static_cast<size_t>(index)];
}

// Whether every element is a whole number, or NaN.
bool is_whole(const Graph& graph, ops::ValueId v, int depth = 8) {
  if (numerics::is_integer(graph.type(v).format)) return true;
  if (graph.is_constant(v)) {
    const ops::Tensor& tensor = graph.value(v).constant;
    if (tensor.type.elements() > 4096) return false;
    const std::vector<double> values = tensor.to_doubles();
    return std::all_of(values.begin(), values.end(),
                       [](double x) { return x == std::nearbyint(x); });
  }
  const Node* node = producer(graph, v);
  if (node == nullptr || depth == 0) return false;
  const std::string& op = node->op->name;
  if (op == "round_nearest_even" || op == "floor" || op == "ceil") return true;
  const bool keeps = op == "add" || op == "subtract" || op == "maximum" || op == "minimum" ||
                     op == "clamp" || op == "convert" || is_view_operator(*node);
  return keeps && std::all_of(node->inputs.begin(), node->inputs.end(),
                              [&](ops::ValueId x) { return is_whole(graph, x, depth - 1); });
}

// Between what its elements lie, NaN apart.
struct Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

Bounds bounds_of(const Graph& graph, ops::ValueId v, int depth = 8) {
  Bounds bounds;
  if (graph.is_constant(v)) {
    const ops::Tensor& tensor = graph.value(v).constant;
    if (tensor.type.elements() < 1 || tensor.type.elements() > 4096) return bounds;
    const std::vector<double> values = tensor.to_doubles();
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    return *low <= *high ? Bounds{*low, *high} : bounds;
  }
  const Node* node = producer(graph, v);
  if (node == nullptr || depth == 0) return bounds;
  const std::string& op = node->op->name;
  const auto of = [&](size_t i) { return bounds_of(graph, node->inputs[i], depth - 1); };
  if (is_view_operator(*node)) return of(0);
  if (op == "clamp") return {of(0).low, of(2).high};
  if (op != "maximum" && op != "minimum") return bounds;
  const Bounds a = of(0), b = of(1);
  if (op == "maximum") return {std::max(a.low, b.low), std::max(a.high, b.high)};
  return {std::min(a.low, b.low), std::min(a.high, b.high)};
}

// A conversion of whole numbers that are kept within the integer format: truncating and rounding,
// wrapping and saturating are the same.
bool converts_exactly(const Graph& graph, const Node& node) {
  if (node.op->name != "convert") return false;
  const numerics::FormatInfo& to = numerics::info(graph.type(node.outputs[0]).format);
  if (!numerics::is_integer(to.format) || to.bits > 16 || !is_whole(graph, node.inputs[0]))
    return false;
  const double values = std::ldexp(1.0, to.bits);
  const double lowest = to.kind == 'S' ? -values / 2 : 0;
  const Bounds bounds = bounds_of(graph, node.inputs[0]);
  return bounds.low >= lowest && bounds.high <= lowest + values - 1;
}

}  // namespace

bool is_view_operator(const Node& node) {
  const std::string& op = node.op->name;
  return op == "reshape" || op == "transpose" || op == "slice" || op == "broadcast_in_dim";
}

bool runs_on_engines(const Graph& graph, const Node& node) {
  if (node.op->category != Category::kElementwise || node.outputs.size() != 1) return false;
  const std::string& op = node.op->name;
  bool known = !std::holds_alternative<std::monostate>(node.op->engine_function) ||
               op == "compare" || op == "select" || op == "clamp" || op == "convert" || op == "not";
  if (!known) return false;
  // Integers wrap and conversions to them truncate; the engines round and saturate. Only what
  // cannot differ stays on them.
  if (converts_exactly(graph, node))
    return numerics::is_engine_float(graph.type(node.inputs[0]).format);
  auto narrow_float = [](numerics::Format f) {
    return f == numerics::Format::kBool || numerics::is_engine_float(f);
  };
  auto small = [&](numerics::Format f) {
    return narrow_float(f) || (numerics::is_integer(f) && numerics::byte_size(f) <= 2);
  };
  bool moves = op == "select" || op == "compare" || op == "convert";
  for (ops::ValueId v : node.inputs) {
    if (v < 0 || !(moves ? small(graph.type(v).format) : narrow_float(graph.type(v).format)))
      return false;
  }
  numerics::Format out = graph.type(node.outputs[0]).format;
  return op == "select" ? small(out) : narrow_float(out);
}

std::vector<Group> form_groups(const Graph& graph) { return Grouper(graph).run(); }

}  // namespace thorong::compiler
