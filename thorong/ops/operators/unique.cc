// SPDX-License-Identifier: Apache-2.0
// unique: the different elements of x (or its different slices along `axis`), int64 indices of
// their first occurrences, for each element the number of its equal, and how often each occurs. In
// ascending order with `sorted` 1, in that of first occurrence with 0. NaNs are equal and last. The
// attribute `count` states how many there are; without it the operand must be a constant (C1),
// since the shapes depend on its values.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Distinct {
  std::vector<int64_t> first, inverse, counts;
};

template <typename T>
int compare_numbers(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return int{std::isnan(a)} - int{std::isnan(b)};
  }
  return int{a > b} - int{a < b};
}

// x as slices: slice a has the elements (o, a, i). Without an axis every element is one.
Result<AxisView> slices_of(const Node& node, const Shape& shape) {
  if (!node.attributes.has("axis")) return AxisView{1, element_count(shape), 1};
  THORONG_TRY(const size_t axis,
              resolve_axis(node.attributes.integer("axis"), shape.size(), "axis"));
  return view_axis(shape, axis);
}

template <typename T>
Distinct find_distinct(const std::vector<T>& x, const AxisView& view, bool sorted) {
  auto compare = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < view.outer; ++o) {
      for (int64_t i = 0; i < view.inner; ++i) {
        const T left = x[static_cast<size_t>((o * view.axis + a) * view.inner + i)];
        const T right = x[static_cast<size_t>((o * view.axis + b) * view.inner + i)];
        if (const int order = compare_numbers(left, right); order != 0) return order;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(view.axis));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return compare(a, b) < 0; });
  std::vector<std::vector<int64_t>> groups;  // equal slices, ascending
  for (const int64_t slice : order) {
    if (groups.empty() || compare(groups.back()[0], slice) != 0) groups.emplace_back();
    groups.back().push_back(slice);
  }
  if (!sorted) std::sort(groups.begin(), groups.end());
  Distinct distinct;
  distinct.inverse.resize(order.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    distinct.first.push_back(groups[g][0]);
    distinct.counts.push_back(static_cast<int64_t>(groups[g].size()));
    for (const int64_t slice : groups[g])
      distinct.inverse[static_cast<size_t>(slice)] = static_cast<int64_t>(g);
  }
  return distinct;
}

Result<Distinct> distinct_of(const Node& node, const Tensor& x) {
  THORONG_TRY(const AxisView view, slices_of(node, x.type.shape));
  const bool sorted = node.attributes.integer("sorted", 1) != 0;
  return with_number_type(x.type.format, [&](auto zero) {
    return find_distinct(load<decltype(zero)>(x), view, sorted);
  });
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  THORONG_TRY(const AxisView view, slices_of(node, x.shape));
  int64_t count = node.attributes.integer("count", -1);
  if (!node.attributes.has("count")) {
    const Tensor& constant = graph.value(node.inputs[0]).constant;
    if (!constant) {  // C1
      return unsupported(
          "the operand of unique must be a constant, or `count` be given: the shapes of the "
          "results "
          "depend on its values");
    }
    THORONG_TRY(const Distinct distinct, distinct_of(node, constant));
    count = static_cast<int64_t>(distinct.first.size());
  }
  if (count < 0 || count > view.axis) {  // C2
    return out_of_range(fmt::format("count must lie in [0, {}], found {}", view.axis, count));
  }
  TensorType values{x.format, {count}};
  if (node.attributes.has("axis")) {
    THORONG_TRY(const size_t axis,
                resolve_axis(node.attributes.integer("axis"), x.shape.size(), "axis"));
    values.shape = x.shape;
    values.shape[axis] = count;
  }
  const TensorType numbers{Format::kInt64, {count}};
  THORONG_RETURN_IF_ERROR(check_size(values));
  return Types{values, numbers, {Format::kInt64, {view.axis}}, numbers};
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  THORONG_TRY(const AxisView view, slices_of(node, inputs[0].type.shape));
  THORONG_TRY(const Distinct distinct, distinct_of(node, inputs[0]));
  const auto count = static_cast<size_t>(result_type(graph, node, 1).shape[0]);
  if (distinct.first.size() != count) {
    return invalid_argument(fmt::format("the program is made for {} different elements, found {}",
                                        count, distinct.first.size()));
  }
  const size_t bytes = numerics::byte_size(inputs[0].type.format);
  const size_t row = static_cast<size_t>(view.inner) * bytes;
  for (size_t o = 0; o < static_cast<size_t>(view.outer); ++o) {
    for (size_t k = 0; k < count; ++k) {
      const size_t from =
          o * static_cast<size_t>(view.axis) + static_cast<size_t>(distinct.first[k]);
      std::copy_n(inputs[0].data + from * row, row, outputs[0] + (o * count + k) * row);
    }
  }
  store(result_type(graph, node, 1), distinct.first, outputs[1]);
  store(result_type(graph, node, 2), distinct.inverse, outputs[2]);
  store(result_type(graph, node, 3), distinct.counts, outputs[3]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_unique() {
  OperatorSpec spec;
  spec.name = "unique";
  spec.summary =
      "The different elements or slices, where each occurs first, which each is, how often.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
