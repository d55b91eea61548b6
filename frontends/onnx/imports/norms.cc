// SPDX-License-Identifier: Apache-2.0
// Normalisations over batches, channels and groups.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Result<ValueId> mean_of(ImportContext& c, ValueId x, const Integers& axes, bool keep) {
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId sum, c.reduce("add", x, axes, keep));
  double count = static_cast<double>(ops::element_count(shape)) /
                 static_cast<double>(ops::element_count(c.shape(sum)));
  return c.add_scalar("divide", sum, count);
}

// Training: mean and variance of x [N, C, ...] take the place of operands 3 and 4, which become the
// running ones of outputs 1 and 2 with a weight of `momentum`.
Status use_batch_statistics(ImportContext& c, std::vector<ValueId>& operands) {
  THORONG_TRY(double momentum, c.number("momentum", 0.9));
  THORONG_TRY(ValueId x, c.widen(operands[0]));
  Integers axes = counting(c.rank(x));
  if (axes.size() < 2) return invalid_argument("in training the input must be [N, C, ...].");
  axes.erase(axes.begin() + 1);
  THORONG_TRY(ValueId mean, mean_of(c, x, axes, false));
  THORONG_TRY(ValueId wide, c.broadcast_in(mean, c.shape(x), {1}));
  THORONG_TRY(ValueId centred, c.add("subtract", {x, wide}));
  THORONG_TRY(ValueId square, c.add("square", {centred}));
  THORONG_TRY(ValueId variance, mean_of(c, square, axes, false));
  const ValueId own[] = {mean, variance};
  for (size_t i = 0; i < 2; ++i) {
    THORONG_TRY(ValueId before, c.input(3 + i));
    Format format = c.format(before);
    THORONG_TRY(before, c.convert(before, c.format(x)));
    THORONG_TRY(before, c.add_scalar("multiply", before, momentum));
    THORONG_TRY(ValueId now, c.add_scalar("multiply", own[i], 1 - momentum));
    THORONG_TRY(now, c.add("add", {before, now}));
    THORONG_RETURN_IF_ERROR(c.set_output(1 + i, c.convert(now, format)));
    THORONG_TRY(operands[3 + i], c.convert(own[i], c.format(operands[0])));
  }
  return ok_status();
}

Status import_batch_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(int64_t training, c.integer("training_mode", 0));
  for (size_t i = training != 0 ? 3 : 1; i < c.output_count(); ++i)
    THORONG_RETURN_IF_ERROR(c.refuse_output(i, "training statistics"));
  std::vector<ValueId> operands;
  for (size_t i = 0; i < 5; ++i) {
    THORONG_TRY(ValueId operand, c.input(i));
    if (i > 0) {
      THORONG_TRY(operand, c.convert(operand, c.format(operands[0])));
    }
    operands.push_back(operand);
  }
  if (training != 0) THORONG_RETURN_IF_ERROR(use_batch_statistics(c, operands));
  if (c.rank(operands[0]) == 1) {
    THORONG_TRY(operands[0], c.reshape(operands[0], {c.shape(operands[0])[0], 1}));
  }
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-5));
  return c.set_output(
      0, c.add("batch_norm_inference", operands, make_attributes({{"epsilon", epsilon}})));
}

Status import_instance_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId scale, c.input(1));
  THORONG_TRY(ValueId bias, c.input(2));
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-5));
  return c.set_output(
      0, c.add("instance_norm", {x, scale, bias}, make_attributes({{"epsilon", epsilon}})));
}

// Version 18 has one scale a group, later versions one a channel.
Status import_group_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  std::vector<ValueId> operands{x};
  THORONG_TRY(int64_t groups, c.integer("num_groups", 0));
  Shape shape = c.shape(x);
  if (shape.size() < 2 || groups < 1 || shape[1] % groups != 0) {
    return invalid_argument("num_groups must divide the channels of [N, C, ...], found " +
                            std::to_string(groups) + " for " + ops::to_string(shape) + ".");
  }
  for (size_t i = 1; i <= 2; ++i) {
    THORONG_TRY(ValueId operand, c.input(i));
    if (c.version() < 21) {
      THORONG_TRY(operand, c.broadcast_in(operand, {groups, shape[1] / groups}, {0}));
      THORONG_TRY(operand, c.reshape(operand, {shape[1]}));
    }
    operands.push_back(operand);
  }
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-5));
  return c.set_output(0, c.add("group_norm", operands,
                               make_attributes({{"groups", groups}, {"epsilon", epsilon}})));
}

Status import_lrn(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t size, c.integer("size", 0));
  THORONG_TRY(double alpha, c.number("alpha", 1e-4));
  THORONG_TRY(double beta, c.number("beta", 0.75));
  THORONG_TRY(double bias, c.number("bias", 1));
  return c.set_output(
      0,
      c.add("lrn", {x},
            make_attributes({{"size", size}, {"alpha", alpha}, {"beta", beta}, {"bias", bias}})));
}

// (x - mean) / (standard deviation + 1e-9)
Status import_mean_variance_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers axes, c.integers("axes", {0, 2, 3}));
  THORONG_TRY(ValueId mean, mean_of(c, x, axes, true));
  THORONG_TRY(mean, c.broadcast_to(mean, c.shape(x)));
  THORONG_TRY(ValueId centred, c.add("subtract", {x, mean}));
  THORONG_TRY(ValueId square, c.add("square", {centred}));
  THORONG_TRY(ValueId variance, mean_of(c, square, axes, true));
  THORONG_TRY(ValueId deviation, c.add("sqrt", {variance}));
  THORONG_TRY(deviation, c.add_scalar("add", deviation, 1e-9));
  THORONG_TRY(deviation, c.broadcast_to(deviation, c.shape(x)));
  return c.set_output(0, c.add("divide", {centred, deviation}));
}

// x / norm along one axis; 0 where the norm is 0.
Status import_lp_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t axis, c.integer("axis", -1));
  THORONG_TRY(int64_t p, c.integer("p", 2));
  if (p != 1 && p != 2)
    return invalid_argument("p must be 1 or 2, found " + std::to_string(p) + ".");
  THORONG_TRY(ValueId power, c.add(p == 1 ? "abs" : "square", {x}));
  THORONG_TRY(ValueId norm, c.reduce("add", power, {axis}, true));
  if (p == 2) {
    THORONG_TRY(norm, c.add("sqrt", {norm}));
  }
  THORONG_TRY(norm, c.broadcast_to(norm, c.shape(x)));
  THORONG_TRY(ValueId zero, c.full_like(x, 0));
  THORONG_TRY(ValueId is_zero, c.compare("EQ", norm, zero));
  THORONG_TRY(ValueId quotient, c.add("divide", {x, norm}));
  return c.set_output(0, c.add("select", {is_zero, zero, quotient}));
}

}  // namespace

std::vector<ImportRule> import_rules_norms() {
  return {{"", "BatchNormalization", 7, kAnyVersion, import_batch_norm},
          {"", "InstanceNormalization", 6, kAnyVersion, import_instance_norm},
          {"", "GroupNormalization", 18, kAnyVersion, import_group_norm},
          {"", "LRN", 1, kAnyVersion, import_lrn},
          {"", "MeanVarianceNormalization", 9, kAnyVersion, import_mean_variance_norm},
          {"", "LpNormalization", 1, kAnyVersion, import_lp_norm}};
}

}  // namespace thorong::onnx
