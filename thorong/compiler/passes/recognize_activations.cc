// SPDX-License-Identifier: Apache-2.0
// recognize_activations: exporters spell activation functions out; Scalar has them as one
// instruction.
//
//   gelu       x * 0.5 * (1 + erf(x / sqrt 2)), in any order of the factors
//   gelu_tanh  x * 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
//   silu       x * logistic(x)
//
// The rewritten node computes the same function with fewer roundings. Matched on operators and
// constants, not on names.
#include <cmath>
#include <optional>
#include <vector>

#include "thorong/compiler/passes/match.h"
#include "thorong/compiler/passes/passes.h"
#include "thorong/ops/operator.h"

namespace thorong::compiler {
namespace {

using ops::Graph;
using ops::Node;
using ops::ValueId;

class Matcher {
 public:
  explicit Matcher(const Graph& graph) : graph_(graph) {}

  const Node* made_by(ValueId v, std::string_view op) const {
    return compiler::made_by(graph_, v, op);
  }
  std::optional<double> number(ValueId v) const { return compiler::number(graph_, v); }

  // v as a product: its factors that are not numbers, and the product of the numbers. Divisions by
  // numbers count.
  void factors(ValueId v, std::vector<ValueId>& parts, double& scale, int depth = 0) const {
    if (auto n = number(v)) {
      scale *= *n;
      return;
    }
    if (const Node* node = made_by(v, "multiply"); node != nullptr && depth < 4) {
      factors(node->inputs[0], parts, scale, depth + 1);
      factors(node->inputs[1], parts, scale, depth + 1);
      return;
    }
    if (const Node* node = made_by(v, "divide"); node != nullptr && depth < 4) {
      if (auto n = number(node->inputs[1]); n && *n != 0) {
        factors(node->inputs[0], parts, scale, depth + 1);
        scale /= *n;
        return;
      }
    }
    parts.push_back(v);
  }

  // v = other + 1: other.
  std::optional<ValueId> less_one(ValueId v) const {
    const Node* add = made_by(v, "add");
    if (add == nullptr) return std::nullopt;
    for (size_t i = 0; i < 2; ++i) {
      if (auto n = number(add->inputs[i]); n && close(*n, 1.0)) return add->inputs[1 - i];
    }
    return std::nullopt;
  }

  static bool close(double a, double b) { return std::fabs(a - b) <= 2e-6 * std::fabs(b); }

  // v = scale * x exactly, up to the rounding of the constant.
  bool is_scaled(ValueId v, double scale, ValueId x) const {
    std::vector<ValueId> parts;
    double found = 1;
    factors(v, parts, found);
    return parts.size() == 1 && parts[0] == x && close(found, scale);
  }

  bool is_cube(ValueId v, ValueId x, double scale) const {
    std::vector<ValueId> parts;
    double found = 1;
    factors(v, parts, found);
    if (!close(found, scale)) return false;
    if (parts.size() == 3) return parts[0] == x && parts[1] == x && parts[2] == x;
    if (parts.size() != 1) return false;
    const Node* power = made_by(parts[0], "power");
    if (power == nullptr || power->inputs[0] != x) return false;
    auto n = number(power->inputs[1]);
    return n && *n == 3.0;
  }

  bool is_gelu_gate(ValueId gate, ValueId x) const {
    const Node* erf = made_by(gate, "erf");
    return erf != nullptr && is_scaled(erf->inputs[0], std::sqrt(0.5), x);
  }

  bool is_gelu_tanh_gate(ValueId gate, ValueId x) const {
    const Node* tanh = made_by(gate, "tanh");
    if (tanh == nullptr) return false;
    std::vector<ValueId> parts;
    double scale = 1;
    factors(tanh->inputs[0], parts, scale);
    if (parts.size() != 1 || !close(scale, std::sqrt(2.0 / 3.14159265358979323846))) return false;
    const Node* add = made_by(parts[0], "add");
    if (add == nullptr) return false;
    for (size_t i = 0; i < 2; ++i) {
      if (add->inputs[i] == x && is_cube(add->inputs[1 - i], x, 0.044715)) return true;
    }
    return false;
  }

  // The function that a multiply node computes of *x.
  std::optional<std::string> activation(const Node& node, ValueId* x) const {
    std::vector<ValueId> parts;
    double scale = 1;
    factors(node.outputs[0], parts, scale);
    if (parts.size() != 2) return std::nullopt;
    for (size_t i = 0; i < 2; ++i) {
      *x = parts[i];
      ValueId gate = parts[1 - i];
      if (const Node* logistic = made_by(gate, "logistic");
          logistic != nullptr && close(scale, 1.0) && logistic->inputs[0] == *x) {
        return "silu";
      }
      auto inner = less_one(gate);
      if (!inner || !close(scale, 0.5)) continue;
      if (is_gelu_gate(*inner, *x)) return "gelu";
      if (is_gelu_tanh_gate(*inner, *x)) return "gelu_tanh";
    }
    return std::nullopt;
  }

 private:
  const Graph& graph_;
};

}  // namespace

Status recognize_activations(Graph& graph) {
  Matcher matcher(graph);
  std::vector<bool> is_output(graph.values.size());
  for (ValueId v : graph.outputs) is_output[static_cast<size_t>(v)] = true;
  for (Node& node : graph.nodes) {
    if (node.op->name != "multiply" || !numerics::is_float(graph.type(node.outputs[0]).format))
      continue;
    ValueId x = -1;
    auto function = matcher.activation(node, &x);
    if (!function || graph.type(x) != graph.type(node.outputs[0])) continue;
    const ops::OperatorSpec* spec = ops::find_operator(*function);
    if (spec == nullptr) continue;
    node.op = spec;
    node.inputs = {x};
    node.attributes = {};
  }
  ops::remove_dead_nodes(graph);
  return ok_status();
}

}  // namespace thorong::compiler
