// SPDX-License-Identifier: Apache-2.0
// slice: elements start, start + stride, ... below limit of each dimension.
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Bounds {
  std::vector<int64_t> start, limit, strides;
};

Bounds bounds_of(const Node& node, size_t rank) {
  return {node.attributes.integers("start_indices"), node.attributes.integers("limit_indices"),
          node.attributes.integers("strides", std::vector<int64_t>(rank, 1))};
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const size_t rank = x.shape.size();
  const Bounds b = bounds_of(node, rank);
  if (b.start.size() != rank || b.limit.size() != rank || b.strides.size() != rank) {  // C1
    return invalid_argument(fmt::format(
        "start_indices, limit_indices and strides need {} entries for {}, found {}, {} and {}",
        rank, to_string(x), to_string(b.start), to_string(b.limit), to_string(b.strides)));
  }
  TensorType out{x.format, {}};
  for (size_t i = 0; i < rank; ++i) {
    if (b.start[i] < 0 || b.start[i] > b.limit[i] || b.limit[i] > x.shape[i]) {  // C2
      return out_of_range(fmt::format(
          "dimension {}: 0 <= start <= limit <= {} must hold, found start {} and limit {}", i,
          x.shape[i], b.start[i], b.limit[i]));
    }
    if (b.strides[i] <= 0) {  // C3
      return invalid_argument(fmt::format(
          "dimension {}: the stride must be positive, found {}; use reverse to count down", i,
          b.strides[i]));
    }
    const int64_t length = b.limit[i] - b.start[i];
    out.shape.push_back(length == 0 ? 0 : (length - 1) / b.strides[i] + 1);
  }
  return one_result(std::move(out));
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  if (out.elements() == 0) return ok_status();
  const Bounds b = bounds_of(node, x.shape.size());
  std::vector<int64_t> strides = row_major_strides(x.shape);
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    offset += b.start[i] * strides[i];
    // A stride beyond the dimension is never taken; out.shape is 1 then.
    strides[i] = out.shape[i] == 1 ? 0 : strides[i] * b.strides[i];
  }
  const auto bytes = static_cast<int64_t>(numerics::byte_size(x.format));
  copy_strided(out.shape, numerics::byte_size(x.format), inputs[0].data + offset * bytes, strides,
               outputs[0], row_major_strides(out.shape));
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_slice() {
  OperatorSpec spec;
  spec.name = "slice";
  spec.summary = "Every stride-th element from start to limit of each dimension.";
  spec.category = Category::kDataMovement;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
