// SPDX-License-Identifier: Apache-2.0
// Normalisations over batches, channels and groups.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_batch_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(int64_t training, c.integer("training_mode", 0));
  if (training != 0)
    return unsupported("training_mode 1 is not done; export the model for inference.");
  for (size_t i = 1; i < c.output_count(); ++i)
    THORONG_RETURN_IF_ERROR(c.refuse_output(i, "training statistics"));
  std::vector<ValueId> operands;
  for (size_t i = 0; i < 5; ++i) {
    THORONG_TRY(ValueId operand, c.input(i));
    if (i > 0) {
      THORONG_TRY(operand, c.convert(operand, c.format(operands[0])));
    }
    operands.push_back(operand);
  }
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

Result<ValueId> mean_of(ImportContext& c, ValueId x, const Integers& axes) {
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId sum, c.reduce("add", x, axes, true));
  double count = static_cast<double>(ops::element_count(shape)) /
                 static_cast<double>(ops::element_count(c.shape(sum)));
  return c.add_scalar("divide", sum, count);
}

// (x - mean) / (standard deviation + 1e-9)
Status import_mean_variance_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers axes, c.integers("axes", {0, 2, 3}));
  THORONG_TRY(ValueId mean, mean_of(c, x, axes));
  THORONG_TRY(mean, c.broadcast_to(mean, c.shape(x)));
  THORONG_TRY(ValueId centred, c.add("subtract", {x, mean}));
  THORONG_TRY(ValueId square, c.add("square", {centred}));
  THORONG_TRY(ValueId variance, mean_of(c, square, axes));
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
