// SPDX-License-Identifier: Apache-2.0
// top_k: the k largest (`largest` = 0: smallest) elements along `axis` in order, and their indices
// (int64). Of equal elements the one with the lower index comes first; NaN counts as larger than
// every number.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<size_t> axis_of(const Node& node, const TensorType& x) {
  return resolve_axis(node.attributes.integer("axis", -1), x.shape.size(), "axis");
}

Result<Types> infer(const Graph& graph, const Node& node) {
  TensorType values = operand_type(graph, node, 0);
  THORONG_TRY(const size_t axis, axis_of(node, values));  // C1
  const int64_t k = node.attributes.integer("k", 1);
  if (k < 0 || k > values.shape[axis]) {  // C2
    return out_of_range(
        fmt::format("k must lie in [0, {}], the size of dimension {} of {}, found {}",
                    values.shape[axis], axis, to_string(values), k));
  }
  values.shape[axis] = k;
  TensorType indices{Format::kInt64, values.shape};
  THORONG_RETURN_IF_ERROR(check_size(indices));
  return Types{std::move(values), std::move(indices)};
}

template <typename T>
bool is_less(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(b)) return !std::isnan(a);
  }
  return a < b;
}

// The first k of the line's indices in order.
template <typename T>
std::vector<int64_t> order_line(const T* x, int64_t n, int64_t stride, int64_t k, bool largest) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t i, int64_t j) {
    const T a = x[i * stride], b = x[j * stride];
    if (is_less(a, b)) return !largest;
    if (is_less(b, a)) return largest;
    return i < j;
  });
  order.resize(static_cast<size_t>(k));
  return order;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& x = inputs[0].type;
  const TensorType& out = result_type(graph, node);
  THORONG_TRY(const size_t axis, axis_of(node, x));
  const AxisView view = view_axis(x.shape, axis);
  const int64_t k = out.shape[axis];
  const bool largest = node.attributes.integer("largest", 1) != 0;
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> all = load<T>(inputs[0]);
    std::vector<T> values(static_cast<size_t>(out.elements()));
    std::vector<int64_t> indices(values.size());
    for (int64_t line = 0; line < view.outer * view.inner; ++line) {
      const int64_t o = line / view.inner, i = line % view.inner;
      const T* from = all.data() + o * view.axis * view.inner + i;
      const std::vector<int64_t> order = order_line(from, view.axis, view.inner, k, largest);
      for (size_t j = 0; j < order.size(); ++j) {
        const auto at = static_cast<size_t>((o * k + static_cast<int64_t>(j)) * view.inner + i);
        values[at] = from[order[j] * view.inner];
        indices[at] = order[j];
      }
    }
    store(out, values, outputs[0]);
    store(result_type(graph, node, 1), indices, outputs[1]);
    return ok_status();
  });
}

}  // namespace

std::vector<OperatorSpec> operator_specs_top_k() {
  OperatorSpec spec;
  spec.name = "top_k";
  spec.summary = "The k largest or smallest elements along one axis, and their indices.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
