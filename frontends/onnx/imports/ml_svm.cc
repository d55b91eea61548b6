// SPDX-License-Identifier: Apache-2.0
// SVMRegressor and SVMClassifier (ai.onnx.ml): kernels of the rows and the support vectors, sums of
// them by coefficients; for classes one score for each pair, votes, and probabilities where they
// are asked for.
#include "frontends/onnx/ml_scores.h"

namespace thorong::onnx {
namespace {

// The kernel of x [N, C] and that many vectors: [N, vectors].
Result<ValueId> svm_kernel(ImportContext& c, ValueId x, const std::vector<double>& vectors,
                           int64_t count, const std::string& type) {
  THORONG_TRY(auto parameters, c.numbers("kernel_params"));
  parameters.resize(3, 0);  // gamma, coef0, degree
  if (type == "RBF") {
    const Shape rows = c.shape(x);
    const Shape all{rows[0], count, rows[1]};
    if (static_cast<int64_t>(vectors.size()) != count * rows[1])
      return invalid_argument("the support vectors do not have the input's features.");
    THORONG_TRY(ValueId support, c.constant({Format::kFloat32, {count, rows[1]}}, vectors));
    THORONG_TRY(support, c.broadcast_in(support, all, {1, 2}));
    THORONG_TRY(x, c.broadcast_in(x, all, {0, 2}));
    THORONG_TRY(ValueId difference, c.add("subtract", {x, support}));
    THORONG_TRY(difference, c.add("square", {difference}));
    THORONG_TRY(ValueId distance, c.reduce("add", difference, {2}, false));
    THORONG_TRY(distance, c.add_scalar("multiply", distance, -parameters[0]));
    return c.add("exponential", {distance});
  }
  THORONG_TRY(ValueId y, ml_product(c, x, vectors, count));
  if (type == "LINEAR") return y;
  THORONG_TRY(y, c.add_scalar("multiply", y, parameters[0]));
  THORONG_TRY(y, c.add_scalar("add", y, parameters[1]));
  if (type == "SIGMOID") return c.add("tanh", {y});
  if (type == "POLY") return c.add_scalar("power", y, parameters[2]);
  return invalid_argument("kernel_type \"" + type + "\" is none of LINEAR, POLY, RBF and SIGMOID.");
}

// Without support vectors the coefficients are those of a linear function, whatever the kernel.
Status import_svm_regressor(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(std::string type, c.text("kernel_type", "LINEAR"));
  THORONG_TRY(int64_t supports, c.integer("n_supports", 0));
  THORONG_TRY(int64_t one_class, c.integer("one_class", 0));
  THORONG_TRY(auto coefficients, c.numbers("coefficients"));
  THORONG_TRY(auto vectors, c.numbers("support_vectors"));
  THORONG_TRY(auto rho, c.numbers("rho"));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  if (transform != "NONE") return unsupported("only post_transform NONE of SVMRegressor is done.");
  if (rho.size() != 1) return invalid_argument("rho must be one number.");
  if (supports > 0) {
    THORONG_TRY(x, svm_kernel(c, x, vectors, supports, type));
  }
  THORONG_TRY(ValueId y, ml_product(c, x, coefficients, 1));
  THORONG_TRY(y, c.add_scalar("add", y, rho[0]));
  if (one_class == 0) return c.set_output(0, y);
  THORONG_TRY(ValueId zero, c.full_like(y, 0));
  THORONG_TRY(ValueId above, c.compare("GT", y, zero));
  THORONG_TRY(ValueId yes, c.full_like(y, 1));
  THORONG_TRY(ValueId no, c.full_like(y, -1));
  return c.set_output(0, c.add("select", {above, yes, no}));
}

// The coefficients of the pairs' scores as a matrix [pairs, vectors]: the score of classes i < j
// sums the vectors of i by row j - 1 of the attribute, and those of j by row i.
Result<std::vector<double>> pair_matrix(const std::vector<double>& coefficients,
                                        const Integers& counts, int64_t total) {
  auto classes = static_cast<int64_t>(counts.size());
  if (static_cast<int64_t>(coefficients.size()) != (classes - 1) * total) {
    return invalid_argument("expected " + std::to_string((classes - 1) * total) +
                            " coefficients, one less than classes for each support vector; found " +
                            std::to_string(coefficients.size()) + ".");
  }
  Integers first{0};
  for (int64_t count : counts) first.push_back(first.back() + count);
  std::vector<double> matrix;
  auto copy = [&](std::vector<double>& row, int64_t from, int64_t of) {
    for (int64_t v = first[static_cast<size_t>(of)]; v < first[static_cast<size_t>(of) + 1]; ++v)
      row[static_cast<size_t>(v)] = coefficients[static_cast<size_t>(from * total + v)];
  };
  for (int64_t i = 0; i < classes; ++i) {
    for (int64_t j = i + 1; j < classes; ++j) {
      std::vector<double> row(static_cast<size_t>(total), 0);
      copy(row, j - 1, i);
      copy(row, i, j);
      matrix.insert(matrix.end(), row.begin(), row.end());
    }
  }
  return matrix;
}

// The class with the most pairs won, the first of equals: a pair with a score above 0 is won by its
// first class.
Result<ValueId> most_votes(ImportContext& c, ValueId scores, int64_t classes) {
  std::vector<double> won, lost;  // [classes, pairs]
  for (int64_t k = 0; k < classes; ++k) {
    for (int64_t i = 0; i < classes; ++i) {
      for (int64_t j = i + 1; j < classes; ++j) {
        won.push_back(i == k ? 1 : j == k ? -1 : 0);
        lost.push_back(j == k ? 1 : 0);
      }
    }
  }
  THORONG_TRY(ValueId zero, c.full_like(scores, 0));
  THORONG_TRY(ValueId above, c.compare("GT", scores, zero));
  THORONG_TRY(above, c.convert(above, Format::kFloat32));
  THORONG_TRY(ValueId votes, ml_product(c, above, won, classes));
  std::vector<double> base(static_cast<size_t>(classes), 0);
  for (size_t k = 0; k < base.size(); ++k) {
    for (size_t p = 0; p < lost.size() / base.size(); ++p)
      base[k] += lost[k * (lost.size() / base.size()) + p];
  }
  THORONG_TRY(votes, ml_with_row(c, "add", votes, base));
  return ml_best(c, votes);
}

// logistic(-(a score + b)) of each pair, kept from 0 and 1, coupled.
Result<ValueId> svm_probabilities(ImportContext& c, ValueId scores, std::vector<double> a,
                                  std::vector<double> b, int64_t classes) {
  for (double& value : a) value = -value;
  for (double& value : b) value = -value;
  THORONG_TRY(ValueId y, ml_with_row(c, "multiply", scores, a));
  THORONG_TRY(y, ml_with_row(c, "add", y, b));
  THORONG_TRY(y, c.add("logistic", {y}));
  THORONG_TRY(ValueId low, c.scalar(Format::kFloat32, 1e-7));
  THORONG_TRY(ValueId high, c.scalar(Format::kFloat32, 1 - 1e-7));
  THORONG_TRY(y, c.add("clamp", {low, y, high}));
  return c.add("pairwise_coupling", {y}, make_attributes({{"classes", classes}}));
}

// Without support vectors: a linear function for each class.
Status import_linear_svm(ImportContext& c, const NodeProto& node, ValueId x, int64_t classes,
                         const std::vector<double>& rho) {
  THORONG_TRY(auto coefficients, c.numbers("coefficients"));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(ValueId scores, ml_product(c, x, coefficients, classes));
  THORONG_TRY(scores, c.add_scalar("add", scores, rho[0]));
  THORONG_TRY(ValueId indices, ml_best(c, scores));
  THORONG_RETURN_IF_ERROR(
      ml_set_labels(c, node, indices, "classlabels_ints", "classlabels_strings"));
  return c.set_output(1, ml_transform(c, scores, transform));
}

Status import_svm_classifier(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(int64_t classes, ml_label_count(node, "classlabels_ints", "classlabels_strings"));
  THORONG_TRY(std::string type, c.text("kernel_type", "LINEAR"));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(Integers counts, c.integers("vectors_per_class"));
  THORONG_TRY(auto rho, c.numbers("rho"));
  if (rho.empty()) return invalid_argument("rho is missing.");
  int64_t total = 0;
  for (int64_t count : counts) {
    if (count < 0 || count > int64_t{1} << 31)
      return invalid_argument("vectors_per_class is out of range.");
    total += count;
  }
  if (total == 0) return import_linear_svm(c, node, x, classes, rho);
  int64_t pairs = classes * (classes - 1) / 2;
  if (classes < 2 || static_cast<int64_t>(counts.size()) != classes ||
      static_cast<int64_t>(rho.size()) != pairs) {
    return invalid_argument(
        "expected two classes or more, vectors_per_class for each class and rho for each pair of "
        "classes.");
  }
  THORONG_TRY(auto vectors, c.numbers("support_vectors"));
  THORONG_TRY(auto coefficients, c.numbers("coefficients"));
  THORONG_TRY(auto matrix, pair_matrix(coefficients, counts, total));
  THORONG_TRY(ValueId kernel, svm_kernel(c, x, vectors, total, type));
  THORONG_TRY(ValueId scores, ml_product(c, kernel, matrix, pairs));
  THORONG_TRY(scores, ml_with_row(c, "add", scores, rho));
  THORONG_TRY(ValueId indices, most_votes(c, scores, classes));
  THORONG_RETURN_IF_ERROR(
      ml_set_labels(c, node, indices, "classlabels_ints", "classlabels_strings"));
  THORONG_TRY(auto a, c.numbers("prob_a"));
  THORONG_TRY(auto b, c.numbers("prob_b"));
  if (!a.empty()) {
    if (static_cast<int64_t>(a.size()) != pairs || a.size() != b.size())
      return invalid_argument("expected prob_a and prob_b for each pair of classes.");
    THORONG_TRY(scores, svm_probabilities(c, scores, a, b, classes));
  } else if (classes == 2) {
    return c.set_output(1, ml_two_scores(c, scores, transform, transform == "SOFTMAX"));
  }
  return c.set_output(1, ml_transform(c, scores, transform));
}

}  // namespace

std::vector<ImportRule> import_rules_ml_svm() {
  return {{kMl, "SVMRegressor", 1, kAnyVersion, import_svm_regressor},
          {kMl, "SVMClassifier", 1, kAnyVersion, import_svm_classifier}};
}

}  // namespace thorong::onnx
