// SPDX-License-Identifier: Apache-2.0
// layer_norm: (x - mean) / sqrt(variance + epsilon) * scale + bias over the dimensions from `axis`
// on; rms_norm: x / sqrt(mean of squares + epsilon) * scale. C1: x is a float. C2: the axis exists.
// C3: scale and bias have the shape of the normalised dimensions.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr double kDefaultEpsilon = 1e-5;

Result<size_t> axis_of(const Node& node, const TensorType& x) {
  return resolve_axis(node.attributes.integer("axis", -1), x.shape.size(), "axis");
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  THORONG_TRY(const size_t axis, axis_of(node, x));        // C2
  const Shape normalised(x.shape.begin() + static_cast<std::ptrdiff_t>(axis), x.shape.end());
  THORONG_RETURN_IF_ERROR(require_parameter(graph, node, 1, normalised, "the scale"));  // C3
  THORONG_RETURN_IF_ERROR(require_parameter(graph, node, 2, normalised, "the bias"));
  return one_result(x);
}

void normalise(double* x, int64_t n, double epsilon, bool centre) {
  const auto count = static_cast<double>(n);
  double mean = 0, squares = 0;
  for (int64_t i = 0; centre && i < n; ++i) mean += x[i];
  mean /= count;
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const double factor = 1 / std::sqrt(squares / count + epsilon);
  for (int64_t i = 0; i < n; ++i) x[i] = (x[i] - mean) * factor;
}

Status run(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs, bool centre) {
  const TensorType& type = inputs[0].type;
  THORONG_TRY(const size_t axis, axis_of(node, type));
  const AxisView view = view_axis(type.shape, axis);
  const int64_t n = view.axis * view.inner;
  const double epsilon = node.attributes.number("epsilon", kDefaultEpsilon);
  std::vector<double> x = load<double>(inputs[0]);
  const std::vector<double> scale =
      has_operand(node, 1) ? load<double>(inputs[1]) : std::vector<double>();
  const std::vector<double> bias =
      has_operand(node, 2) ? load<double>(inputs[2]) : std::vector<double>();
  for (int64_t o = 0; o < view.outer; ++o) {
    double* line = x.data() + o * n;
    normalise(line, n, epsilon, centre);
    for (size_t i = 0; i < scale.size(); ++i) line[i] *= scale[i];
    for (size_t i = 0; i < bias.size(); ++i) line[i] += bias[i];
  }
  store(result_type(graph, node), x, outputs[0]);
  return ok_status();
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node, bool centre) {
  Builder builder(into, node);
  const TensorType type = into.type(node.inputs[0]);
  THORONG_TRY(const size_t axis, axis_of(node, type));
  std::vector<int64_t> axes, outer;
  double count = 1;
  for (size_t i = 0; i < type.shape.size(); ++i) {
    (i < axis ? outer : axes).push_back(static_cast<int64_t>(i));
    if (i >= axis) count *= static_cast<double>(type.shape[i]);
  }
  const auto mean = [&](ValueId x) {
    const ValueId sum = builder.add(
        "reduce", {x}, make_attributes({{"dimensions", axes}, {"function", std::string("add")}}));
    return builder.add_scalar("divide", sum, count);
  };
  const double epsilon = node.attributes.number("epsilon", kDefaultEpsilon);
  ValueId x = builder.widen(node.inputs[0]);
  if (centre) x = builder.add("subtract", {x, builder.broadcast(mean(x), type.shape, outer)});
  const ValueId variance = builder.add_scalar("add", mean(builder.add("square", {x})), epsilon);
  const ValueId factor = builder.broadcast(builder.add("rsqrt", {variance}), type.shape, outer);
  ValueId y = builder.add("multiply", {x, factor});
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (!has_operand(node, i)) continue;
    const ValueId parameter = builder.broadcast(builder.widen(node.inputs[i]), type.shape, axes);
    y = builder.add(i == 1 ? "multiply" : "add", {y, parameter});
  }
  return builder.finish(builder.convert(y, type.format));
}

OperatorSpec make_spec(bool centre) {
  OperatorSpec spec;
  spec.name = centre ? "layer_norm" : "rms_norm";
  spec.summary =
      centre ? "Subtracts the mean and divides by the standard deviation of the last dimensions."
             : "Divides by the root of the mean square of the last dimensions.";
  spec.category = Category::kComposite;
  spec.min_inputs = centre ? 1 : 2;
  spec.max_inputs = centre ? 3 : 2;
  spec.infer = infer;
  spec.reference = [centre](const Graph& graph, const Node& node, Inputs inputs,
                            OutputData outputs) {
    return run(graph, node, inputs, outputs, centre);
  };
  spec.work = [](const Graph& graph, const Node& node) {
    return Work{0, 7.0 * static_cast<double>(operand_type(graph, node, 0).elements())};
  };
  spec.decompose = [centre](Graph& into, const Node& node) {
    return decompose(into, node, centre);
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_layer_norm() {
  return {make_spec(true), make_spec(false)};
}

}  // namespace thorong::ops
