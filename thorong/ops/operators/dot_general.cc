// SPDX-License-Identifier: Apache-2.0
// dot_general: sums of products over the contracting dimensions, for each index of the batching
// dimensions. The result's dimensions: batching, free of lhs, free of rhs. Reference: both operands
// are brought to [batch, rows, depth] and [batch, depth, columns], then multiplied as matrices in
// double (integers modulo 2^64).
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Side {
  std::vector<size_t> batch, contracting, free;
};

struct Dimensions {
  Side lhs, rhs;
};

// C1: each dimension of an operand is batching, contracting or free, once.
Result<Side> side_of(const Node& node, const std::string& prefix, size_t rank) {
  Side side;
  std::vector<bool> used(rank, false);
  for (const bool batching : {true, false}) {
    const std::string key =
        prefix + (batching ? "_batching_dimensions" : "_contracting_dimensions");
    for (const int64_t d : node.attributes.integers(key)) {
      THORONG_TRY(const size_t index, resolve_axis(d, rank, key));
      if (used[index]) {
        return invalid_argument(
            fmt::format("dimension {} of {} is named twice in {}_batching_dimensions and "
                        "{}_contracting_dimensions",
                        index, prefix, prefix, prefix));
      }
      used[index] = true;
      (batching ? side.batch : side.contracting).push_back(index);
    }
  }
  for (size_t i = 0; i < rank; ++i) {
    if (!used[i]) side.free.push_back(i);
  }
  return side;
}

Result<Dimensions> dimensions_of(const Node& node, const TensorType& lhs, const TensorType& rhs) {
  Dimensions d;
  THORONG_TRY(d.lhs, side_of(node, "lhs", lhs.shape.size()));
  THORONG_TRY(d.rhs, side_of(node, "rhs", rhs.shape.size()));
  return d;
}

// C2: as many on one side as on the other, of equal sizes.
Status check_pairs(const TensorType& lhs, const TensorType& rhs, const std::vector<size_t>& of_lhs,
                   const std::vector<size_t>& of_rhs, const char* what) {
  bool equal = of_lhs.size() == of_rhs.size();
  for (size_t i = 0; equal && i < of_lhs.size(); ++i)
    equal = lhs.shape[of_lhs[i]] == rhs.shape[of_rhs[i]];
  if (equal) return ok_status();
  return invalid_argument(fmt::format(
      "{} dimensions must pair up with equal sizes: {} of {} and {} of {}", what,
      to_string(to_int64s(of_lhs)), to_string(lhs), to_string(to_int64s(of_rhs)), to_string(rhs)));
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& lhs = operand_type(graph, node, 0);
  const TensorType& rhs = operand_type(graph, node, 1);
  THORONG_TRY(const Dimensions d, dimensions_of(node, lhs, rhs));
  THORONG_RETURN_IF_ERROR(check_pairs(lhs, rhs, d.lhs.batch, d.rhs.batch, "batching"));
  THORONG_RETURN_IF_ERROR(
      check_pairs(lhs, rhs, d.lhs.contracting, d.rhs.contracting, "contracting"));
  if (lhs.format != rhs.format) {  // C3
    return invalid_argument(
        fmt::format("operands must have equal formats, found {} and {}; insert convert",
                    to_string(lhs), to_string(rhs)));
  }
  TensorType out{lhs.format, {}};
  for (const size_t i : d.lhs.batch) out.shape.push_back(lhs.shape[i]);
  for (const size_t i : d.lhs.free) out.shape.push_back(lhs.shape[i]);
  for (const size_t i : d.rhs.free) out.shape.push_back(rhs.shape[i]);
  return one_result(std::move(out));
}

int64_t product(const TensorType& type, const std::vector<size_t>& dimensions) {
  int64_t result = 1;
  for (const size_t d : dimensions) result *= type.shape[d];
  return result;
}

// The values with the dimensions in that order.
template <typename T>
std::vector<T> arrange(const Tensor& x, std::initializer_list<const std::vector<size_t>*> order) {
  const std::vector<T> values = load<T>(x);
  const std::vector<int64_t> x_strides = row_major_strides(x.type.shape);
  Shape shape;
  std::vector<int64_t> strides;
  for (const std::vector<size_t>* dimensions : order) {
    for (const size_t d : *dimensions) {
      shape.push_back(x.type.shape[d]);
      strides.push_back(x_strides[d]);
    }
  }
  std::vector<T> arranged(values.size());
  copy_strided(shape, sizeof(T), reinterpret_cast<const std::byte*>(values.data()), strides,
               reinterpret_cast<std::byte*>(arranged.data()), row_major_strides(shape));
  return arranged;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& lhs = inputs[0].type;
  const TensorType& rhs = inputs[1].type;
  THORONG_TRY(const Dimensions d, dimensions_of(node, lhs, rhs));
  const int64_t batch = product(lhs, d.lhs.batch), depth = product(lhs, d.lhs.contracting);
  const int64_t rows = product(lhs, d.lhs.free), columns = product(rhs, d.rhs.free);
  const auto multiply = [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> a = arrange<T>(inputs[0], {&d.lhs.batch, &d.lhs.free, &d.lhs.contracting});
    const std::vector<T> b = arrange<T>(inputs[1], {&d.rhs.batch, &d.rhs.contracting, &d.rhs.free});
    std::vector<T> c(static_cast<size_t>(batch * rows * columns), T{0});
    for (int64_t i = 0; i < batch; ++i) {
      multiply_matrices(a.data() + i * rows * depth, b.data() + i * depth * columns,
                        c.data() + i * rows * columns, rows, columns, depth);
    }
    store(result_type(graph, node), c, outputs[0]);
    return ok_status();
  };
  return numerics::is_float(lhs.format) ? multiply(double{}) : multiply(uint64_t{});
}

Work work(const Graph& graph, const Node& node) {
  const TensorType& lhs = operand_type(graph, node, 0);
  const Result<Dimensions> d = dimensions_of(node, lhs, operand_type(graph, node, 1));
  if (!d.ok()) return {};
  return {static_cast<double>(result_type(graph, node).elements()) *
              static_cast<double>(product(lhs, d->lhs.contracting)),
          0};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_dot_general() {
  OperatorSpec spec;
  spec.name = "dot_general";
  spec.summary = "Sums of products over the contracting dimensions for each batch index.";
  spec.category = Category::kContraction;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
