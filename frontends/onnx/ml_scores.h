// SPDX-License-Identifier: Apache-2.0
// What the rules of ai.onnx.ml share: rows of features, scores of classes and their transforms, and
// labels.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

inline constexpr const char* kMl = "ai.onnx.ml";

// Operand i as float32 [N, C]; a vector is one row.
Result<ValueId> ml_rows(ImportContext& c, size_t i);

// The post transform of scores [N, E]: NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT.
Result<ValueId> ml_transform(ImportContext& c, ValueId scores, const std::string& transform);
// The attribute post_transform, one of those.
Result<std::string> ml_post_transform(const ImportContext& c);

// The scores [N, 2] of two classes from the score [N, 1] of the second one: opposite numbers, which
// LOGISTIC makes probabilities, or (`complement`) 1 - s and s. The other transforms leave them, as
// in ONNX Runtime.
Result<ValueId> ml_two_scores(ImportContext& c, ValueId score, const std::string& transform,
                              bool complement);

// x [N, 1] > limit, as indices 0 and 1 [N].
Result<ValueId> ml_exceeds(ImportContext& c, ValueId x, double limit);
// The first greatest of each row, int64 [N].
Result<ValueId> ml_best(ImportContext& c, ValueId scores);

// Number of labels in the attributes `integers` or `strings`; an error when both or none are given.
Result<int64_t> ml_label_count(const NodeProto& node, const char* integers, const char* strings);
// Sets output 0 to the labels of these indices [N]. Strings are known only while a model is
// imported, so their indices must follow from the given inputs.
Status ml_set_labels(ImportContext& c, const NodeProto& node, ValueId indices, const char* integers,
                     const char* strings);

// x [N, C] times the transpose of a matrix [E, C] of that many numbers.
Result<ValueId> ml_product(ImportContext& c, ValueId x, const std::vector<double>& matrix,
                           int64_t rows);
// A row of numbers (or one number) on every row of x [N, E]: op(x, row).
Result<ValueId> ml_with_row(ImportContext& c, const char* op, ValueId x,
                            const std::vector<double>& row);

}  // namespace thorong::onnx
