// SPDX-License-Identifier: Apache-2.0
// Random numbers, all from uniform ones: RandomUniform, RandomNormal, their Like forms, Bernoulli,
// Multinomial, and Dropout in training. They depend on the seed of the run, the node and its own
// seed, and cannot be those of another runtime.
#include <bit>
#include <numbers>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// The attribute `name`, an ONNX type; absent: `fallback`.
Result<Format> format_from(const ImportContext& c, const char* name, Format fallback) {
  if (!c.has_attribute(name)) return fallback;
  THORONG_TRY(int64_t type, c.integer(name, 0));
  if (type < 0 || type > 1000)
    return invalid_argument(std::string(name) + " is not an ONNX type: " + std::to_string(type) +
                            ".");
  return format_of_data_type(static_cast<int32_t>(type));
}

// Numbers in [0, 1), of float64 for it and else float32. `stream` tells several of one node apart.
Result<ValueId> uniform(ImportContext& c, const Shape& shape, Format format, uint64_t stream = 0) {
  uint64_t own = 0;
  if (c.has_integer("seed")) {
    THORONG_TRY(int64_t seed, c.integer("seed", 0));
    own = static_cast<uint64_t>(seed);
  } else {
    THORONG_TRY(double seed, c.number("seed", 0));
    own = std::bit_cast<uint64_t>(seed);
  }
  const Format wide = format == Format::kFloat64 ? Format::kFloat64 : Format::kFloat32;
  uint64_t key = c.random_key(own, stream);
  return c.add("random_uniform", {},
               make_attributes({{"shape", shape},
                                {"format", std::string(numerics::name(wide))},
                                {"key", static_cast<int64_t>(key)}}));
}

// The shape and format of the result: of the attributes, or of the operand for the Like forms.
Result<ops::TensorType> result_type(ImportContext& c, bool like) {
  ops::TensorType type{Format::kFloat32, {}};
  if (like) {
    THORONG_TRY(ValueId x, c.input(0));
    type = c.type(x);
  } else {
    if (!c.has_attribute("shape")) return invalid_argument("attribute \"shape\" is missing.");
    THORONG_TRY(type.shape, c.integers("shape"));
  }
  THORONG_TRY(type.format, format_from(c, "dtype", type.format));
  if (numerics::is_float(type.format)) return type;
  return invalid_argument("random numbers are floats; give dtype a float type, found " +
                          std::string(numerics::name(type.format)) + ".");
}

// a + b x, in a format.
Result<ValueId> scaled(ImportContext& c, ValueId x, double a, double b, Format format) {
  if (b != 1) {
    THORONG_TRY(x, c.add_scalar("multiply", x, b));
  }
  if (a != 0) {
    THORONG_TRY(x, c.add_scalar("add", x, a));
  }
  return c.convert(x, format);
}

Status import_uniform(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ops::TensorType type, result_type(c, node.op_type == "RandomUniformLike"));
  THORONG_TRY(double low, c.number("low", 0));
  THORONG_TRY(double high, c.number("high", 1));
  THORONG_TRY(ValueId x, uniform(c, type.shape, type.format));
  return c.set_output(0, scaled(c, x, low, high - low, type.format));
}

// sqrt(-2 log(1 - u)) cos(2 pi v), Box and Muller's.
Status import_normal(ImportContext& c, const NodeProto& node) {
  THORONG_TRY(ops::TensorType type, result_type(c, node.op_type == "RandomNormalLike"));
  THORONG_TRY(double mean, c.number("mean", 0));
  THORONG_TRY(double deviation, c.number("scale", 1));
  THORONG_TRY(ValueId u, uniform(c, type.shape, type.format, 0));
  THORONG_TRY(ValueId v, uniform(c, type.shape, type.format, 1));
  THORONG_TRY(ValueId one, c.full_like(u, 1));
  THORONG_TRY(ValueId rest, c.add("subtract", {one, u}));
  THORONG_TRY(ValueId radius, c.add("log", {rest}));
  THORONG_TRY(radius, c.add_scalar("multiply", radius, -2));
  THORONG_TRY(radius, c.add("sqrt", {radius}));
  THORONG_TRY(ValueId angle, c.add_scalar("multiply", v, 2 * std::numbers::pi));
  THORONG_TRY(ValueId cosine, c.add("cosine", {angle}));
  THORONG_TRY(ValueId x, c.add("multiply", {radius, cosine}));
  return c.set_output(0, scaled(c, x, mean, deviation, type.format));
}

