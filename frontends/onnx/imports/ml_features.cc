// SPDX-License-Identifier: Apache-2.0
// The preparation of features of ai.onnx.ml: ArrayFeatureExtractor, Binarizer, FeatureVectorizer,
// Imputer, Normalizer, OneHotEncoder, Scaler. Values beside ONNX Runtime, which settles what the
// standard leaves open: MAX divides by the greatest element itself, not by its size.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/ml_scores.h"

namespace thorong::onnx {
namespace {

Status import_array_feature_extractor(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId indices, c.input(1));
  Shape shape = c.shape(x);
  if (shape.empty()) return invalid_argument("the input needs a dimension to select from.");
  int64_t count = ops::element_count(c.shape(indices));
  THORONG_TRY(indices, c.reshape(indices, {count}));
  auto last = static_cast<int64_t>(shape.size()) - 1;
  THORONG_TRY(ValueId y, c.add("take", {x, indices}, make_attributes({{"axis", last}})));
  return c.set_output(0, shape.size() == 1 ? c.reshape(y, {1, count}) : Result<ValueId>(y));
}

Status import_binarizer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(double threshold, c.number("threshold", 0));
  Format format = c.format(x);
  // Whole numbers exceed a threshold where they exceed its floor.
  if (numerics::is_integer(format)) threshold = std::floor(threshold);
  THORONG_TRY(ValueId limit, c.full_like(x, threshold));
  THORONG_TRY(ValueId above, c.compare("GT", x, limit));
  return c.set_output(0, c.convert(above, format));
}

Status import_scaler(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(auto offset, c.numbers("offset"));
  THORONG_TRY(auto scale, c.numbers("scale"));
  THORONG_TRY(x, c.convert(x, Format::kFloat32));
  if (!offset.empty()) {
    THORONG_TRY(x, ml_with_row(c, "subtract", x, offset));
  }
  if (!scale.empty()) {
    THORONG_TRY(x, ml_with_row(c, "multiply", x, scale));
  }
  return c.set_output(0, x);
}

// x / divisor, which is 1 where the divisor of a row is 0.
Result<ValueId> divide_rows(ImportContext& c, ValueId x, ValueId divisor) {
  THORONG_TRY(ValueId zero, c.full_like(divisor, 0));
  THORONG_TRY(ValueId one, c.full_like(divisor, 1));
  THORONG_TRY(ValueId is_zero, c.compare("EQ", divisor, zero));
  THORONG_TRY(divisor, c.add("select", {is_zero, one, divisor}));
  THORONG_TRY(divisor, c.broadcast_to(divisor, c.shape(x)));
  return c.add("divide", {x, divisor});
}

Status import_normalizer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId given, c.input(0));
  Shape shape = c.shape(given);
  THORONG_TRY(ValueId x, ml_rows(c, 0));
  THORONG_TRY(std::string norm, c.text("norm", "MAX"));
  ValueId divisor = kNoValue;
  if (norm == "MAX") {
    THORONG_TRY(divisor, c.reduce("maximum", x, {1}, true));
  } else if (norm == "L1") {
    THORONG_TRY(ValueId sizes, c.add("abs", {x}));
    THORONG_TRY(divisor, c.reduce("add", sizes, {1}, true));
  } else if (norm == "L2") {
    THORONG_TRY(ValueId squares, c.add("square", {x}));
    THORONG_TRY(divisor, c.reduce("add", squares, {1}, true));
    THORONG_TRY(divisor, c.add("sqrt", {divisor}));
  } else {
    return invalid_argument("norm \"" + norm + "\" is none of MAX, L1 and L2.");
  }
  THORONG_TRY(ValueId y, divide_rows(c, x, divisor));
  return c.set_output(0, c.reshape(y, shape));
}

