// SPDX-License-Identifier: Apache-2.0
// QuantizeLinear and its relatives, with their float arithmetic made explicit.
#include "frontends/onnx/spatial.h"

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
  if (own.size() == 1 && block == 0)
    return c.broadcast_in(parameter, shape, {static_cast<int64_t>(dimension)});
  bool fits = block > 0 && own.size() == shape.size() && own[dimension] * block >= shape[dimension];
  if (!fits) {
    return invalid_argument("the scale or zero point " + ops::to_string(own) +
                            " does not fit the input " + ops::to_string(shape) + ".");
  }
  THORONG_RETURN_IF_ERROR(c.check_generated(shape[dimension]));
  Integers indices;
  for (int64_t i = 0; i < shape[dimension]; ++i) indices.push_back(i / block);
  THORONG_TRY(parameter, c.take_axis(parameter, dimension, indices));
  return c.broadcast_to(parameter, shape);
}

struct Layout {
  int64_t axis = 1, block = 0;
};

Result<Layout> read_layout(const ImportContext& c) {
  Layout layout;
  THORONG_TRY(layout.axis, c.integer("axis", 1));
  THORONG_TRY(layout.block, c.integer("block_size", 0));
  if (layout.block < 0 || layout.block > int64_t{1} << 31)
    return invalid_argument("block_size is out of range.");
  return layout;
}

double lowest_of(Format format) {
  if (numerics::info(format).kind != 'S') return 0;
  return -static_cast<double>(int64_t{1} << (numerics::info(format).bits - 1));
}

double highest_of(Format format) {
  int bits = numerics::info(format).bits - (numerics::info(format).kind == 'S' ? 1 : 0);
  return static_cast<double>((int64_t{1} << bits) - 1);
}

// saturate(round(x / scale) + zero point), halves to even.
Result<ValueId> quantize(ImportContext& c, ValueId x, ValueId scale, ValueId zero, Format format) {
  THORONG_TRY(ValueId y, c.add("divide", {x, scale}));
  if (!numerics::is_integer(format)) {
    THORONG_TRY(int64_t saturate, c.integer("saturate", 1));
    return saturate != 0 ? c.saturating_convert(y, format) : c.convert(y, format);
  }
  THORONG_TRY(y, c.add("round_nearest_even", {y}));
  if (zero != kNoValue) {
    THORONG_TRY(y, c.add("add", {y, zero}));
  }
  THORONG_TRY(ValueId low, c.scalar(c.format(y), lowest_of(format)));
  THORONG_TRY(ValueId high, c.scalar(c.format(y), highest_of(format)));
  THORONG_TRY(y, c.add("clamp", {low, y, high}));
  return c.convert(y, format);
}

Status import_quantize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId scale, c.input(1));
  THORONG_TRY(Layout layout, read_layout(c));
  Shape shape = c.shape(x);
  Format work = c.format(x) == Format::kInt32 ? Format::kFloat32 : c.format(x);
  Format format = Format::kUint8;
  ValueId zero = c.optional_input(2);
  THORONG_TRY(int64_t declared, c.integer("output_dtype", 0));
  if (zero != kNoValue) {
    format = c.format(zero);
    THORONG_TRY(zero, c.convert(zero, work));
    THORONG_TRY(zero, spread(c, zero, shape, layout.axis, layout.block));
  } else if (declared != 0) {
    THORONG_TRY(format, format_of_data_type(static_cast<int32_t>(declared)));
  }
  if (numerics::info(format).bits > 16)
    return unsupported("only types of up to 16 bits are quantized to.");
  THORONG_TRY(x, c.convert(x, work));
  THORONG_TRY(scale, c.convert(scale, work));
  THORONG_TRY(scale, spread(c, scale, shape, layout.axis, layout.block));
  return c.set_output(0, quantize(c, x, scale, zero, format));
}

