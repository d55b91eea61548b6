// SPDX-License-Identifier: Apache-2.0
// pairwise_coupling: probabilities of k classes [N, k] from those of each pair of them [N, k (k -
// 1) / 2]: element (i, j), i < j, in the order (0, 1), (0, 2), ..., is the probability of class i
// where it is i or j. The second method of Wu, Lin and Weng, "Probability Estimates for Multi-class
// Classification by Pairwise Coupling" (2004), with the number of steps and the bound on the error
// that support vector machines are trained with: at most max(100, k) steps, error 0.005 / k.
// C1: x is a float [N, pairs]. C2: `classes` k fits the pairs.
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

Result<Types> infer(const Graph& graph, const Node& node) {
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));
  const TensorType& x = operand_type(graph, node, 0);
  const int64_t k = node.attributes.integer("classes");
  const bool counts = k >= 2 && k < int64_t{1} << 20;
  if (x.shape.size() != 2 || !counts || x.shape[1] != k * (k - 1) / 2) {  // C1, C2
    return invalid_argument(fmt::format(
        "{} classes need a matrix with a column for each pair of them, found {}", k, to_string(x)));
  }
  return one_result({x.format, {x.shape[0], k}});
}

// Minimises p' Q p for probabilities p, one coordinate after the other.
void couple(const std::vector<double>& q, size_t k, double* p) {
  std::vector<double> qp(k);
  std::fill(p, p + k, 1.0 / static_cast<double>(k));
  for (size_t step = 0; step < std::max<size_t>(100, k); ++step) {
    double pqp = 0, error = 0;
    for (size_t t = 0; t < k; ++t) {
      qp[t] = 0;
      for (size_t j = 0; j < k; ++j) qp[t] += q[t * k + j] * p[j];
      pqp += p[t] * qp[t];
    }
    for (size_t t = 0; t < k; ++t) error = std::max(error, std::fabs(qp[t] - pqp));
    if (error < 0.005 / static_cast<double>(k)) return;
    for (size_t t = 0; t < k; ++t) {
      const double change = (pqp - qp[t]) / q[t * k + t], whole = 1 + change;
      p[t] += change;
      pqp = (pqp + change * (change * q[t * k + t] + 2 * qp[t])) / whole / whole;
      for (size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + change * q[t * k + j]) / whole;
        p[j] /= whole;
      }
    }
  }
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const auto k = static_cast<size_t>(node.attributes.integer("classes"));
  const std::vector<double> pairs = load<double>(inputs[0]);
  const size_t columns = k * (k - 1) / 2, rows = pairs.size() / columns;
  std::vector<double> result(rows * k), r(k * k), q(k * k);
  for (size_t row = 0; row < rows; ++row) {
    const double* pair = pairs.data() + row * columns;
    for (size_t i = 0; i < k; ++i) {
      for (size_t j = i + 1; j < k; ++j, ++pair) {
        r[i * k + j] = *pair;
        r[j * k + i] = 1 - *pair;
      }
    }
    for (size_t t = 0; t < k; ++t) {
      q[t * k + t] = 0;
      for (size_t j = 0; j < k; ++j) {
        if (j == t) continue;
        q[t * k + t] += r[j * k + t] * r[j * k + t];
        q[t * k + j] = -r[j * k + t] * r[t * k + j];
      }
    }
    couple(q, k, result.data() + row * k);
  }
  store(result_type(graph, node), result, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_pairwise_coupling() {
  OperatorSpec spec;
  spec.name = "pairwise_coupling";
  spec.summary = "Probabilities of classes from those of each pair of classes.";
  spec.min_inputs = spec.max_inputs = 1;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
