// SPDX-License-Identifier: Apache-2.0
// move_scales: a product times a power of two is the product of a scaled operand, exactly (unless
// it becomes subnormal).
//
//   before   q = x + bias;  s = dot_general(view(q), k);  t = s * 0.125
//   after    q = (x + bias) * 0.125;  t = dot_general(view(q), k)
//
// Only where the tensor engine takes operands with fp32's range: in a narrower one (fp16, fp8) the
// scaled operand may be subnormal, or infinite, where the other is neither.
//
// Done where the operand has fewer elements than the product and an elementwise node makes it, so
// that the factor joins that node's pass: attention scores are many, queries few.
#include <cmath>
#include <map>
#include <vector>

#include "thorong/compiler/codegen.h"
#include "thorong/compiler/passes/match.h"
#include "thorong/compiler/passes/passes.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::Node;
using ops::ValueId;

bool is_power_of_two(double value) {
  int exponent = 0;
  return value > 0 && std::frexp(value, &exponent) == 0.5 && std::abs(exponent) < 64;
}

class Scales {
 public:
  Scales(const Graph& graph, const isa::CoreParameters& core, const CompileOptions& options)
      : graph_(graph), core_(core), options_(options), readers_(graph.values.size()) {
    for (const Node& node : graph.nodes) {
      for (ValueId v : node.inputs) {
        if (v >= 0) ++readers_[static_cast<size_t>(v)];
      }
    }
    for (ValueId v : graph.outputs) readers_[static_cast<size_t>(v)] += 2;
    for (const Node& node : graph.nodes) find(node);
  }

  std::map<ValueId, double> factors;  // values that are scaled where they are made
  std::map<ValueId, ValueId>
      products;  // results of scalings that go: the product that takes their place

 private:
  bool read_once(ValueId v) const { return readers_[static_cast<size_t>(v)] == 1; }

  // The value behind views that nobody else reads and that an elementwise node makes, else -1.
  ValueId source(ValueId v) const {
    while (true) {
      int producer = graph_.value(v).producer;
      if (producer < 0 || !read_once(v)) return -1;
      const Node& node = graph_.nodes[static_cast<size_t>(producer)];
      if (is_view_operator(node) && node.op->name != "broadcast_in_dim")
        v = node.inputs[0];
      else
        return node.op->name == "add" && runs_on_engines(graph_, node) ? v : -1;
    }
  }

  bool has_range_of_fp32(ValueId operand) const {
    Format format = matmul_format(graph_.type(operand).format, core_, options_);
    return numerics::info(format).exponent_bits == numerics::info(Format::kFloat32).exponent_bits;
  }

  void find(const Node& node) {
    bool divides = node.op->name == "divide";
    if (!divides && node.op->name != "multiply") return;
    for (size_t i = divides ? 1 : 0; i < 2; ++i) {
      auto factor = number(graph_, node.inputs[i]);
      ValueId product = node.inputs[1 - i];
      const Node* dot = made_by(graph_, product, "dot_general");
      if (!factor || dot == nullptr || !read_once(product) || !is_power_of_two(*factor)) continue;
      if (graph_.type(product) != graph_.type(node.outputs[0])) continue;
      for (ValueId operand : dot->inputs) {
        ValueId made = source(operand);
        if (made < 0 || factors.contains(made) || !has_range_of_fp32(operand) ||
            graph_.type(made).elements() >= graph_.type(product).elements())
          continue;
        factors[made] = divides ? 1 / *factor : *factor;
        products[node.outputs[0]] = product;
        return;
      }
    }
  }

  const Graph& graph_;
  const isa::CoreParameters& core_;
  const CompileOptions& options_;
  std::vector<int> readers_;
};

// v times a number, as the last node of `graph`.
Result<ValueId> scaled(Graph& graph, ValueId v, double factor, const std::string& name) {
  ops::TensorType scalar{graph.type(v).format, {}};
  ValueId constant = graph.add_constant(name, ops::Tensor::from_doubles(scalar, {factor}));
  ops::Attributes attributes;
  attributes.set("shape", graph.type(v).shape);
  attributes.set("broadcast_dimensions", std::vector<int64_t>{});
  THORONG_TRY(ValueId wide, graph.add1("broadcast_in_dim", {constant}, attributes, name));
  return graph.add1("multiply", {v, wide}, {}, name);
}

}  // namespace

Status move_scales(Graph& graph, const isa::CoreParameters& core, const CompileOptions& options) {
  Scales scales(graph, core, options);
  if (scales.factors.empty()) return ok_status();
  Graph next = graph;
  next.nodes.clear();
  for (ops::Value& value : next.values) value.producer = -1;
  std::map<ValueId, ValueId> renamed;
  auto now = [&](ValueId v) {
    auto it = renamed.find(v);
    return it == renamed.end() ? v : it->second;
  };
  for (const Node& old : graph.nodes) {
    if (auto it = scales.products.find(old.outputs[0]); it != scales.products.end()) {
      renamed[old.outputs[0]] = now(it->second);
      continue;
    }
    Node node = old;
    for (ValueId& v : node.inputs) v = now(v);
    for (ValueId v : node.outputs) {
      if (v >= 0) next.value(v).producer = static_cast<int32_t>(next.nodes.size());
    }
    next.nodes.push_back(std::move(node));
    auto factor = scales.factors.find(old.outputs[0]);
    if (factor == scales.factors.end()) continue;
    THORONG_TRY(renamed[old.outputs[0]], scaled(next, old.outputs[0], factor->second, old.name));
  }
  for (ValueId& v : next.outputs) v = now(v);
  graph = std::move(next);
  ops::remove_dead_nodes(graph);
  return ops::verify(graph);
}

}  // namespace thorong::compiler
