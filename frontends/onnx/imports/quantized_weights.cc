// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime's products with quantized weights: MatMulNBits, DynamicQuantizeMatMul and
// MatMulIntegerToFloat. Weights stay packed in memory and are unpacked by the program.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// Fields of `bits` bits from bytes, the lowest first, along the last dimension: its size grows by
// 8 / bits.
Result<ValueId> unpacked_fields(ImportContext& c, ValueId bytes, int64_t bits) {
  if (bits == 8) return bytes;
  int64_t count = 8 / bits;
  Shape column = c.shape(bytes), wide = c.shape(bytes);
  column.push_back(1);
  wide.back() *= count;
  std::vector<ValueId> fields;
  for (int64_t i = 0; i < count; ++i) {
    ValueId field = bytes;
    if (i > 0) {
      THORONG_TRY(field,
                  c.add_scalar("divide", field, static_cast<double>(int64_t{1} << (bits * i))));
    }
    if (i < count - 1) {
      THORONG_TRY(field, c.add_scalar("modulo", field, static_cast<double>(int64_t{1} << bits)));
    }
    THORONG_TRY(field, c.reshape(field, column));
    fields.push_back(field);
  }
  THORONG_TRY(ValueId joined, c.concatenate(fields, column.size() - 1));
  return c.reshape(joined, wide);
}

struct PackedWeights {
  int64_t rows = 0, columns = 0, block = 0, blocks = 0, bits = 4;  // rows: N, columns: K
};

Result<PackedWeights> read_packed_weights(ImportContext& c) {
  PackedWeights w;
  THORONG_TRY(w.rows, c.integer("N", 0));
  THORONG_TRY(w.columns, c.integer("K", 0));
  THORONG_TRY(w.block, c.integer("block_size", 0));
  THORONG_TRY(w.bits, c.integer("bits", 4));
  constexpr int64_t kLargest = int64_t{1} << 31;
  if (w.rows <= 0 || w.columns <= 0 || w.rows > kLargest || w.columns > kLargest) {
    return invalid_argument("N and K must be positive and at most 2^31.");
  }
  if (w.block < 16 || w.block > kLargest || (w.block & (w.block - 1)) != 0) {
    return invalid_argument("block_size must be a power of two of 16 or more, found " +
                            std::to_string(w.block) + ".");
  }
  if (w.bits != 2 && w.bits != 4 && w.bits != 8)
    return unsupported("bits must be 2, 4 or 8, found " + std::to_string(w.bits) + ".");
  THORONG_TRY(int64_t prepacked, c.integer("weight_prepacked", 0));
  if (prepacked != 0 || c.has_input(4))
    return unsupported("prepacked weights and g_idx are not done.");
  w.blocks = (w.columns + w.block - 1) / w.block;
  return w;
}

// Zero points [rows, blocks, 1] in `format`: packed as the weights, or unpacked; absent: the
// middle.
Result<ValueId> packed_zero_points(ImportContext& c, const PackedWeights& w, Format format) {
  Shape shape{w.rows, w.blocks, 1};
  if (!c.has_input(3)) {
    return c.full(format, shape, static_cast<double>(int64_t{1} << (w.bits - 1)));
  }
  THORONG_TRY(ValueId zero, c.input(3));
  if (c.format(zero) == Format::kUint8) {
    int64_t bytes = (w.blocks * w.bits + 7) / 8;
    if (ops::element_count(c.shape(zero)) != w.rows * bytes) {
      return invalid_argument("packed zero points must be [" + std::to_string(w.rows) + ", " +
                              std::to_string(bytes) + "], found " + ops::to_string(c.shape(zero)) +
                              ".");
    }
    THORONG_TRY(zero, c.reshape(zero, {w.rows, bytes}));
    THORONG_TRY(zero, unpacked_fields(c, zero, w.bits));
    THORONG_TRY(zero, c.slice_axis(zero, 1, 0, w.blocks));
  }
  THORONG_TRY(zero, c.convert(zero, format));
  return c.reshape(zero, shape);
}