Status import_imputer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  bool floats = numerics::is_float(c.format(x));
  std::vector<double> imputed;
  double replaced = 0;
  if (floats) {
    THORONG_TRY(imputed, c.numbers("imputed_value_floats"));
    THORONG_TRY(replaced, c.number("replaced_value_float", 0));
  } else {
    THORONG_TRY(Integers values, c.integers("imputed_value_int64s"));
    imputed.assign(values.begin(), values.end());
    THORONG_TRY(int64_t value, c.integer("replaced_value_int64", 0));
    replaced = static_cast<double>(value);
  }
  Shape shape = c.shape(x);
  auto count = static_cast<int64_t>(imputed.size());
  if (count == 0 || (count != 1 && (shape.empty() || shape.back() != count))) {
    return invalid_argument(
        "expected one imputed value or one for each of the last dimension's elements, in " +
        std::string(floats ? "imputed_value_floats" : "imputed_value_int64s") + "; found " +
        std::to_string(count) + ".");
  }
  ValueId missing = kNoValue;
  if (std::isnan(replaced)) {
    THORONG_TRY(missing, c.add("is_nan", {x}));
  } else {
    THORONG_TRY(ValueId wanted, c.full_like(x, replaced));
    THORONG_TRY(missing, c.compare("EQ", x, wanted));
  }
  THORONG_TRY(ValueId values, c.constant({c.format(x), {count}}, imputed));
  if (count == 1) {
    THORONG_TRY(values, c.reshape(values, {}));
  }
  THORONG_TRY(values, c.broadcast_to(values, shape));
  return c.set_output(0, c.add("select", {missing, values, x}));
}

// The first inputdimensions[i] columns of each input, zeros where it has fewer.
Status import_feature_vectorizer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Integers widths, c.integers("inputdimensions"));
  if (widths.size() != c.input_count() || widths.empty()) {
    return invalid_argument("inputdimensions has " + std::to_string(widths.size()) +
                            " entries for " + std::to_string(c.input_count()) + " inputs.");
  }
  std::vector<ValueId> parts;
  for (size_t i = 0; i < widths.size(); ++i) {
    THORONG_TRY(ValueId x, ml_rows(c, i));
    Shape shape = c.shape(x);
    THORONG_RETURN_IF_ERROR(c.check_generated(widths[i]));
    THORONG_TRY(ValueId part, c.slice_axis(x, 1, 0, std::min(widths[i], shape[1])));
    parts.push_back(part);
    if (widths[i] > shape[1]) {
      THORONG_TRY(ValueId zeros, c.full(Format::kFloat32, {shape[0], widths[i] - shape[1]}, 0));
      parts.push_back(zeros);
    }
  }
  return c.set_output(0, c.concatenate(parts, 1));
}

// x == each category, along a new last dimension.
Status import_one_hot_encoder(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ValueId any, c.any_input(0));
  if (is_object(any)) {
    THORONG_TRY(ops::Text text, c.text_input(0));
    const AttributeProto* words = node.attribute("cats_strings");
    if (words == nullptr) return invalid_argument("strings need cats_strings.");
    std::vector<double> values;
    for (const std::string& string : text.strings) {
      for (const std::string& word : words->strings) values.push_back(string == word ? 1 : 0);
    }
    Shape shape = text.shape;
    shape.push_back(static_cast<int64_t>(words->strings.size()));
    return c.set_output(0, c.constant({Format::kFloat32, shape}, values));
  }
  THORONG_TRY(ValueId x, c.convert(any, Format::kInt64));
  THORONG_TRY(Integers categories, c.integers("cats_int64s"));
  if (categories.empty()) return invalid_argument("numbers need cats_int64s.");
  Shape shape = c.shape(x);
  Integers own = counting(shape.size());
  shape.push_back(static_cast<int64_t>(categories.size()));
  THORONG_TRY(ValueId list, c.constant({shape.back()}, categories));
  THORONG_TRY(list, c.broadcast_to(list, shape));
  THORONG_TRY(x, c.broadcast_in(x, shape, own));
  THORONG_TRY(ValueId equal, c.compare("EQ", x, list));
  return c.set_output(0, c.convert(equal, Format::kFloat32));
}

}  // namespace

std::vector<ImportRule> import_rules_ml_features() {
  return {{kMl, "ArrayFeatureExtractor", 1, kAnyVersion, import_array_feature_extractor},
          {kMl, "Binarizer", 1, kAnyVersion, import_binarizer},
          {kMl, "FeatureVectorizer", 1, kAnyVersion, import_feature_vectorizer},
          {kMl, "Imputer", 1, kAnyVersion, import_imputer},
          {kMl, "Normalizer", 1, kAnyVersion, import_normalizer},
          {kMl, "OneHotEncoder", 1, kAnyVersion, import_one_hot_encoder},
          {kMl, "Scaler", 1, kAnyVersion, import_scaler}};
}

}  // namespace thorong::onnx