// 1 with the probability x.
Status import_bernoulli(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Format format, format_from(c, "dtype", c.format(x)));
  if (!numerics::is_float(c.format(x)))
    return invalid_argument("the probabilities must be floats.");
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(ValueId u, uniform(c, c.shape(x), c.format(x)));
  THORONG_TRY(ValueId is_one, c.compare("LT", u, x));
  return c.set_output(0, c.convert(is_one, format));
}

// Classes by their logarithmic weights [B, C]: how many of the sums of probabilities a uniform
// number reaches.
Status import_multinomial(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t samples, c.integer("sample_size", 1));
  THORONG_TRY(Format format, format_from(c, "dtype", Format::kInt32));
  Shape shape = c.shape(x);
  bool fits = shape.size() == 2 && shape[1] > 0 && numerics::is_float(c.format(x)) &&
              samples >= 1 && samples <= int64_t{1} << 31;
  if (!fits || (format != Format::kInt32 && format != Format::kInt64)) {
    return invalid_argument(
        "the input must be floats [batch, classes], sample_size positive and dtype int32 or int64, "
        "found " +
        ops::to_string(shape) + " and " + std::to_string(samples) + ".");
  }
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(x, c.add("softmax", {x}, make_attributes({{"axis", int64_t{1}}})));
  THORONG_TRY(ValueId sums, c.add("cumsum", {x}, make_attributes({{"axis", int64_t{1}}})));
  // The last sum, 1 but for rounding, has no successor to lead to.
  THORONG_TRY(sums, c.slice_axis(sums, 1, 0, shape[1] - 1));
  THORONG_TRY(ValueId u, uniform(c, {shape[0], samples}, c.format(x)));
  Shape wide{shape[0], samples, shape[1] - 1};
  THORONG_TRY(sums, c.broadcast_in(sums, wide, {0, 2}));
  THORONG_TRY(u, c.broadcast_in(u, wide, {0, 1}));
  THORONG_TRY(ValueId reached, c.compare("GE", u, sums));
  THORONG_TRY(reached, c.convert(reached, Format::kFloat32));
  THORONG_TRY(ValueId number, c.reduce("add", reached, {2}, false));
  return c.set_output(0, c.convert(number, format));
}

// Whether the node drops anything, and how much.
Result<double> dropout_ratio(ImportContext& c) {
  if (!c.has_input(2)) return 0.0;
  THORONG_TRY(int64_t training, c.constant_integer(2, "training_mode"));
  if (training == 0) return 0.0;
  if (!c.has_input(1)) return 0.5;
  THORONG_TRY(std::vector<double> ratio, c.constant_numbers(1, "ratio"));
  if (ratio.size() == 1 && ratio[0] >= 0 && ratio[0] < 1) return ratio[0];
  return invalid_argument("ratio must be one number in [0, 1).");
}

Status import_dropout(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(double ratio, dropout_ratio(c));
  if (ratio == 0) {
    THORONG_RETURN_IF_ERROR(c.set_output(0, x));
    if (!c.output_used(1)) return ok_status();
    return c.set_output(1, c.full(c.version() < 10 ? c.format(x) : Format::kBool, c.shape(x), 1));
  }
  THORONG_TRY(ValueId u, uniform(c, c.shape(x), Format::kFloat32));
  THORONG_TRY(ValueId limit, c.full_like(u, ratio));
  THORONG_TRY(ValueId kept, c.compare("GE", u, limit));
  THORONG_TRY(ValueId raised, c.add_scalar("multiply", x, 1 / (1 - ratio)));
  THORONG_TRY(ValueId zero, c.full_like(x, 0));
  THORONG_RETURN_IF_ERROR(c.set_output(0, c.add("select", {kept, raised, zero})));
  return c.set_output(1, kept);
}

}  // namespace

std::vector<ImportRule> import_rules_random() {
  return {{"", "RandomUniform", 1, kAnyVersion, import_uniform},
          {"", "RandomUniformLike", 1, kAnyVersion, import_uniform},
          {"", "RandomNormal", 1, kAnyVersion, import_normal},
          {"", "RandomNormalLike", 1, kAnyVersion, import_normal},
          {"", "Bernoulli", 15, kAnyVersion, import_bernoulli},
          {"", "Multinomial", 7, kAnyVersion, import_multinomial},
          {"", "Dropout", 7, kAnyVersion, import_dropout}};
}

}  // namespace thorong::onnx
