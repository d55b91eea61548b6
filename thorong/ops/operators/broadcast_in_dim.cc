// SPDX-License-Identifier: Apache-2.0
// broadcast_in_dim: dimension i of x becomes dimension broadcast_dimensions[i] of the result; the
// others repeat.
#include <fmt/format.h>

#include <set>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const Shape shape = node.attributes.integers("shape");
  const std::vector<int64_t> dimensions = node.attributes.integers("broadcast_dimensions");
  if (dimensions.size() != x.shape.size()) {  // C1
    return invalid_argument(
        fmt::format("broadcast_dimensions needs one entry for each dimension of {}, found {}",
                    to_string(x), to_string(dimensions)));
  }
  const std::set<int64_t> different(dimensions.begin(), dimensions.end());
  if (different.size() != dimensions.size()) {  // C2
    return invalid_argument(
        fmt::format("broadcast_dimensions must be different, found {}", to_string(dimensions)));
  }
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const int64_t d = dimensions[i];
    if (d < 0 || d >= static_cast<int64_t>(shape.size())) {  // C3
      return invalid_argument(
          fmt::format("broadcast_dimensions {} must be dimensions of the result {}",
                      to_string(dimensions), to_string(shape)));
    }
    if (x.shape[i] != 1 && x.shape[i] != shape[static_cast<size_t>(d)]) {  // C4
      return invalid_argument(
          fmt::format("dimension {} of {} must be 1 or that of dimension {} of the result {}", i,
                      to_string(x), d, to_string(shape)));
    }
  }
  return one_result({x.format, shape});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  const std::vector<int64_t> dimensions = node.attributes.integers("broadcast_dimensions");
  const std::vector<int64_t> x_strides = row_major_strides(x.shape);
  std::vector<int64_t> strides(out.shape.size(), 0);
  for (size_t i = 0; i < dimensions.size(); ++i) {
    if (x.shape[i] != 1) strides[static_cast<size_t>(dimensions[i])] = x_strides[i];
  }
  copy_strided(out.shape, numerics::byte_size(x.format), inputs[0].data, strides, outputs[0],
               row_major_strides(out.shape));
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_broadcast_in_dim() {
  OperatorSpec spec;
  spec.name = "broadcast_in_dim";
  spec.summary = "Repeats x along new dimensions and along dimensions of size 1.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
