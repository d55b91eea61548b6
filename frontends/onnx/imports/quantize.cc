// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and its relatives, with their float arithmetic made explicit.
#include "frontends/onnx/quantized.h"

namespace thorong::onnx {
namespace {

// A scale or zero point at x's shape: one number, one an index of the axis, or one a block of it.
Result<ValueId> spread(ImportContext& c, ValueId parameter, const Shape& shape, int64_t axis,
                       int64_t block) {
  Shape own = c.shape(parameter);
  if (ops::element_count(own) == 1) {
    THORONG_TRY(parameter, c.reshape(parameter, {}));
    return c.broadcast_in(parameter, shape, {});
  }
  THORONG_TRY(size_t dimension, resolve_axis(axis, shape.size()));
  if (own.size() == 1 && block == 0 && own[0] == shape[dimension])
    return c.broadcast_in(parameter, shape, {static_cast<int64_t>(dimension)});
  Shape blocks = shape;
  if (block > 0) blocks[dimension] = (shape[dimension] + block - 1) / block;
  if (block == 0 || own != blocks) {
    return invalid_argument(
        "the scale or zero point " + ops::to_string(own) + " does not fit the input " +
        ops::to_string(shape) + ": expected one number, one an index of axis " +
        std::to_string(dimension) + ", or with block_size B one a block of B of them.");
  }
  THORONG_RETURN_IF_ERROR(c.check_generated(shape[dimension]));
  Integers indices;
  for (int64_t i = 0; i < shape[dimension]; ++i) indices.push_back(i / block);
  THORONG_TRY(parameter, c.take_axis(parameter, dimension, indices));
  return c.broadcast_to(parameter, shape);
}

struct QuantizedLayout {
  int64_t axis = 1, block = 0;
};

Result<QuantizedLayout> read_layout(const ImportContext& c) {
  QuantizedLayout layout;
  THORONG_TRY(layout.axis, c.integer("axis", 1));
  THORONG_TRY(layout.block, c.integer("block_size", 0));
  if (layout.block < 0 || layout.block > int64_t{1} << 31)
    return invalid_argument("block_size is out of range.");
  return layout;
}

// The format that an attribute names; `fallback` where it is absent or 0.
Result<Format> declared_format(const ImportContext& c, const char* name, Format fallback) {
  THORONG_TRY(int64_t declared, c.integer(name, 0));
  if (declared == 0) return fallback;
  if (declared < 0 || declared > 1000) {
    return invalid_argument(std::string(name) +
                            " is not an ONNX type: " + std::to_string(declared) + ".");
  }
  return format_of_data_type(static_cast<int32_t>(declared));
}

Status import_quantize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId scale, c.input(1));
  THORONG_TRY(QuantizedLayout layout, read_layout(c));
  Shape shape = c.shape(x);
  ValueId zero = c.optional_input(2);
  THORONG_TRY(Format format, declared_format(c, "output_dtype",
                                             zero == kNoValue ? Format::kUint8 : c.format(zero)));
  if (zero != kNoValue && c.format(zero) != format) {
    return invalid_argument("output_dtype is " + std::string(numerics::name(format)) +
                            ", but the zero point is " +
                            std::string(numerics::name(c.format(zero))) + ".");
  }
  // The division is done in the scale's format; those of scales that are no plain floats in fp32.
  THORONG_TRY(Format precision, declared_format(c, "precision", c.format(scale)));
  if (!numerics::is_float(precision) || numerics::info(precision).bits < 16)
    precision = Format::kFloat32;
  THORONG_TRY(x, c.convert(x, precision));
  THORONG_TRY(scale, c.convert(scale, precision));
  THORONG_TRY(scale, spread(c, scale, shape, layout.axis, layout.block));
  THORONG_TRY(ValueId y, c.add("divide", {x, scale}));
  if (zero != kNoValue) {
    THORONG_TRY(zero, c.convert(zero, wide_enough(precision)));
    THORONG_TRY(zero, spread(c, zero, shape, layout.axis, layout.block));
  }
  return c.set_output(0, quantize(c, y, zero, format));
}

// (x - zero point) scale
Status import_dequantize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId scale, c.input(1));
  THORONG_TRY(QuantizedLayout layout, read_layout(c));
  Shape shape = c.shape(x);
  THORONG_TRY(Format format, declared_format(c, "output_dtype", c.format(scale)));
  Format work = wide_enough(format);
  THORONG_TRY(x, c.convert(x, work));
  if (c.has_input(2)) {
    THORONG_TRY(ValueId zero, c.convert(c.optional_input(2), work));
    THORONG_TRY(zero, spread(c, zero, shape, layout.axis, layout.block));
    THORONG_TRY(x, c.add("subtract", {x, zero}));
  }
  THORONG_TRY(scale, c.convert(scale, work));
  THORONG_TRY(scale, spread(c, scale, shape, layout.axis, layout.block));
  THORONG_TRY(ValueId y, c.add("multiply", {x, scale}));
  return c.set_output(0, c.convert(y, format));
}

// uint8 with a scale and zero point from the smallest and largest element (and 0).
Status import_dynamic_quantize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  Integers all = counting(shape.size());
  THORONG_TRY(ValueId low, c.reduce("minimum", x, all, false));
  THORONG_TRY(ValueId high, c.reduce("maximum", x, all, false));
  THORONG_TRY(low, c.add_scalar("minimum", low, 0));
  THORONG_TRY(high, c.add_scalar("maximum", high, 0));
  THORONG_TRY(ValueId range, c.add("subtract", {high, low}));
  THORONG_TRY(ValueId nothing, c.full_like(range, 0));
  THORONG_TRY(ValueId one, c.full_like(range, 1));
  THORONG_TRY(ValueId empty, c.compare("EQ", range, nothing));
  THORONG_TRY(ValueId scale, c.add_scalar("divide", range, 255));
  THORONG_TRY(scale, c.add("select", {empty, one, scale}));  // all zeros: as ONNX Runtime
  THORONG_TRY(ValueId offset, c.add("divide", {low, scale}));
  THORONG_TRY(offset, c.add("negate", {offset}));
  THORONG_TRY(ValueId least, c.scalar(c.format(x), 0));
  THORONG_TRY(ValueId most, c.scalar(c.format(x), 255));
  THORONG_TRY(offset, c.add("clamp", {least, offset, most}));
  THORONG_TRY(ValueId zero, c.add("round_nearest_even", {offset}));
  THORONG_TRY(ValueId wide_scale, c.broadcast_in(scale, shape, {}));
  THORONG_TRY(ValueId wide_zero, c.broadcast_in(zero, shape, {}));
  THORONG_TRY(ValueId y, c.add("divide", {x, wide_scale}));
  THORONG_RETURN_IF_ERROR(c.set_output(0, quantize(c, y, wide_zero, Format::kUint8)));
  THORONG_RETURN_IF_ERROR(c.set_output(1, scale));
  return c.set_output(2, c.convert(zero, Format::kUint8));
}

}  // namespace

std::vector<ImportRule> import_rules_quantize() {
  return {{"", "QuantizeLinear", 10, kAnyVersion, import_quantize},
          {kMicrosoft, "QuantizeLinear", 1, kAnyVersion, import_quantize},
          {"", "DequantizeLinear", 10, kAnyVersion, import_dequantize},
          {kMicrosoft, "DequantizeLinear", 1, kAnyVersion, import_dequantize},
          {"", "DynamicQuantizeLinear", 11, kAnyVersion, import_dynamic_quantize}};
}

}  // namespace thorong::onnx
