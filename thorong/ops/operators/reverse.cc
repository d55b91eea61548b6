// SPDX-License-Identifier: Apache-2.0
// reverse: the order of the elements along `dimensions` is turned round. C1: they are different
// dimensions of x.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const auto dimensions = node.attributes.integers("dimensions");
  THORONG_RETURN_IF_ERROR(resolve_axes(dimensions, x.shape.size(), "dimensions").status());  // C1
  return one_result(x);
}

Status reference(const Graph&, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  if (x.elements() == 0) return ok_status();
  THORONG_TRY(const auto axes,
              resolve_axes(node.attributes.integers("dimensions"), x.shape.size(), "dimensions"));
  std::vector<int64_t> strides = row_major_strides(x.shape);
  int64_t offset = 0;
  for (const size_t axis : axes) {
    offset += (x.shape[axis] - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  const auto bytes = static_cast<int64_t>(numerics::byte_size(x.format));
  copy_strided(x.shape, numerics::byte_size(x.format), inputs[0].data + offset * bytes, strides,
               outputs[0], row_major_strides(x.shape));
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_reverse() {
  OperatorSpec spec;
  spec.name = "reverse";
  spec.summary = "Turns the order of the elements round along some dimensions.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
