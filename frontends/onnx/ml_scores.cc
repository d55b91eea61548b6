// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/ml_scores.h"

#include <algorithm>
#include <numbers>

namespace thorong::onnx {
namespace {

// sqrt(2) erfinv(2 x - 1), with ONNX Runtime's approximation of erfinv (Winitzki's).
Result<ValueId> probit(ImportContext& c, ValueId x) {
  THORONG_TRY(ValueId y, c.add_scalar("multiply", x, 2));
  THORONG_TRY(y, c.add_scalar("subtract", y, 1));
  THORONG_TRY(ValueId square, c.add("square", {y}));
  THORONG_TRY(ValueId one, c.full_like(y, 1));
  THORONG_TRY(ValueId rest, c.add("subtract", {one, square}));
  THORONG_TRY(ValueId logarithm, c.add("log", {rest}));
  THORONG_TRY(ValueId half, c.add_scalar("multiply", logarithm, 0.5));
  THORONG_TRY(ValueId v, c.add_scalar("add", half, 2 / (std::numbers::pi * 0.147)));
  THORONG_TRY(ValueId v2, c.add_scalar("multiply", logarithm, 1 / 0.147));
  THORONG_TRY(ValueId inner, c.add("square", {v}));
  THORONG_TRY(inner, c.add("subtract", {inner, v2}));
  THORONG_TRY(inner, c.add("sqrt", {inner}));
  THORONG_TRY(inner, c.add("subtract", {inner, v}));
  THORONG_TRY(inner, c.add("sqrt", {inner}));
  THORONG_TRY(ValueId sign, c.add("sign", {y}));
  THORONG_TRY(inner, c.add("multiply", {inner, sign}));
  return c.add_scalar("multiply", inner, std::numbers::sqrt2);
}

// Softmax over the scores that are not 0; those stay 0.
Result<ValueId> softmax_of_others(ImportContext& c, ValueId x) {
  const Shape shape = c.shape(x);
  THORONG_TRY(ValueId size, c.add("abs", {x}));
  THORONG_TRY(ValueId least, c.full_like(x, 1e-7));
  THORONG_TRY(ValueId counts, c.compare("GT", size, least));
  THORONG_TRY(ValueId greatest, c.reduce("maximum", x, {1}, true));
  THORONG_TRY(greatest, c.broadcast_to(greatest, shape));
  THORONG_TRY(ValueId power, c.add("subtract", {x, greatest}));
  THORONG_TRY(power, c.add("exponential", {power}));
  THORONG_TRY(ValueId zero, c.full_like(x, 0));
  THORONG_TRY(power, c.add("select", {counts, power, zero}));
  THORONG_TRY(ValueId sum, c.reduce("add", power, {1}, true));
  THORONG_TRY(sum, c.broadcast_to(sum, shape));
  return c.add("divide", {power, sum});
}

}  // namespace

Result<ValueId> ml_rows(ImportContext& c, size_t i) {
  THORONG_TRY(ValueId x, c.input(i));
  const Shape shape = c.shape(x);
  if (shape.size() != 1 && shape.size() != 2) {
    return invalid_argument("expected rows of features [N, C] or one row [C], found " +
                            ops::to_string(shape) + ".");
  }
  if (shape.size() == 1) {
    THORONG_TRY(x, c.reshape(x, {1, shape[0]}));
  }
  return c.convert(x, Format::kFloat32);
}

Result<std::string> ml_post_transform(const ImportContext& c) {
  Result<std::string> transform = c.text("post_transform", "NONE");
  if (!transform.ok()) return transform;
  for (const char* known : {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"}) {
    if (*transform == known) return transform;
  }
  return invalid_argument("post_transform \"" + *transform +
                          "\" is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO and PROBIT.");
}

Result<ValueId> ml_transform(ImportContext& c, ValueId scores, const std::string& transform) {
  if (transform == "LOGISTIC") return c.add("logistic", {scores});
  if (transform == "PROBIT") return probit(c, scores);
  if (transform == "SOFTMAX_ZERO") return softmax_of_others(c, scores);
  if (transform == "SOFTMAX")
    return c.add("softmax", {scores}, make_attributes({{"axis", int64_t{1}}}));
  return scores;
}

Result<ValueId> ml_two_scores(ImportContext& c, ValueId score, const std::string& transform,
                              bool complement) {
  if (transform == "PROBIT")
    return unsupported("post_transform PROBIT of the one score of two classes is not done.");
  ValueId other = kNoValue;
  if (complement && transform != "LOGISTIC") {
    THORONG_TRY(ValueId one, c.full_like(score, 1));
    THORONG_TRY(other, c.add("subtract", {one, score}));
  } else {
    THORONG_TRY(other, c.add("negate", {score}));
  }
  THORONG_TRY(ValueId both, c.concatenate({other, score}, 1));
  return transform == "LOGISTIC" ? c.add("logistic", {both}) : Result<ValueId>(both);
}

Result<ValueId> ml_exceeds(ImportContext& c, ValueId x, double limit) {
  THORONG_TRY(ValueId wide, c.full_like(x, limit));
  THORONG_TRY(ValueId above, c.compare("GT", x, wide));
  THORONG_TRY(above, c.reshape(above, {c.shape(x)[0]}));
  return c.convert(above, Format::kInt64);
}

Result<ValueId> ml_best(ImportContext& c, ValueId scores) {
  return c.add("arg_reduce", {scores},
               make_attributes({{"dimension", int64_t{1}}, {"function", std::string("maximum")}}));
}

Result<int64_t> ml_label_count(const NodeProto& node, const char* integers, const char* strings) {
  const AttributeProto* numbers = node.attribute(integers);
  const AttributeProto* words = node.attribute(strings);
  size_t count = (numbers != nullptr ? numbers->ints.size() : 0) +
                 (words != nullptr ? words->strings.size() : 0);
  bool both =
      numbers != nullptr && words != nullptr && !numbers->ints.empty() && !words->strings.empty();
  if (count != 0 && !both) return static_cast<int64_t>(count);
  return invalid_argument(std::string("expected labels in one of ") + integers + " and " + strings +
                          ".");
}

Status ml_set_labels(ImportContext& c, const NodeProto& node, ValueId indices, const char* integers,
                     const char* strings) {
  if (!c.output_used(0)) return ok_status();
  const AttributeProto* numbers = node.attribute(integers);
  if (numbers != nullptr && !numbers->ints.empty()) {
    THORONG_TRY(ValueId labels,
                c.constant({static_cast<int64_t>(numbers->ints.size())}, numbers->ints));
    return c.set_output(0,
                        c.add("take", {labels, indices}, make_attributes({{"axis", int64_t{0}}})));
  }
  const ValueId wanted[] = {indices};
  THORONG_TRY(auto known, c.known_tensors(wanted));
  ops::Text text;
  text.shape = known[0].type.shape;
  const auto& words = node.attribute(strings)->strings;
  for (int64_t index : known[0].to_int64s())
    text.strings.push_back(words[static_cast<size_t>(index)]);
  return c.set_output(0, c.objects().add_text(std::move(text)));
}

Result<ValueId> ml_product(ImportContext& c, ValueId x, const std::vector<double>& matrix,
                           int64_t rows) {
  int64_t columns = c.shape(x)[1];
  if (rows < 1 || static_cast<int64_t>(matrix.size()) % rows != 0 ||
      static_cast<int64_t>(matrix.size()) / rows != columns) {
    return invalid_argument(std::to_string(matrix.size()) + " coefficients are no " +
                            std::to_string(rows) + " rows of the " + std::to_string(columns) +
                            " features.");
  }
  THORONG_TRY(ValueId weights, c.constant({Format::kFloat32, {rows, columns}}, matrix));
  return c.contract(x, weights, 1, 1);
}

Result<ValueId> ml_with_row(ImportContext& c, const char* op, ValueId x,
                            const std::vector<double>& row) {
  auto count = static_cast<int64_t>(row.size());
  const Shape shape = c.shape(x);
  if (count != 1 && (shape.empty() || count != shape.back())) {
    return invalid_argument("expected one number or one each of the " +
                            std::to_string(shape.empty() ? 1 : shape.back()) + " columns, found " +
                            std::to_string(count) + ".");
  }
  THORONG_TRY(ValueId numbers, c.constant({c.format(x), {count}}, row));
  if (count == 1) {
    THORONG_TRY(numbers, c.reshape(numbers, {}));
  }
  THORONG_TRY(numbers, c.broadcast_to(numbers, shape));
  return c.add(op, {x, numbers});
}

}  // namespace thorong::onnx
