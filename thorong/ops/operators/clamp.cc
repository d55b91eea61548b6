// SPDX-License-Identifier: Apache-2.0
// clamp: y[i] = min(max(x[i], low), high). C1: each bound has x's format and either x's shape or
// rank 0.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 1);
  for (const size_t i : {size_t{0}, size_t{2}}) {
    const TensorType& bound = operand_type(graph, node, i);
    if (bound.format != x.format || (!bound.shape.empty() && bound.shape != x.shape)) {  // C1
      return invalid_argument(fmt::format("a bound must be {} or a {} scalar, found {}",
                                          to_string(x), numerics::name(x.format),
                                          to_string(bound)));
    }
  }
  return one_result(x);
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  return with_number_type(inputs[1].type.format, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> low = load<T>(inputs[0]), high = load<T>(inputs[2]);
    const size_t low_step = inputs[0].type.shape.empty() ? 0 : 1;
    const size_t high_step = inputs[2].type.shape.empty() ? 0 : 1;
    std::vector<T> x = load<T>(inputs[1]);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = combine(Combine::kMinimum, combine(Combine::kMaximum, x[i], low[i * low_step]),
                     high[i * high_step]);
    }
    store(result_type(graph, node), x, outputs[0]);
    return ok_status();
  });
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node) {
  Builder builder(into, node);
  const Shape shape = into.type(node.inputs[1]).shape;
  const auto bound = [&](ValueId id) {
    return into.type(id).shape == shape ? id : builder.broadcast(id, shape, {});
  };
  const ValueId raised = builder.add("maximum", {node.inputs[1], bound(node.inputs[0])});
  return builder.finish(builder.add("minimum", {raised, bound(node.inputs[2])}));
}

}  // namespace

std::vector<OperatorSpec> operator_specs_clamp() {
  OperatorSpec spec;
  spec.name = "clamp";
  spec.summary = "Limits each element to the range from the first to the third operand.";
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 3;
  spec.infer = infer;
  spec.reference = reference;
  spec.decompose = decompose;
  return {spec};
}

}  // namespace thorong::ops
