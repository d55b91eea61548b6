// SPDX-License-Identifier: Apache-2.0
// lrn: x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta, as
// ONNX.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Parameters {
  int64_t size;
  double alpha, beta, bias;
  int64_t low() const { return (size - 1) / 2; }  // channels before
  int64_t high() const { return size - 1 - low(); }
};

Parameters parameters_of(const Node& node) {
  return {node.attributes.integer("size", 1), node.attributes.number("alpha", 1e-4),
          node.attributes.number("beta", 0.75), node.attributes.number("bias", 1)};
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  if (x.shape.size() < 2) {                                // C2
    return invalid_argument(fmt::format("x must be [N, C, ...], found {}", to_string(x)));
  }
  const int64_t size = parameters_of(node).size;
  if (size < 1 || size > (int64_t{1} << 31)) {  // C3
    return invalid_argument(
        fmt::format("the size must be a positive number of channels, found {}", size));
  }
  return one_result(x);
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const Parameters p = parameters_of(node);
  const AxisView view = view_axis(inputs[0].type.shape, 1);
  const std::vector<double> x = load<double>(inputs[0]);
  std::vector<double> y(x.size());
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t c = 0; c < view.axis; ++c) {
      const int64_t first = std::max<int64_t>(0, c - p.low()),
                    last = std::min(view.axis - 1, c + p.high());
      for (int64_t i = 0; i < view.inner; ++i) {
        double squares = 0;
        for (int64_t k = first; k <= last; ++k) {
          const double value = x[static_cast<size_t>((o * view.axis + k) * view.inner + i)];
          squares += value * value;
        }
        const auto at = static_cast<size_t>((o * view.axis + c) * view.inner + i);
        y[at] = x[at] * std::pow(p.bias + p.alpha / static_cast<double>(p.size) * squares, -p.beta);
      }
    }
  }
  store(result_type(graph, node), y, outputs[0]);
  return ok_status();
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node) {
  Builder builder(into, node);
  const Parameters p = parameters_of(node);
  const TensorType type = into.type(node.inputs[0]);
  const ValueId x = builder.widen(node.inputs[0]);
  const auto channels = [&](int64_t others, int64_t value) {
    std::vector<int64_t> list(type.shape.size(), others);
    list[1] = value;
    return list;
  };
  const ValueId sums = builder.add("reduce_window", {builder.add("square", {x})},
                                   make_attributes({{"function", std::string("add")},
                                                    {"window_dimensions", channels(1, p.size)},
                                                    {"padding_low", channels(0, p.low())},
                                                    {"padding_high", channels(0, p.high())}}));
  const ValueId scaled =
      builder.add_scalar("multiply", sums, p.alpha / static_cast<double>(p.size));
  const ValueId power =
      builder.add_scalar("power", builder.add_scalar("add", scaled, p.bias), -p.beta);
  return builder.finish(builder.convert(builder.add("multiply", {x, power}), type.format));
}

Work work(const Graph& graph, const Node& node) {
  const auto elements = static_cast<double>(operand_type(graph, node, 0).elements());
  return {0, elements * static_cast<double>(parameters_of(node).size + 5)};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_lrn() {
  OperatorSpec spec;
  spec.name = "lrn";
  spec.summary = "Divides by a power of the sum of squares of neighbouring channels.";
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  spec.decompose = decompose;
  return {spec};
}

}  // namespace thorong::ops
