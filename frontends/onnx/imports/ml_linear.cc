// SPDX-License-Identifier: Apache-2.0
// LinearClassifier and LinearRegressor (ai.onnx.ml): a matrix product, intercepts, a transform.
#include "frontends/onnx/ml_scores.h"

namespace thorong::onnx {
namespace {

// x times the coefficients, plus the intercepts: [N, rows].
Result<ValueId> linear_scores(ImportContext& c, int64_t rows) {
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(auto coefficients, c.numbers("coefficients"));
  THORONG_TRY(auto intercepts, c.numbers("intercepts"));
  THORONG_TRY(ValueId scores, ml_product(c, x, coefficients, rows));
  if (intercepts.empty()) return scores;
  if (static_cast<int64_t>(intercepts.size()) != rows) {
    return invalid_argument("expected an intercept for each of the " + std::to_string(rows) +
                            " scores, found " + std::to_string(intercepts.size()) + ".");
  }
  return ml_with_row(c, "add", scores, intercepts);
}

Status import_linear_regressor(ImportContext& c, const NodeProto&) {
  THORONG_TRY(int64_t targets, c.integer("targets", 1));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(ValueId scores, linear_scores(c, targets));
  return c.set_output(0, ml_transform(c, scores, transform));
}

// One row of coefficients for two classes is the score of the second class.
Status import_linear_classifier(ImportContext& c, const NodeProto& node) {
  constexpr const char* kIntegers = "classlabels_ints";
  constexpr const char* kStrings = "classlabels_strings";
  THORONG_TRY(int64_t classes, ml_label_count(node, kIntegers, kStrings));
  THORONG_TRY(std::string transform, ml_post_transform(c));
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(auto coefficients, c.numbers("coefficients"));
  bool one_score = classes == 2 && static_cast<int64_t>(coefficients.size()) == c.shape(x)[1];
  THORONG_TRY(ValueId scores, linear_scores(c, one_score ? 1 : classes));
  ValueId indices = kNoValue;
  if (one_score) {
    THORONG_TRY(indices, ml_exceeds(c, scores, 0));
    THORONG_TRY(scores, ml_two_scores(c, scores, transform, true));
  } else {
    THORONG_TRY(indices, ml_best(c, scores));
    THORONG_TRY(scores, ml_transform(c, scores, transform));
  }
  THORONG_RETURN_IF_ERROR(ml_set_labels(c, node, indices, kIntegers, kStrings));
  return c.set_output(1, scores);
}

}  // namespace

std::vector<ImportRule> import_rules_ml_linear() {
  return {{kMl, "LinearRegressor", 1, kAnyVersion, import_linear_regressor},
          {kMl, "LinearClassifier", 1, kAnyVersion, import_linear_classifier}};
}

}  // namespace thorong::onnx
