// SPDX-License-Identifier: Apache-2.0
// cumsum and cumprod: running sums and products along `axis`; `exclusive` leaves the element itself
// out, `reverse` starts at the end.
#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(
      resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis").status());  // C1
  return one_result(x);
}

template <typename T>
void combine_line(Combine function, T* x, int64_t n, int64_t stride, bool exclusive, bool reverse) {
  T so_far = function == Combine::kAdd ? T{0} : T{1};
  for (int64_t i = 0; i < n; ++i) {
    T& value = x[(reverse ? n - 1 - i : i) * stride];
    const T next = combine(function, so_far, value);
    value = exclusive ? so_far : next;
    so_far = next;
  }
}

Status run(Combine function, const Graph& graph, const Node& node, Inputs inputs,
           OutputData outputs) {
  const TensorType& x = inputs[0].type;
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));
  const AxisView view = view_axis(x.shape, axis);
  const bool exclusive = node.attributes.integer("exclusive") != 0;
  const bool reverse = node.attributes.integer("reverse") != 0;
  return with_number_type(x.format, [&](auto zero) {
    using T = decltype(zero);
    std::vector<T> values = load<T>(inputs[0]);
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        combine_line(function, values.data() + o * view.axis * view.inner + i, view.axis,
                     view.inner, exclusive, reverse);
      }
    }
    store(result_type(graph, node), values, outputs[0]);
    return ok_status();
  });
}

OperatorSpec make_spec(const char* name, const char* summary, Combine function) {
  OperatorSpec spec;
  spec.name = name;
  spec.summary = summary;
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = [function](const Graph& graph, const Node& node, Inputs inputs,
                              OutputData outputs) {
    return run(function, graph, node, inputs, outputs);
  };
  return spec;
}

}  // namespace

std::vector<OperatorSpec> operator_specs_cumsum() {
  return {make_spec("cumsum", "Running sums along one axis.", Combine::kAdd),
          make_spec("cumprod", "Running products along one axis.", Combine::kMultiply)};
}

}  // namespace thorong::ops