// (field - zero point) scale, [rows, columns].
Result<ValueId> unpacked_weights(ImportContext& c, const PackedWeights& w) {
  THORONG_TRY(ValueId bytes, c.input(1));
  THORONG_TRY(ValueId scale, c.input(2));
  Shape packed{w.rows, w.blocks, w.block * w.bits / 8}, fields{w.rows, w.blocks, w.block};
  if (c.format(bytes) != Format::kUint8 || c.shape(bytes) != packed) {
    return invalid_argument("B must be uint8 " + ops::to_string(packed) + ", found " +
                            ops::to_string(c.shape(bytes)) + ".");
  }
  if (ops::element_count(c.shape(scale)) != w.rows * w.blocks) {
    return invalid_argument("scales must be [" + std::to_string(w.rows) + ", " +
                            std::to_string(w.blocks) + "], found " +
                            ops::to_string(c.shape(scale)) + ".");
  }
  Format format = c.format(scale);
  THORONG_TRY(ValueId zero, packed_zero_points(c, w, format));
  THORONG_TRY(zero, c.broadcast_to(zero, fields));
  THORONG_TRY(scale, c.reshape(scale, {w.rows, w.blocks, 1}));
  THORONG_TRY(scale, c.broadcast_to(scale, fields));
  THORONG_TRY(ValueId weights, unpacked_fields(c, bytes, w.bits));
  THORONG_TRY(weights, c.convert(weights, format));
  THORONG_TRY(weights, c.add("subtract", {weights, zero}));
  THORONG_TRY(weights, c.add("multiply", {weights, scale}));
  THORONG_TRY(weights, c.reshape(weights, {w.rows, w.blocks * w.block}));
  return c.slice_axis(weights, 1, 0, w.columns);
}

// MatMulNBits(A, packed B, scales, zero points?, group indices?, bias?)
Status import_matmul_nbits(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(PackedWeights packed, read_packed_weights(c));
  THORONG_TRY(ValueId weights, unpacked_weights(c, packed));
  THORONG_TRY(weights, c.convert(weights, c.format(a)));
  auto last = static_cast<int64_t>(c.rank(a)) - 1;
  THORONG_TRY(ValueId y, c.contract(a, weights, last, 1));
  THORONG_TRY(y, c.add_broadcast(y, c.optional_input(5)));
  return c.set_output(0, y);
}

// x - zero point in fp32; a list of zero points lies along the columns.
Result<ValueId> centred_factor(ImportContext& c, ValueId x, size_t zero_at) {
  THORONG_TRY(x, c.convert(x, Format::kFloat32));
  if (!c.has_input(zero_at)) return x;
  THORONG_TRY(ValueId zero, c.input(zero_at));
  THORONG_TRY(zero, c.convert(zero, Format::kFloat32));
  THORONG_TRY(zero, c.broadcast_to(zero, c.shape(x)));
  return c.add("subtract", {x, zero});
}

// y scale + bias of operand `bias_at`, the scale one number or one a column.
Result<ValueId> scaled_product(ImportContext& c, ValueId y, ValueId scale, size_t bias_at) {
  THORONG_TRY(scale, c.broadcast_to(scale, c.shape(y)));
  THORONG_TRY(y, c.add("multiply", {y, scale}));
  return c.add_broadcast(y, c.optional_input(bias_at));
}

Result<ValueId> product_of_scales(ImportContext& c, ValueId a, ValueId b) {
  THORONG_TRY(const auto both, c.broadcast_together(a, b));
  return c.add("multiply", {both.first, both.second});
}

