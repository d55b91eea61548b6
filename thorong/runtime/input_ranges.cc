// SPDX-License-Identifier: Apache-2.0
// Follows each input forwards through what only moves its elements or adds a constant, to the
// operators that say what they are for. What lies behind other operators (an index computed by
// multiplication, say) is not looked at.
#include "thorong/runtime/input_ranges.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>

#include "thorong/ops/operator.h"

namespace thorong::runtime {
namespace {

constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();
constexpr IntegerRange kSmall{0, 9}, kMask{0, 1};

// What is known of one input: the values that its uses allow, and what kind of uses they are.
struct Uses {
  IntegerRange index{0, kLargest};     // by operators that choose elements
  IntegerRange compared{0, -1};        // by constants that it is compared with; empty: none
  bool divides = false, mask = false;  // a divisor; read as a truth value or as a float
};

// A value that is the input's elements plus a constant in [low, high].
struct Derived {
  ops::ValueId value;
  int64_t low, high;
  auto operator<=>(const Derived&) const = default;
};

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The least and greatest element of an integer constant that is not large.
bool bounds_of(const ops::Graph& graph, ops::ValueId v, int64_t& low, int64_t& high) {
  if (v < 0 || !graph.is_constant(v) || !numerics::is_integer(graph.type(v).format)) return false;
  std::vector<int64_t> values = graph.value(v).constant.to_int64s();
  if (values.empty()) return false;
  auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  low = *least, high = *greatest;
  return low >= -kLargest && high <= kLargest;
}

class Walk {
 public:
  explicit Walk(const ops::Graph& graph) : graph_(graph), readers_(graph.values.size()) {
    for (const ops::Node& node : graph.nodes) {
      for (ops::ValueId v : std::set<ops::ValueId>(node.inputs.begin(), node.inputs.end())) {
        if (v >= 0) readers_[static_cast<size_t>(v)].push_back(&node);
      }
    }
  }

  Uses uses_of(ops::ValueId input) {
    uses_ = {};
    std::set<Derived> seen;
    std::vector<Derived> open{{input, 0, 0}};
    while (!open.empty()) {
      Derived x = open.back();
      open.pop_back();
      if (!seen.insert(x).second || seen.size() > 10000) continue;
      for (const ops::Node* node : readers_[static_cast<size_t>(x.value)]) {
        for (size_t i = 0; i < node->inputs.size(); ++i) {
          if (node->inputs[i] == x.value) visit(*node, i, x, open);
        }
      }
    }
    return uses_;
  }

 private:
  // An element must lie in [0, limit) after the constant was added. What asks for negative elements
  // is the other branch of a choice by sign.
  void choose_below(int64_t limit, const Derived& x) {
    int64_t low = std::max(uses_.index.low, -x.low),
            high = std::min(uses_.index.high, limit - 1 - x.high);
    if (high >= 0 && low <= high) uses_.index = {low, high};
  }

  void visit(const ops::Node& node, size_t operand, const Derived& x, std::vector<Derived>& open) {
    const std::string& op = node.op->name;
    const ops::Shape& data = graph_.type(node.inputs[0]).shape;
    if (is_one_of(op, {"take", "take_along_axis"}) && operand == 1) {
      return choose_below(data[static_cast<size_t>(node.attributes.integer("axis"))], x);
    }
    if (is_one_of(op, {"gather_nd", "scatter_nd"}) && operand == 1) {
      auto first = static_cast<size_t>(node.attributes.integer("batch_dims"));
      auto count = static_cast<size_t>(graph_.type(x.value).shape.back());
      for (size_t d = first; d < first + count; ++d) choose_below(data[d], x);
      return;
    }
    int64_t low = 0, high = 0;
    bool constant =
        node.inputs.size() == 2 && bounds_of(graph_, node.inputs[1 - operand], low, high);
    if (op == "compare") return compare(node, constant, high - x.low);
    if (op == "select" && operand == 0) uses_.mask = true;
    if (is_one_of(op, {"divide", "remainder", "modulo"}) && operand == 1) uses_.divides = true;
    if (is_one_of(op, {"and", "or", "xor", "not"})) uses_.mask = true;
    if (op == "convert" && !numerics::is_integer(graph_.type(node.outputs[0]).format))
      uses_.mask = true;
    if (moves(op, operand) && numerics::is_integer(graph_.type(node.outputs[0]).format)) {
      open.push_back({node.outputs[0], x.low, x.high});
    } else if (constant && op == "add") {
      push(node, x.low + low, x.high + high, open);
    } else if (constant && op == "subtract" && operand == 0) {
      push(node, x.low - high, x.high - low, open);
    }
  }

  static void push(const ops::Node& node, int64_t low, int64_t high, std::vector<Derived>& open) {
    if (low >= -kLargest && high <= kLargest) open.push_back({node.outputs[0], low, high});
  }

  static bool moves(const std::string& op, size_t operand) {
    if (op == "select") return operand > 0;
    if (is_one_of(op, {"take", "take_along_axis", "gather_nd", "pad"})) return operand == 0;
    return is_one_of(op, {"convert", "reshape", "transpose", "slice", "reverse", "broadcast_in_dim",
                          "concatenate", "identity"});
  }

  void compare(const ops::Node& node, bool constant, int64_t greatest) {
    if (constant && greatest >= 1 && node.attributes.text("direction") == "EQ") {
      uses_.compared.high = std::max(uses_.compared.high, greatest);
    } else {
      uses_.mask = true;
    }
  }

  const ops::Graph& graph_;
  std::vector<std::vector<const ops::Node*>> readers_;  // by value
  Uses uses_;
};

// The largest integer of a format, as far as it is not beyond kLargest.
int64_t largest(numerics::Format format) {
  const int bits = numerics::info(format).bits;
  if (bits >= 32) return kLargest;
  bool is_signed = numerics::info(format).kind == 'S';
  return (int64_t{1} << (is_signed ? bits - 1 : bits)) - 1;
}

IntegerRange range_of(const Uses& uses, numerics::Format format) {
  if (uses.index != IntegerRange{0, kLargest}) return uses.index;
  if (uses.compared.high > 0) return uses.compared;
  const int64_t first = uses.divides ? 1 : 0;
  if (format == numerics::Format::kUint8) return {first, 255};
  if (format == numerics::Format::kInt8) return {uses.divides ? 1 : -128, 127};
  if (uses.divides) return {first, kSmall.high};
  return uses.mask ? kMask : kSmall;
}

}  // namespace

std::vector<IntegerRange> input_ranges(const ops::Graph& graph) {
  std::vector<IntegerRange> ranges;
  Walk walk(graph);
  for (ops::ValueId input : graph.inputs) {
    numerics::Format format = graph.type(input).format;
    bool integers = numerics::is_integer(format) && format != numerics::Format::kBool;
    IntegerRange range = integers ? range_of(walk.uses_of(input), format) : kMask;
    range.high = std::min(range.high, largest(format));
    ranges.push_back(range);
  }
  return ranges;
}

}  // namespace thorong::runtime
