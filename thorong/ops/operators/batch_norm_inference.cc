// SPDX-License-Identifier: Apache-2.0
// batch_norm_inference: (x - mean) / sqrt(variance + epsilon) * scale + offset for each channel of
// x [N, C, ...].
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr double kDefaultEpsilon = 1e-5;
constexpr const char* kParameters[] = {"x", "the scale", "the offset", "the mean", "the variance"};

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  if (x.shape.size() < 2) {                                // C2
    return invalid_argument(fmt::format("x must be [N, C, ...], found {}", to_string(x)));
  }
  for (size_t i = 1; i <= 4; ++i) {  // C3
    THORONG_RETURN_IF_ERROR(require_parameter(graph, node, i, {x.shape[1]}, kParameters[i]));
  }
  return one_result(x);
}

// y = x * multiplier + shift.
struct Affine {
  std::vector<double> multiplier, shift;
};

Affine fold_parameters(const Tensor& scale, const Tensor& offset, const Tensor& mean,
                       const Tensor& variance, double epsilon) {
  Affine affine{load<double>(scale), load<double>(offset)};
  const std::vector<double> means = load<double>(mean), variances = load<double>(variance);
  for (size_t c = 0; c < means.size(); ++c) {
    affine.multiplier[c] /= std::sqrt(variances[c] + epsilon);
    affine.shift[c] -= means[c] * affine.multiplier[c];
  }
  return affine;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const AxisView view = view_axis(inputs[0].type.shape, 1);
  const Affine affine = fold_parameters(inputs[1], inputs[2], inputs[3], inputs[4],
                                        node.attributes.number("epsilon", kDefaultEpsilon));
  std::vector<double> x = load<double>(inputs[0]);
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t c = 0; c < view.axis; ++c) {
      double* plane = x.data() + (o * view.axis + c) * view.inner;
      const double multiplier = affine.multiplier[static_cast<size_t>(c)];
      const double shift = affine.shift[static_cast<size_t>(c)];
      for (int64_t i = 0; i < view.inner; ++i) plane[i] = plane[i] * multiplier + shift;
    }
  }
  store(result_type(graph, node), x, outputs[0]);
  return ok_status();
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node) {
  Builder builder(into, node);
  const TensorType type = into.type(node.inputs[0]);
  const double epsilon = node.attributes.number("epsilon", kDefaultEpsilon);
  bool constant = true;
  for (size_t i = 1; i <= 4; ++i) constant = constant && into.is_constant(node.inputs[i]);
  const ValueId x = builder.widen(node.inputs[0]);
  const Format format = builder.type(x).format;
  ValueId multiplier = kNoValue, shift = kNoValue;
  if (constant) {
    const auto data = [&](size_t i) { return into.value(node.inputs[i]).constant; };
    const Affine affine = fold_parameters(data(1), data(2), data(3), data(4), epsilon);
    const TensorType channels{format, {type.shape[1]}};
    multiplier = builder.constant(channels, affine.multiplier);
    shift = builder.constant(channels, affine.shift);
  } else {
    const ValueId variance = builder.add_scalar("add", builder.widen(node.inputs[4]), epsilon);
    multiplier =
        builder.add("multiply", {builder.widen(node.inputs[1]), builder.add("rsqrt", {variance})});
    const ValueId moved = builder.add("multiply", {builder.widen(node.inputs[3]), multiplier});
    shift = builder.add("subtract", {builder.widen(node.inputs[2]), moved});
  }
  const ValueId scaled =
      builder.add("multiply", {x, builder.broadcast(multiplier, type.shape, {1})});
  const ValueId y = builder.add("add", {scaled, builder.broadcast(shift, type.shape, {1})});
  return builder.finish(builder.convert(y, type.format));
}

}  // namespace

std::vector<OperatorSpec> operator_specs_batch_norm_inference() {
  OperatorSpec spec;
  spec.name = "batch_norm_inference";
  spec.summary =
      "Normalises each channel by the given mean and variance, then scales and shifts it.";
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 5;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = [](const Graph& graph, const Node& node) {
    return Work{static_cast<double>(operand_type(graph, node, 0).elements()), 0};
  };
  spec.decompose = decompose;
  return {spec};
}

}  // namespace thorong::ops