// MatMulIntegerToFloat(A, B, A scale, B scale, A zero?, B zero?, bias?)
Status import_matmul_integer_to_float(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  THORONG_TRY(ValueId a_scale, c.input(2));
  THORONG_TRY(ValueId b_scale, c.input(3));
  THORONG_TRY(a, centred_factor(c, a, 4));
  THORONG_TRY(b, centred_factor(c, b, 5));
  THORONG_TRY(ValueId y, c.matrix_multiply(a, b));
  Format format = c.format(a_scale);
  THORONG_TRY(y, c.convert(y, format));
  THORONG_TRY(ValueId scale, product_of_scales(c, a_scale, b_scale));
  return c.set_output(0, scaled_product(c, y, scale, 6));
}

// A as uint8 numbers less their zero point (in fp32), and their scale: from its smallest and
// largest element and 0.
Status quantize_dynamically(ImportContext& c, ValueId a, ValueId& numbers, ValueId& scale) {
  Integers all = counting(c.rank(a));
  THORONG_TRY(ValueId low, c.reduce("minimum", a, all, false));
  THORONG_TRY(ValueId high, c.reduce("maximum", a, all, false));
  THORONG_TRY(low, c.add_scalar("minimum", low, 0));
  THORONG_TRY(high, c.add_scalar("maximum", high, 0));
  THORONG_TRY(ValueId range, c.add("subtract", {high, low}));
  THORONG_TRY(scale, c.add_scalar("divide", range, 255));
  THORONG_TRY(ValueId zero_scale, c.full_like(scale, 0));
  THORONG_TRY(ValueId is_zero, c.compare("EQ", scale, zero_scale));
  THORONG_TRY(ValueId one, c.full_like(scale, 1));
  THORONG_TRY(scale, c.add("select", {is_zero, one, scale}));
  THORONG_TRY(ValueId zero, c.add("divide", {low, scale}));
  THORONG_TRY(zero, c.add("negate", {zero}));
  THORONG_TRY(zero, c.add("round_nearest_even", {zero}));
  THORONG_TRY(ValueId least, c.scalar(Format::kFloat32, 0));
  THORONG_TRY(ValueId most, c.scalar(Format::kFloat32, 255));
  THORONG_TRY(zero, c.add("clamp", {least, zero, most}));
  THORONG_TRY(ValueId wide_scale, c.broadcast_in(scale, c.shape(a), {}));
  THORONG_TRY(ValueId wide_zero, c.broadcast_in(zero, c.shape(a), {}));
  THORONG_TRY(numbers, c.add("divide", {a, wide_scale}));
  THORONG_TRY(numbers, c.add("round_nearest_even", {numbers}));
  THORONG_TRY(numbers, c.add("add", {numbers, wide_zero}));
  THORONG_TRY(numbers, c.add("clamp", {least, numbers, most}));
  THORONG_TRY(numbers, c.add("subtract", {numbers, wide_zero}));
  return ok_status();
}

// DynamicQuantizeMatMul(A, B, B scale, B zero?, bias?)
Status import_dynamic_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  THORONG_TRY(ValueId b_scale, c.input(2));
  if (c.format(a) != Format::kFloat32) return unsupported("only fp32 is quantized here.");
  ValueId numbers = kNoValue, scale = kNoValue;
  THORONG_RETURN_IF_ERROR(quantize_dynamically(c, a, numbers, scale));
  THORONG_TRY(b, centred_factor(c, b, 3));
  THORONG_TRY(ValueId y, c.matrix_multiply(numbers, b));
  THORONG_TRY(scale, product_of_scales(c, scale, b_scale));
  return c.set_output(0, scaled_product(c, y, scale, 4));
}

}  // namespace

std::vector<ImportRule> import_rules_quantized_weights() {
  return {{kMicrosoft, "MatMulNBits", 1, kAnyVersion, import_matmul_nbits},
          {kMicrosoft, "MatMulIntegerToFloat", 1, kAnyVersion, import_matmul_integer_to_float},
          {kMicrosoft, "DynamicQuantizeMatMul", 1, kAnyVersion, import_dynamic_matmul}};
}

}  // namespace thorong::onnx
