// SPDX-License-Identifier: Apache-2.0
// One step of an optimizer (ai.onnx.preview.training): Adagrad, Adam and Momentum, for any number
// of tensors. Operands are the learning rate, the update count, then all tensors, all gradients and
// each kind of state.
#include <array>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

constexpr const char* kTraining = "ai.onnx.preview.training";

// The rate and count as scalars, and how many tensors there are.
struct Step {
  ValueId rate = kNoValue, count = kNoValue;
  size_t tensors = 0;
};

// `kinds`: operands a tensor has, itself included.
Result<Step> read_step(ImportContext& c, size_t kinds) {
  Step step;
  THORONG_TRY(step.rate, c.input(0));
  THORONG_TRY(step.count, c.input(1));
  bool fits = c.input_count() > 2 && (c.input_count() - 2) % kinds == 0 &&
              ops::element_count(c.shape(step.rate)) == 1 &&
              ops::element_count(c.shape(step.count)) == 1;
  if (!fits) {
    return invalid_argument("the operands must be a rate and a count of one element, then " +
                            std::to_string(kinds) + " for each tensor, found " +
                            std::to_string(c.input_count()) + " operands.");
  }
  step.tensors = (c.input_count() - 2) / kinds;
  THORONG_TRY(step.rate, c.reshape(step.rate, {}));
  THORONG_TRY(step.count, c.reshape(step.count, {}));
  for (size_t i = 2; i < c.input_count(); ++i) {
    THORONG_TRY(ValueId x, c.input(i));
    THORONG_TRY(ValueId first, c.input(2 + (i - 2) % step.tensors));
    if (c.type(x) == c.type(first)) continue;
    return invalid_argument(
        "operand " + std::to_string(i) + " must have the format and shape of its tensor, " +
        ops::to_string(c.shape(first)) + ", found " + ops::to_string(c.shape(x)) + ".");
  }
  return step;
}

// a x + b y.
Result<ValueId> blend(ImportContext& c, double a, ValueId x, double b, ValueId y) {
  if (a != 1) {
    THORONG_TRY(x, c.add_scalar("multiply", x, a));
  }
  if (b != 1) {
    THORONG_TRY(y, c.add_scalar("multiply", y, b));
  }
  return c.add("add", {x, y});
}

// The gradient with that of the regularisation: norm_coefficient x + g.
Result<ValueId> regularised(ImportContext& c, ValueId x, ValueId gradient) {
  THORONG_TRY(double norm, c.number("norm_coefficient", 0));
  if (norm == 0) return gradient;
  return blend(c, norm, x, 1, gradient);
}

// x - rate * change, with a rate of one element.
Result<ValueId> descend(ImportContext& c, ValueId x, ValueId rate, ValueId change) {
  THORONG_TRY(rate, c.convert(rate, c.format(x)));
  THORONG_TRY(rate, c.broadcast_in(rate, c.shape(x), {}));
  THORONG_TRY(change, c.add("multiply", {rate, change}));
  return c.add("subtract", {x, change});
}

// numerator / (sqrt(squares) + epsilon).
Result<ValueId> scaled_by_root(ImportContext& c, ValueId numerator, ValueId squares) {
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-6));
  THORONG_TRY(ValueId root, c.add("sqrt", {squares}));
  THORONG_TRY(root, c.add_scalar("add", root, epsilon));
  return c.add("divide", {numerator, root});
}

// Whether the update count, as a float, is above 0.
Result<ValueId> has_started(ImportContext& c, ValueId count) {
  THORONG_TRY(ValueId zero, c.full_like(count, 0));
  return c.compare("GT", count, zero);
}

Status import_adagrad(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Step step, read_step(c, 3));
  THORONG_TRY(double decay, c.number("decay_factor", 0));
  ValueId rate = step.rate;
  if (decay != 0) {
    THORONG_TRY(ValueId count, c.convert(step.count, c.format(rate)));
    THORONG_TRY(count, c.add_scalar("multiply", count, decay));
    THORONG_TRY(count, c.add_scalar("add", count, 1));
    THORONG_TRY(rate, c.add("divide", {rate, count}));
  }
  for (size_t i = 0; i < step.tensors; ++i) {
    THORONG_TRY(ValueId x, c.input(2 + i));
    THORONG_TRY(ValueId gradient, c.input(2 + step.tensors + i));
    THORONG_TRY(ValueId squares, c.input(2 + 2 * step.tensors + i));
    THORONG_TRY(gradient, regularised(c, x, gradient));
    THORONG_TRY(ValueId square, c.add("square", {gradient}));
    THORONG_TRY(squares, c.add("add", {squares, square}));
    THORONG_TRY(ValueId change, scaled_by_root(c, gradient, squares));
    THORONG_RETURN_IF_ERROR(c.set_output(i, descend(c, x, rate, change)));
    THORONG_RETURN_IF_ERROR(c.set_output(step.tensors + i, squares));
  }
  return ok_status();
}

