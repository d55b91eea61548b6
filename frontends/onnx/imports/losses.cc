// SPDX-License-Identifier: Apache-2.0
// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. The class of each target is chosen by a
// comparison with the class numbers, so that all of it runs on tiles; a target that is no class
// chooses nothing and its loss is 0.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// [N, C, d...] of bool: whether c is the target at [N, d...], and the target is not ignored.
Result<ValueId> chosen_class(ImportContext& c, ValueId target, const Shape& scores) {
  THORONG_TRY(int64_t ignore, c.integer("ignore_index", -1));
  // fp32 holds every class, and what is none of them stays none; the engines compare it.
  constexpr int64_t kExact = int64_t{1} << 24;
  const Format format = scores[1] <= kExact ? Format::kFloat32 : Format::kInt64;
  THORONG_TRY(target, c.convert(target, format));
  if (c.has_attribute("ignore_index") && ignore >= 0 && ignore < scores[1]) {
    THORONG_TRY(ValueId ignored, c.full_like(target, static_cast<double>(ignore)));
    THORONG_TRY(ValueId none, c.full_like(target, -1));
    THORONG_TRY(ValueId is_ignored, c.compare("EQ", target, ignored));
    THORONG_TRY(target, c.add("select", {is_ignored, none, target}));
  }
  Integers dimensions = counting(scores.size());
  dimensions.erase(dimensions.begin() + 1);
  THORONG_TRY(target, c.broadcast_in(target, scores, dimensions));
  THORONG_TRY(ValueId number, c.iota(format, {scores[1]}, 0));
  THORONG_TRY(number, c.broadcast_in(number, scores, {1}));
  return c.compare("EQ", number, target);
}

// For each target, the one of `values` that belongs to its class.
Result<ValueId> choose(ImportContext& c, ValueId chosen, ValueId values) {
  THORONG_TRY(ValueId zero, c.full_like(values, 0));
  THORONG_TRY(ValueId kept, c.add("select", {chosen, values, zero}));
  return c.reduce("add", kept, {1}, false);
}

Result<ValueId> sum_all(ImportContext& c, ValueId x) {
  return c.reduce("add", x, counting(c.rank(x)), false);
}

Status check_operands(ImportContext& c, ValueId scores, ValueId target) {
  Shape shape = c.shape(scores), expected = shape;
  if (shape.size() >= 2) expected.erase(expected.begin() + 1);
  bool fits = shape.size() >= 2 && c.shape(target) == expected &&
              numerics::is_integer(c.format(target)) && numerics::is_float(c.format(scores));
  if (fits && c.has_input(2)) fits = c.shape(c.optional_input(2)) == Shape{shape[1]};
  if (fits) return ok_status();
  return invalid_argument(
      "the scores must be floats [N, C, d...], the target integers [N, d...] and the weight [C], "
      "found scores " +
      ops::to_string(shape) + " and target " + ops::to_string(c.shape(target)) +
      (c.has_input(2) ? " and weight " + ops::to_string(c.shape(c.optional_input(2))) : "") + ".");
}

// The loss of log-probabilities [N, C, d...], reduced as the node says.
Result<ValueId> loss_of(ImportContext& c, ValueId log_probabilities, ValueId target) {
  THORONG_TRY(std::string reduction, c.text("reduction", "mean"));
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return invalid_argument("reduction must be none, sum or mean, found \"" + reduction + "\".");
  }
  Format format = c.format(log_probabilities);
  THORONG_TRY(ValueId x, c.widen(log_probabilities));
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId chosen, chosen_class(c, target, shape));
  THORONG_TRY(ValueId values, c.add("negate", {x}));
  ValueId weight = c.optional_input(2);
  if (weight != kNoValue) {
    THORONG_TRY(weight, c.convert(weight, c.format(x)));
    THORONG_TRY(weight, c.broadcast_in(weight, shape, {1}));
    THORONG_TRY(values, c.add("multiply", {values, weight}));
  }
  THORONG_TRY(ValueId loss, choose(c, chosen, values));
  if (reduction == "none") return c.convert(loss, format);
  int64_t targets = ops::element_count(c.shape(loss));
  THORONG_TRY(loss, sum_all(c, loss));
  if (reduction == "sum") return c.convert(loss, format);
  if (weight == kNoValue && !c.has_attribute("ignore_index")) {
    THORONG_TRY(loss, c.add_scalar("divide", loss, static_cast<double>(targets)));
    return c.convert(loss, format);
  }
  if (weight == kNoValue) {
    THORONG_TRY(weight, c.full_like(x, 1));
  }
  THORONG_TRY(ValueId weights, choose(c, chosen, weight));
  THORONG_TRY(weights, sum_all(c, weights));
  THORONG_TRY(loss, c.add("divide", {loss, weights}));
  return c.convert(loss, format);
}

Status import_negative_log_likelihood(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId target, c.input(1));
  THORONG_RETURN_IF_ERROR(check_operands(c, x, target));
  return c.set_output(0, loss_of(c, x, target));
}

Status import_softmax_cross_entropy(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId scores, c.input(0));
  THORONG_TRY(ValueId target, c.input(1));
  THORONG_RETURN_IF_ERROR(check_operands(c, scores, target));
  THORONG_TRY(ValueId log_probabilities,
              c.add("log_softmax", {scores}, make_attributes({{"axis", int64_t{1}}})));
  THORONG_RETURN_IF_ERROR(c.set_output(1, log_probabilities));
  return c.set_output(0, loss_of(c, log_probabilities, target));
}

}  // namespace

std::vector<ImportRule> import_rules_losses() {
  return {{"", "NegativeLogLikelihoodLoss", 12, kAnyVersion, import_negative_log_likelihood},
          {"", "SoftmaxCrossEntropyLoss", 12, kAnyVersion, import_softmax_cross_entropy}};
}

}  // namespace thorong::onnx
