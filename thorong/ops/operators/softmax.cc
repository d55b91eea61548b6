// SPDX-License-Identifier: Apache-2.0
// softmax and log_softmax along an axis. C1: x is a float. C2: the axis exists.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  THORONG_RETURN_IF_ERROR(
      resolve_axis(node.attributes.integer("axis", -1), x.shape.size(), "axis").status());  // C2
  return one_result(x);
}

void softmax_line(double* x, int64_t n, int64_t stride, bool logarithm) {
  double maximum = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t i = 0; i < n; ++i) maximum = combine(Combine::kMaximum, maximum, x[i * stride]);
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i * stride] - maximum);
  for (int64_t i = 0; i < n; ++i) {
    const double shifted = x[i * stride] - maximum;
    x[i * stride] = logarithm ? shifted - std::log(sum) : std::exp(shifted) / sum;
  }
}

Status run(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs,
           bool logarithm) {
  const Shape& shape = inputs[0].type.shape;
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis", -1), shape.size(), "axis"));
  const AxisView view = view_axis(shape, axis);
  std::vector<double> x = load<double>(inputs[0]);
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t i = 0; i < view.inner; ++i) {
      softmax_line(x.data() + o * view.axis * view.inner + i, view.axis, view.inner, logarithm);
    }
  }
  store(result_type(graph, node), x, outputs[0]);
  return ok_status();
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node, bool logarithm) {
  Builder builder(into, node);
  const TensorType type = into.type(node.inputs[0]);
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis", -1), type.shape.size(), "axis"));
  const std::vector<int64_t> axes{static_cast<int64_t>(axis)};
  const ValueId x = builder.widen(node.inputs[0]);
  const ValueId shifted =
      builder.add("subtract", {x, builder.reduce_and_broadcast(x, "maximum", axes)});
  const ValueId exponential = builder.add("exponential", {shifted});
  if (!logarithm) {
    const ValueId sum = builder.reduce_and_broadcast(exponential, "add", axes);
    return builder.finish(builder.convert(builder.add("divide", {exponential, sum}), type.format));
  }
  // The logarithm is taken of the sums before they are repeated.
  const ValueId sum =
      builder.add("reduce", {exponential},
                  make_attributes({{"dimensions", axes}, {"function", std::string("add")}}));
  std::vector<int64_t> kept;
  for (size_t i = 0; i < type.shape.size(); ++i) {
    if (i != axis) kept.push_back(static_cast<int64_t>(i));
  }
  const ValueId logarithms = builder.broadcast(builder.add("log", {sum}), type.shape, kept);
  return builder.finish(
      builder.convert(builder.add("subtract", {shifted, logarithms}), type.format));
}

OperatorSpec make_spec(bool logarithm) {
  OperatorSpec spec;
  spec.name = logarithm ? "log_softmax" : "softmax";
  spec.summary =
      logarithm ? "The logarithm of softmax." : "exp(x) divided by its sum along one axis.";
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = [logarithm](const Graph& graph, const Node& node, Inputs inputs,
                               OutputData outputs) {
    return run(graph, node, inputs, outputs, logarithm);
  };
  spec.work = [](const Graph& graph, const Node& node) {
    return Work{0, 5.0 * static_cast<double>(operand_type(graph, node, 0).elements())};
  };
  spec.decompose = [logarithm](Graph& into, const Node& node) {
    return decompose(into, node, logarithm);
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_softmax() { return {make_spec(false), make_spec(true)}; }

}  // namespace thorong::ops