// 1 - base^count: what the mean of `count` steps has of its full weight.
Result<ValueId> warm_up(ImportContext& c, double base, ValueId count) {
  THORONG_TRY(ValueId powers, c.full_like(count, base));
  THORONG_TRY(powers, c.add("power", {powers, count}));
  THORONG_TRY(ValueId one, c.full_like(count, 1));
  return c.add("subtract", {one, powers});
}

// rate sqrt(1 - beta^count) / (1 - alpha^count); the rate itself at count 0.
Result<ValueId> adam_rate(ImportContext& c, const Step& step, double alpha, double beta) {
  THORONG_TRY(ValueId count, c.convert(step.count, c.format(step.rate)));
  THORONG_TRY(ValueId root, warm_up(c, beta, count));
  THORONG_TRY(root, c.add("sqrt", {root}));
  THORONG_TRY(ValueId divisor, warm_up(c, alpha, count));
  THORONG_TRY(ValueId rate, c.add("multiply", {step.rate, root}));
  THORONG_TRY(rate, c.add("divide", {rate, divisor}));
  THORONG_TRY(ValueId started, has_started(c, count));
  return c.add("select", {started, rate, step.rate});
}

Status import_adam(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Step step, read_step(c, 4));
  THORONG_TRY(double alpha, c.number("alpha", 0.9));
  THORONG_TRY(double beta, c.number("beta", 0.999));
  THORONG_TRY(double after, c.number("norm_coefficient_post", 0));
  THORONG_TRY(ValueId rate, adam_rate(c, step, alpha, beta));
  for (size_t i = 0; i < step.tensors; ++i) {
    THORONG_TRY(ValueId x, c.input(2 + i));
    THORONG_TRY(ValueId gradient, c.input(2 + step.tensors + i));
    THORONG_TRY(ValueId mean, c.input(2 + 2 * step.tensors + i));
    THORONG_TRY(ValueId squares, c.input(2 + 3 * step.tensors + i));
    THORONG_TRY(gradient, regularised(c, x, gradient));
    THORONG_TRY(ValueId square, c.add("square", {gradient}));
    THORONG_TRY(mean, blend(c, alpha, mean, 1 - alpha, gradient));
    THORONG_TRY(squares, blend(c, beta, squares, 1 - beta, square));
    THORONG_TRY(ValueId change, scaled_by_root(c, mean, squares));
    THORONG_TRY(x, descend(c, x, rate, change));
    if (after != 0) {
      THORONG_TRY(x, c.add_scalar("multiply", x, 1 - after));
    }
    const std::array<ValueId, 3> results{x, mean, squares};
    for (size_t kind = 0; kind < results.size(); ++kind)
      THORONG_RETURN_IF_ERROR(c.set_output(kind * step.tensors + i, results[kind]));
  }
  return ok_status();
}

// The velocity takes `beta` of the gradient, all of it in the first step.
Status import_momentum(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Step step, read_step(c, 3));
  THORONG_TRY(double alpha, c.number("alpha", 0.9));
  THORONG_TRY(double beta, c.number("beta", 1));
  THORONG_TRY(std::string mode, c.text("mode", "standard"));
  if (mode != "standard" && mode != "nesterov")
    return invalid_argument("mode must be standard or nesterov, found \"" + mode + "\".");
  THORONG_TRY(ValueId count, c.convert(step.count, c.format(step.rate)));
  THORONG_TRY(ValueId started, has_started(c, count));
  THORONG_TRY(ValueId first, c.full_like(count, 1));
  THORONG_TRY(ValueId later, c.full_like(count, beta));
  THORONG_TRY(ValueId share, c.add("select", {started, later, first}));
  for (size_t i = 0; i < step.tensors; ++i) {
    THORONG_TRY(ValueId x, c.input(2 + i));
    THORONG_TRY(ValueId gradient, c.input(2 + step.tensors + i));
    THORONG_TRY(ValueId velocity, c.input(2 + 2 * step.tensors + i));
    THORONG_TRY(gradient, regularised(c, x, gradient));
    ValueId part = gradient;
    if (beta != 1) {
      THORONG_TRY(ValueId factor, c.convert(share, c.format(x)));
      THORONG_TRY(factor, c.broadcast_in(factor, c.shape(x), {}));
      THORONG_TRY(part, c.add("multiply", {factor, gradient}));
    }
    THORONG_TRY(velocity, blend(c, alpha, velocity, 1, part));
    ValueId change = velocity;
    if (mode == "nesterov") {
      THORONG_TRY(change, blend(c, alpha, velocity, 1, gradient));
    }
    THORONG_RETURN_IF_ERROR(c.set_output(i, descend(c, x, step.rate, change)));
    THORONG_RETURN_IF_ERROR(c.set_output(step.tensors + i, velocity));
  }
  return ok_status();
}

}  // namespace

std::vector<ImportRule> import_rules_optimizers() {
  return {{kTraining, "Adagrad", 1, kAnyVersion, import_adagrad},
          {kTraining, "Adam", 1, kAnyVersion, import_adam},
          {kTraining, "Momentum", 1, kAnyVersion, import_momentum}};
}

}  // namespace thorong::onnx
