// SPDX-License-Identifier: Apache-2.0
// take and take_along_axis: elements of x chosen by integer indices; negative indices count from
// the end, indices outside are an error.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Status require_integers(const TensorType& indices) {
  if (numerics::is_integer(indices.format)) return ok_status();
  return invalid_argument(
      fmt::format("the indices must be of an integer format, found {}", to_string(indices)));
}

Result<Types> infer_take(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& indices = operand_type(graph, node, 1);
  THORONG_RETURN_IF_ERROR(require_integers(indices));  // C1
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));  // C2
  const auto at = static_cast<std::ptrdiff_t>(axis);
  TensorType out{x.format, Shape(x.shape.begin(), x.shape.begin() + at)};
  out.shape.insert(out.shape.end(), indices.shape.begin(), indices.shape.end());
  out.shape.insert(out.shape.end(), x.shape.begin() + at + 1, x.shape.end());
  return one_result(std::move(out));
}

Status take(const Graph&, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));
  const AxisView view = view_axis(x.shape, axis);
  const int64_t row = view.inner * static_cast<int64_t>(numerics::byte_size(x.format));
  std::vector<int64_t> indices = load<int64_t>(inputs[1]);
  for (size_t i = 0; i < indices.size(); ++i) {
    THORONG_TRY(indices[i], resolve_index(indices[i], view.axis, static_cast<int64_t>(i)));
  }
  std::byte* out = outputs[0];
  for (int64_t o = 0; o < view.outer; ++o) {
    for (const int64_t index : indices) {
      std::memcpy(out, inputs[0].data + (o * view.axis + index) * row, static_cast<size_t>(row));
      out += row;
    }
  }
  return ok_status();
}

Result<Types> infer_take_along_axis(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& indices = operand_type(graph, node, 1);
  THORONG_RETURN_IF_ERROR(require_integers(indices));  // C1
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));  // C2
  bool fits = indices.shape.size() == x.shape.size();
  for (size_t i = 0; fits && i < x.shape.size(); ++i)
    fits = i == axis || indices.shape[i] <= x.shape[i];
  if (!fits) {  // C3
    return invalid_argument(
        fmt::format("the indices {} must not be larger than {} in any dimension but {}",
                    to_string(indices), to_string(x), axis));
  }
  return one_result({x.format, indices.shape});
}

Status take_along_axis(const Graph&, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));
  const std::vector<int64_t> strides = row_major_strides(x.shape);
  const std::vector<int64_t> indices = load<int64_t>(inputs[1]);
  const size_t bytes = numerics::byte_size(x.format);
  std::vector<int64_t> at(x.shape.size(), 0);
  for (size_t i = 0; i < indices.size(); ++i) {
    THORONG_TRY(const int64_t index,
                resolve_index(indices[i], x.shape[axis], static_cast<int64_t>(i)));
    int64_t offset = 0;
    for (size_t d = 0; d < at.size(); ++d) offset += (d == axis ? index : at[d]) * strides[d];
    std::memcpy(outputs[0] + i * bytes, inputs[0].data + static_cast<size_t>(offset) * bytes,
                bytes);
    next_index(at, inputs[1].type.shape);
  }
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_take() {
  OperatorSpec take_spec;
  take_spec.name = "take";
  take_spec.summary = "The slices of x along one axis that the indices name.";
  take_spec.min_inputs = take_spec.max_inputs = 2;
  take_spec.infer = infer_take;
  take_spec.reference = take;
  OperatorSpec along;
  along.name = "take_along_axis";
  along.summary = "For each index, the element of x with that index along one axis.";
  along.min_inputs = along.max_inputs = 2;
  along.infer = infer_take_along_axis;
  along.reference = take_along_axis;
  return {take_spec, along};
}

}  // namespace thorong::ops
