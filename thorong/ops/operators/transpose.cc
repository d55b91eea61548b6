// SPDX-License-Identifier: Apache-2.0
// transpose: dimension i of the result is dimension permutation[i] of x. C1: permutation holds each
// dimension once.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const std::vector<int64_t> permutation = node.attributes.integers("permutation");
  std::vector<bool> seen(x.shape.size(), false);
  TensorType out{x.format, {}};
  for (const int64_t d : permutation) {
    if (d < 0 || d >= static_cast<int64_t>(seen.size()) || seen[static_cast<size_t>(d)]) break;
    seen[static_cast<size_t>(d)] = true;
    out.shape.push_back(x.shape[static_cast<size_t>(d)]);
  }
  if (out.shape.size() != x.shape.size() || permutation.size() != x.shape.size()) {  // C1
    return invalid_argument(
        fmt::format("the permutation must hold each of the {} dimensions of {} once, found {}",
                    x.shape.size(), to_string(x), to_string(permutation)));
  }
  return one_result(std::move(out));
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  const std::vector<int64_t> x_strides = row_major_strides(inputs[0].type.shape);
  std::vector<int64_t> strides;
  for (const int64_t d : node.attributes.integers("permutation")) {
    strides.push_back(x_strides[static_cast<size_t>(d)]);
  }
  copy_strided(out.shape, numerics::byte_size(out.format), inputs[0].data, strides, outputs[0],
               row_major_strides(out.shape));
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_transpose() {
  OperatorSpec spec;
  spec.name = "transpose";
  spec.summary = "Permutes the dimensions.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
