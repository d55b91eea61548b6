// SPDX-License-Identifier: Apache-2.0
// Products that ONNX Runtime's optimizer joins with what follows them, and embeddings with their
// normalisation.
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

struct FusedActivation {
  const char* name;
  const char* op;
  double alpha, beta;  // ONNX's defaults; NaN: the operator has none
};

constexpr double kNoParameter = std::numeric_limits<double>::quiet_NaN();
constexpr FusedActivation kFusedActivations[] = {
    {"Relu", "relu", kNoParameter, kNoParameter},
    {"Sigmoid", "logistic", kNoParameter, kNoParameter},
    {"Tanh", "tanh", kNoParameter, kNoParameter},
    {"Softplus", "softplus", kNoParameter, kNoParameter},
    {"LeakyRelu", "leaky_relu", 0.01, kNoParameter},
    {"Elu", "elu", 1, kNoParameter},
    {"ThresholdedRelu", "thresholded_relu", 1, kNoParameter},
    {"HardSigmoid", "hard_sigmoid", 0.2, 0.5},
    {"HardSwish", "hard_swish", 1.0 / 6, 0.5},
};

// Clip's bounds, or alpha and beta; absent ones keep their defaults.
Result<ValueId> fused_activation(ImportContext& c, ValueId x, const std::vector<double>& given) {
  THORONG_TRY(std::string name, c.text("activation", ""));
  if (name.empty()) return x;
  if (name == "Clip") {
    THORONG_TRY(ValueId low, c.scalar(c.format(x), !given.empty() ? given[0] : -3.4028234e38));
    THORONG_TRY(ValueId high, c.scalar(c.format(x), given.size() > 1 ? given[1] : 3.4028234e38));
    return c.add("clamp", {low, x, high});
  }
  for (const FusedActivation& row : kFusedActivations) {
    if (name != row.name) continue;
    ops::Attributes attributes;
    if (row.alpha == row.alpha) attributes.set("alpha", !given.empty() ? given[0] : row.alpha);
    if (row.beta == row.beta) attributes.set("beta", given.size() > 1 ? given[1] : row.beta);
    return c.add(row.op, {x}, attributes);
  }
  return unsupported("the activation \"" + name + "\" is not done here.");
}

// activation(Conv + Z)
Status import_fused_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId w, c.input(1));
  THORONG_TRY(ValueId y, convolve(c, x, w));
  if (c.has_input(2)) {
    THORONG_TRY(ValueId bias, c.input(2));
    THORONG_TRY(bias, c.broadcast_in(bias, c.shape(y), {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  if (c.has_input(3)) {
    THORONG_TRY(ValueId other, c.input(3));
    THORONG_TRY(other, c.broadcast_to(other, c.shape(y)));
    THORONG_TRY(y, c.add("add", {y, other}));
  }
  THORONG_TRY(std::vector<double> parameters, c.numbers("activation_params"));
  return c.set_output(0, fused_activation(c, y, parameters));
}

// activation(Gemm)
Status import_fused_gemm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId y, general_product(c));
  std::vector<double> parameters;
  for (const char* name : {"activation_alpha", "activation_beta"}) {
    if (!c.has_attribute(name)) break;
    THORONG_TRY(double value, c.number(name, 0));
    parameters.push_back(value);
  }
  return c.set_output(0, fused_activation(c, y, parameters));
}

Result<ValueId> embedding(ImportContext& c, size_t table, ValueId ids) {
  THORONG_TRY(ValueId rows, c.input(table));
  if (c.rank(rows) != 2) return invalid_argument("an embedding must have rank 2.");
  return c.add("take", {rows, ids}, make_attributes({{"axis", int64_t{0}}}));
}

Result<ValueId> add_embedding(ImportContext& c, ValueId sum, ValueId other) {
  THORONG_TRY(other, c.broadcast_to(other, c.shape(sum)));
  return c.add("add", {sum, other});
}

// The embeddings of words, positions (0, 1, ... where no ids are given) and segments, added.
Result<ValueId> embedding_sum(ImportContext& c) {
  THORONG_TRY(ValueId words, c.input(0));
  if (c.rank(words) != 2) return invalid_argument("input_ids must be [batch, positions].");
  THORONG_TRY(ValueId sum, embedding(c, 2, words));
  ValueId positions = kNoValue;
  if (c.has_input(8)) {
    THORONG_TRY(ValueId ids, c.input(8));
    THORONG_TRY(positions, embedding(c, 3, ids));
  } else {
    THORONG_TRY(ValueId table, c.input(3));
    int64_t count = c.shape(words)[1];
    if (c.rank(table) != 2 || c.shape(table)[0] < count)
      return invalid_argument("position_embedding has too few rows for the input.");
    THORONG_TRY(positions, c.slice_axis(table, 0, 0, count));
  }
  THORONG_TRY(sum, add_embedding(c, sum, positions));
  if (!c.has_input(1) || !c.has_input(4)) return sum;
  THORONG_TRY(ValueId ids, c.input(1));
  THORONG_TRY(ValueId segments, embedding(c, 4, ids));
  return add_embedding(c, sum, segments);
}

// How many entries of each row of the mask are 1; 0 without a mask.
Result<ValueId> mask_counts(ImportContext& c) {
  THORONG_TRY(ValueId words, c.input(0));
  if (!c.has_input(7)) return c.full(Format::kInt32, {c.shape(words)[0]}, 0);
  THORONG_TRY(ValueId mask, c.input(7));
  THORONG_TRY(ValueId one, c.full_like(mask, 1));
  THORONG_TRY(ValueId is_one, c.compare("EQ", mask, one));
  THORONG_TRY(ValueId counted, c.convert(is_one, Format::kInt32));
  return c.reduce("add", counted, {1}, false);
}

// EmbedLayerNormalization(ids, segments?, three tables, gamma, beta, mask?, positions?)
Status import_embed_norm(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId sum, embedding_sum(c));
  THORONG_TRY(ValueId scale, c.input(5));
  THORONG_TRY(ValueId bias, c.input(6));
  THORONG_TRY(double epsilon, c.number("epsilon", 1e-12));
  THORONG_RETURN_IF_ERROR(
      c.set_output(0, c.add("layer_norm", {sum, scale, bias},
                            make_attributes({{"axis", int64_t{2}}, {"epsilon", epsilon}}))));
  THORONG_RETURN_IF_ERROR(c.set_output(2, sum));
  if (!c.output_used(1)) return ok_status();
  return c.set_output(1, mask_counts(c));
}

}  // namespace

std::vector<ImportRule> import_rules_fused() {
  return {{kMicrosoft, "FusedConv", 1, kAnyVersion, import_fused_conv},
          {kMicrosoft, "FusedGemm", 1, kAnyVersion, import_fused_gemm},
          {kMicrosoft, "EmbedLayerNormalization", 1, kAnyVersion, import_embed_norm}};
}

}  // namespace thorong::onnx
