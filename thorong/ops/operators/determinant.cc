// SPDX-License-Identifier: Apache-2.0
// determinant of the matrices in the last two dimensions, by elimination with the largest pivot of
// each column. C1: x is a float. C2: x is [..., n, n].
#include <fmt/format.h>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  TensorType x = operand_type(graph, node, 0);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  const size_t rank = x.shape.size();
  if (rank < 2 || x.shape[rank - 1] != x.shape[rank - 2]) {  // C2
    return invalid_argument(
        fmt::format("the last two dimensions must be equal, found {}", to_string(x)));
  }
  x.shape.resize(rank - 2);
  return one_result(std::move(x));
}

// Destroys the matrix a [n, n].
double eliminate(double* a, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::fabs(a[i * n + k]) > std::fabs(a[pivot * n + k])) pivot = i;
    }
    if (a[pivot * n + k] == 0) return 0;
    if (pivot != k) {
      product = -product;
      for (int64_t j = k; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    }
    product *= a[k * n + k];
    for (int64_t i = k + 1; i < n; ++i) {
      const double factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = k + 1; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return product;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const TensorType& out = result_type(graph, node);
  const int64_t n = inputs[0].type.shape.back();
  std::vector<double> x = load<double>(inputs[0]);
  std::vector<double> results;
  for (int64_t i = 0; i < out.elements(); ++i)
    results.push_back(eliminate(x.data() + i * n * n, n));
  store(out, results, outputs[0]);
  return ok_status();
}

Work work(const Graph& graph, const Node& node) {
  const Shape& shape = operand_type(graph, node, 0).shape;
  const auto n = static_cast<double>(shape.back());
  return {0, static_cast<double>(result_type(graph, node).elements()) * n * n * n * 2 / 3};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_determinant() {
  OperatorSpec spec;
  spec.name = "determinant";
  spec.summary = "The determinant of each matrix in the last two dimensions.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
