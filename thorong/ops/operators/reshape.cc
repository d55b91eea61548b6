// SPDX-License-Identifier: Apache-2.0
// reshape: the same elements in row-major order under another shape. C1: the numbers of elements
// are equal.
#include <fmt/format.h>

#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  TensorType out{x.format, node.attributes.integers("shape")};
  THORONG_RETURN_IF_ERROR(check_size(out));
  if (out.elements() != x.elements()) {  // C1
    return invalid_argument(fmt::format("the shape {} has {} elements, but the operand {} has {}",
                                        to_string(out.shape), out.elements(), to_string(x),
                                        x.elements()));
  }
  return one_result(std::move(out));
}

Status reference(const Graph&, const Node&, Inputs inputs, OutputData outputs) {
  std::memcpy(outputs[0], inputs[0].data, inputs[0].bytes());
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_reshape() {
  OperatorSpec spec;
  spec.name = "reshape";
  spec.summary = "The same elements in row-major order under another shape.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
