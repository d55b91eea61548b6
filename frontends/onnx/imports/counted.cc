// SPDX-License-Identifier: Apache-2.0
// Operators with results whose sizes depend on values: NonZero, Unique, NonMaxSuppression.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_non_zero(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const ValueId x, c.input(0));
  THORONG_TRY(const auto results, c.add_counted("non_zero", {x}, {}, 1));
  return c.set_output(0, results[0]);
}

Status import_unique(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const ValueId x, c.input(0));
  THORONG_TRY(const int64_t sorted, c.integer("sorted", 1));
  auto attributes = make_attributes({{"sorted", sorted}});
  size_t dimension = 0;
  if (c.has_attribute("axis")) {
    THORONG_TRY(const int64_t axis, c.integer("axis", 0));
    THORONG_TRY(dimension, resolve_axis(axis, c.rank(x)));
    attributes.set("axis", static_cast<int64_t>(dimension));
  }
  THORONG_TRY(const auto results, c.add_counted("unique", {x}, attributes, dimension));
  for (size_t i = 0; i < results.size(); ++i) THORONG_RETURN_IF_ERROR(c.set_output(i, results[i]));
  return ok_status();
}

Status import_non_max_suppression(ImportContext& c, const NodeProto&) {
  THORONG_TRY(const ValueId boxes, c.input(0));
  THORONG_TRY(const ValueId scores, c.input(1));
  THORONG_TRY(const int64_t center, c.integer("center_point_box", 0));
  ops::Attributes attributes = make_attributes({{"center_point_box", center}});
  int64_t most = 0;
  if (c.has_input(2)) {
    THORONG_TRY(most, c.constant_integer(2, "max_output_boxes_per_class"));
  }
  attributes.set("max_output", most);
  const char* const thresholds[] = {"iou_threshold", "score_threshold"};
  for (size_t i = 0; i < 2; ++i) {
    if (!c.has_input(3 + i)) continue;
    THORONG_TRY(const auto values, c.constant_numbers(3 + i, thresholds[i]));
    if (values.size() != 1)
      return invalid_argument(std::string(thresholds[i]) + " must be one number.");
    attributes.set(thresholds[i], values[0]);
  }
  THORONG_TRY(const auto results,
              c.add_counted("non_max_suppression", {boxes, scores}, attributes, 0));
  return c.set_output(0, results[0]);
}

}  // namespace

std::vector<ImportRule> import_rules_counted() {
  return {{"", "NonZero", 9, kAnyVersion, import_non_zero},
          {"", "Unique", 11, kAnyVersion, import_unique},
          {"", "NonMaxSuppression", 10, kAnyVersion, import_non_max_suppression}};
}

}  // namespace thorong::onnx
