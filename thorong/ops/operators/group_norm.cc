// SPDX-License-Identifier: Apache-2.0
// group_norm and instance_norm: x [N, C, ...] is normalised over the channels of each group and all
// spatial dimensions, then scaled and shifted for each channel; in instance_norm each channel is a
// group.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr double kDefaultEpsilon = 1e-5;

int64_t groups_of(const Node& node, const Shape& shape) {
  return node.op->name == "instance_norm" ? shape[1] : node.attributes.integer("groups", 1);
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  if (x.shape.size() < 2) {                                // C2
    return invalid_argument(fmt::format("x must be [N, C, ...], found {}", to_string(x)));
  }
  const int64_t groups = groups_of(node, x.shape);
  if (x.shape[1] != 0 && (groups < 1 || x.shape[1] % groups != 0)) {  // C3
    return invalid_argument(
        fmt::format("the {} channels must divide into `groups`, found {}", x.shape[1], groups));
  }
  THORONG_RETURN_IF_ERROR(require_parameter(graph, node, 1, {x.shape[1]}, "the scale"));  // C4
  THORONG_RETURN_IF_ERROR(require_parameter(graph, node, 2, {x.shape[1]}, "the bias"));
  return one_result(x);
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const Shape& shape = inputs[0].type.shape;
  if (inputs[0].type.elements() == 0) return ok_status();
  const AxisView view = view_axis(shape, 1);
  const int64_t groups = groups_of(node, shape), n = view.axis / groups * view.inner;
  const double epsilon = node.attributes.number("epsilon", kDefaultEpsilon);
  const std::vector<double> scale = load<double>(inputs[1]), bias = load<double>(inputs[2]);
  std::vector<double> x = load<double>(inputs[0]);
  for (int64_t g = 0; g < view.outer * groups; ++g) {
    double* group = x.data() + g * n;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < n; ++i) mean += group[i];
    mean /= static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) squares += (group[i] - mean) * (group[i] - mean);
    const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + epsilon);
    const int64_t first_channel = g % groups * (view.axis / groups);
    for (int64_t i = 0; i < n; ++i) {
      const auto channel = static_cast<size_t>(first_channel + i / view.inner);
      group[i] = (group[i] - mean) * factor * scale[channel] + bias[channel];
    }
  }
  store(result_type(graph, node), x, outputs[0]);
  return ok_status();
}

Result<std::vector<ValueId>> decompose(Graph& into, const Node& node) {
  Builder builder(into, node);
  const TensorType type = into.type(node.inputs[0]);
  const ValueId wide = builder.widen(node.inputs[0]);
  if (type.elements() == 0) return builder.finish(node.inputs[0]);
  const AxisView view = view_axis(type.shape, 1);
  const int64_t groups = groups_of(node, type.shape), n = view.axis / groups * view.inner;
  const Shape grouped{view.outer * groups, n};
  const auto mean = [&](ValueId x) {
    const ValueId sum = builder.add("reduce", {x},
                                    make_attributes({{"dimensions", std::vector<int64_t>{1}},
                                                     {"function", std::string("add")}}));
    return builder.add_scalar("divide", sum, static_cast<double>(n));
  };
  const ValueId x = builder.add("reshape", {wide}, make_attributes({{"shape", grouped}}));
  const ValueId centred = builder.add("subtract", {x, builder.broadcast(mean(x), grouped, {0})});
  const ValueId variance = builder.add_scalar("add", mean(builder.add("square", {centred})),
                                              node.attributes.number("epsilon", kDefaultEpsilon));
  const ValueId factor = builder.broadcast(builder.add("rsqrt", {variance}), grouped, {0});
  const ValueId normalised = builder.add("reshape", {builder.add("multiply", {centred, factor})},
                                         make_attributes({{"shape", type.shape}}));
  const ValueId scale = builder.broadcast(builder.widen(node.inputs[1]), type.shape, {1});
  const ValueId bias = builder.broadcast(builder.widen(node.inputs[2]), type.shape, {1});
  const ValueId y = builder.add("add", {builder.add("multiply", {normalised, scale}), bias});
  return builder.finish(builder.convert(y, type.format));
}

OperatorSpec make_spec(const char* name, const char* summary) {
  OperatorSpec spec;
  spec.name = name;
  spec.summary = summary;
  spec.category = Category::kComposite;
  spec.min_inputs = spec.max_inputs = 3;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = [](const Graph& graph, const Node& node) {
    return Work{0, 8.0 * static_cast<double>(operand_type(graph, node, 0).elements())};
  };
  spec.decompose = decompose;
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_group_norm() {
  return {make_spec("group_norm",
                    "Normalises each group of channels, then scales and shifts each channel."),
          make_spec("instance_norm",
                    "Normalises each channel of each image, then scales and shifts it.")};
}

}  // namespace thorong::ops