// (x - zero point) scale
Status import_dequantize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId scale, c.input(1));
  THORONG_TRY(Layout layout, read_layout(c));
  Shape shape = c.shape(x);
  Format format = c.format(scale);
  Format work = format == Format::kFloat64 ? format : Format::kFloat32;
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
  THORONG_TRY(ValueId scale, c.add_scalar("divide", range, 255));
  THORONG_TRY(ValueId offset, c.add("divide", {low, scale}));
  THORONG_TRY(offset, c.add("negate", {offset}));
  THORONG_TRY(ValueId least, c.scalar(c.format(x), 0));
  THORONG_TRY(ValueId most, c.scalar(c.format(x), 255));
  THORONG_TRY(offset, c.add("clamp", {least, offset, most}));
  THORONG_TRY(ValueId zero, c.add("round_nearest_even", {offset}));
  THORONG_TRY(ValueId wide_scale, c.broadcast_in(scale, shape, {}));
  THORONG_TRY(ValueId wide_zero, c.broadcast_in(zero, shape, {}));
  THORONG_RETURN_IF_ERROR(c.set_output(0, quantize(c, x, wide_scale, wide_zero, Format::kUint8)));
  THORONG_RETURN_IF_ERROR(c.set_output(1, scale));
  return c.set_output(2, c.convert(zero, Format::kUint8));
}

// Operands i, i + 1, i + 2 are a quantized tensor, its scale and its zero point: the real numbers
// that they stand for. A list of scales lies along `axis`.
Result<ValueId> real_operand(ImportContext& c, size_t i, int64_t axis) {
  THORONG_TRY(ValueId x, c.input(i));
  THORONG_TRY(ValueId scale, c.input(i + 1));
  THORONG_TRY(ValueId zero, c.input(i + 2));
  Shape shape = c.shape(x);
  Format format = c.format(scale);
  THORONG_TRY(x, c.convert(x, format));
  THORONG_TRY(zero, c.convert(zero, format));
  THORONG_TRY(zero, spread(c, zero, shape, axis, 0));
  THORONG_TRY(scale, spread(c, scale, shape, axis, 0));
  THORONG_TRY(x, c.add("subtract", {x, zero}));
  return c.add("multiply", {x, scale});
}

// y quantized with operands i (scale) and i + 1 (zero point).
Status set_quantized(ImportContext& c, ValueId y, size_t i) {
  THORONG_TRY(ValueId scale, c.input(i));
  THORONG_TRY(ValueId zero, c.input(i + 1));
  Format format = c.format(zero);
  THORONG_TRY(y, c.convert(y, c.format(scale)));
  if (!numerics::is_integer(format) || numerics::info(format).bits > 16) {
    return unsupported("only integers of up to 16 bits are quantized to.");
  }
  THORONG_TRY(zero, c.convert(zero, c.format(scale)));
  THORONG_TRY(scale, spread(c, scale, c.shape(y), 1, 0));
  THORONG_TRY(zero, spread(c, zero, c.shape(y), 1, 0));
  return c.set_output(0, quantize(c, y, scale, zero, format));
}

// The product of the real numbers, quantized again.
Status import_qlinear_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, real_operand(c, 0, -2));
  THORONG_TRY(ValueId b, real_operand(c, 3, -1));
  THORONG_TRY(ValueId y, c.matrix_multiply(a, b));
  return set_quantized(c, y, 6);
}

// The convolution of the real numbers, quantized again; the bias has the scale x_scale w_scale.
Status import_qlinear_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, real_operand(c, 0, 1));
  THORONG_TRY(ValueId w, real_operand(c, 3, 0));
  THORONG_TRY(ValueId y, convolve(c, x, w));
  if (c.has_input(8)) {
    THORONG_TRY(ValueId bias, c.convert(c.optional_input(8), c.format(y)));
    THORONG_TRY(ValueId x_scale, spread(c, c.optional_input(1), c.shape(bias), 0, 0));
    THORONG_TRY(ValueId w_scale, spread(c, c.optional_input(4), c.shape(bias), 0, 0));
    THORONG_TRY(bias, c.add("multiply", {bias, x_scale}));
    THORONG_TRY(bias, c.add("multiply", {bias, w_scale}));
    THORONG_TRY(bias, c.broadcast_in(bias, c.shape(y), {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  return set_quantized(c, y, 6);
}

}  // namespace

std::vector<ImportRule> import_rules_quantize() {
  return {{"", "QLinearMatMul", 10, kAnyVersion, import_qlinear_matmul},
          {"", "QLinearConv", 10, kAnyVersion, import_qlinear_conv},
          {"", "QuantizeLinear", 10, kAnyVersion, import_quantize},
          {kMicrosoft, "QuantizeLinear", 1, kAnyVersion, import_quantize},
          {"", "DequantizeLinear", 10, kAnyVersion, import_dequantize},
          {kMicrosoft, "DequantizeLinear", 1, kAnyVersion, import_dequantize},
          {"", "DynamicQuantizeLinear", 11, kAnyVersion, import_dynamic_quantize}};
}

}  // namespace thorong::onnx
