// SPDX-License-Identifier: Apache-2.0
// MatMulInteger, ConvInteger, QLinearMatMul, QLinearConv and ONNX Runtime's QGemm: products of
// integers of at most 8 bits. Their operands less the zero points are whole numbers of at most 9
// bits, which bf16 and wider floats hold exactly, and fp32 sums of the products are exact up to
// 2^24. So the products are float ones, which the tensor engine has; where a sum of integers may
// become larger, they are cut.
#include <algorithm>

#include "frontends/onnx/quantized.h"
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

struct IntegerFactor {
  ValueId value = kNoValue;  // x less its zero point, fp32
  int64_t largest = 0;       // of its size
};

// Operand i, less the zero point of operand `zero_point` where there is one. A list of zero points
// lies along `axis`.
Result<IntegerFactor> read_factor(ImportContext& c, size_t i, size_t zero_point, size_t axis) {
  THORONG_TRY(ValueId x, c.input(i));
  Format format = c.format(x);
  if (!numerics::is_integer(format) || numerics::info(format).bits > 8) {
    return invalid_argument("operand " + std::to_string(i) +
                            " must hold integers of at most 8 bits, found " +
                            std::string(numerics::name(format)) + ".");
  }
  IntegerFactor factor;
  int64_t values = int64_t{1} << numerics::info(format).bits;
  bool moved = c.has_input(zero_point);
  factor.largest = numerics::info(format).kind == 'S' && !moved ? values / 2 : values - 1;
  THORONG_TRY(factor.value, c.convert(x, Format::kFloat32));
  if (!moved) return factor;
  Shape shape = c.shape(x);
  THORONG_TRY(ValueId zero, c.convert(c.optional_input(zero_point), Format::kFloat32));
  Shape own = c.shape(zero);
  if (ops::element_count(own) == 1) {
    THORONG_TRY(zero, c.reshape(zero, {}));
    THORONG_TRY(zero, c.broadcast_in(zero, shape, {}));
  } else if (own.size() == 1) {
    if (axis >= shape.size() || own[0] != shape[axis]) {
      return invalid_argument("zero points " + ops::to_string(own) +
                              " do not fit the operand of shape " + ops::to_string(shape) + ".");
    }
    THORONG_TRY(zero, c.broadcast_in(zero, shape, {static_cast<int64_t>(axis)}));
  } else {
    THORONG_TRY(zero, c.broadcast_to(zero, shape));
  }
  THORONG_TRY(factor.value, c.add("subtract", {factor.value, zero}));
  return factor;
}

// How many products may be summed exactly in fp32.
int64_t exact_terms(const IntegerFactor& a, const IntegerFactor& b) {
  return (int64_t{1} << 24) / std::max<int64_t>(1, a.largest * b.largest);
}

struct IntegerFactors {
  IntegerFactor a, b;
};

Result<IntegerFactors> read_matrices(ImportContext& c, size_t a, size_t a_zero, size_t b,
                                     size_t b_zero) {
  THORONG_TRY(ValueId left, c.input(a));
  THORONG_TRY(ValueId right, c.input(b));
  if (c.rank(left) == 0 || c.rank(right) == 0)
    return invalid_argument("a matrix product needs operands of rank 1 or more.");
  IntegerFactors factors;  // a zero point each row of A, each column of B
  THORONG_TRY(factors.a,
              read_factor(c, a, a_zero, c.rank(left) - std::min<size_t>(2, c.rank(left))));
  THORONG_TRY(factors.b, read_factor(c, b, b_zero, c.rank(right) - 1));
  return factors;
}

// The exact product modulo 2^32: fp32 products of pieces that stay below 2^24, added as integers.
Result<ValueId> integer_product(ImportContext& c, const IntegerFactors& factors) {
  ValueId a = factors.a.value, b = factors.b.value;
  size_t a_axis = c.rank(a) - 1, b_axis = c.rank(b) - std::min<size_t>(2, c.rank(b));
  int64_t terms = c.shape(a)[a_axis], step = exact_terms(factors.a, factors.b);
  if (terms != c.shape(b)[b_axis]) {
    return invalid_argument("shapes " + ops::to_string(c.shape(a)) + " and " +
                            ops::to_string(c.shape(b)) + " do not fit a matrix product.");
  }
  constexpr int64_t kMostPieces = 256;
  if (terms > step * kMostPieces) {
    THORONG_TRY(a, c.convert(a, Format::kInt32));
    THORONG_TRY(b, c.convert(b, Format::kInt32));
    return c.matrix_multiply(a, b);
  }
  ValueId sum = kNoValue;
  for (int64_t first = 0; first == 0 || first < terms; first += step) {
    int64_t last = std::min(terms, first + step);
    THORONG_TRY(ValueId left, c.slice_axis(a, a_axis, first, last));
    THORONG_TRY(ValueId right, c.slice_axis(b, b_axis, first, last));
    THORONG_TRY(ValueId piece, c.matrix_multiply(left, right));
    THORONG_TRY(piece, c.convert(piece, Format::kInt32));
    if (sum != kNoValue) {
      THORONG_TRY(piece, c.add("add", {sum, piece}));
    }
    sum = piece;
  }
  return sum;
}

Status import_matmul_integer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(IntegerFactors factors, read_matrices(c, 0, 2, 1, 3));
  return c.set_output(0, integer_product(c, factors));
}

Status import_conv_integer(ImportContext& c, const NodeProto&) {
  THORONG_TRY(IntegerFactor x, read_factor(c, 0, 2, 1));
  THORONG_TRY(IntegerFactor w, read_factor(c, 1, 3, 0));
  const Shape weights = c.shape(w.value);
  int64_t terms = weights.empty() ? 0 : product(weights, 1, weights.size());
  if (terms > exact_terms(x, w)) {
    THORONG_TRY(x.value, c.convert(x.value, Format::kInt32));
    THORONG_TRY(w.value, c.convert(w.value, Format::kInt32));
  }
  THORONG_TRY(ValueId y, convolve(c, x.value, w.value));
  return c.set_output(0, c.convert(y, Format::kInt32));
}

// Operand i, a scale, in fp32 with rank 0, or as it broadcasts to a result of shape `shape`: a list
// lies along its dimension `axis`.
Result<ValueId> read_scale(ImportContext& c, size_t i, const Shape& shape, size_t axis) {
  THORONG_TRY(ValueId scale, c.input(i));
  THORONG_TRY(scale, c.convert(scale, Format::kFloat32));
  Shape own = c.shape(scale);
  if (ops::element_count(own) == 1) return c.reshape(scale, {});
  if (own.size() != 1) return scale;
  if (axis >= shape.size() || own[0] != shape[axis]) {
    return invalid_argument("scales " + ops::to_string(own) + " do not fit the result of shape " +
                            ops::to_string(shape) + ".");
  }
  Shape aligned(shape.size() - axis, 1);
  aligned[0] = own[0];
  return c.reshape(scale, aligned);
}

// op on two scales of different shapes.
Result<ValueId> combine_scales(ImportContext& c, const char* op, ValueId a, ValueId b) {
  THORONG_TRY(const auto both, c.broadcast_together(a, b));
  return c.add(op, {both.first, both.second});
}

// The whole numbers y times alpha a scale b scale / y scale (operands 1, 4 and y_operand),
// quantized with the zero point of the operand after it; without a y scale floats. Lists of scales
// lie along these dimensions of y.
Status set_requantized(ImportContext& c, ValueId y, size_t a_axis, size_t b_axis, size_t y_axis,
                       size_t y_operand = 6, double alpha = 1) {
  const Shape shape = c.shape(y);
  THORONG_TRY(ValueId scale, read_scale(c, 1, shape, a_axis));
  THORONG_TRY(ValueId b_scale, read_scale(c, 4, shape, b_axis));
  THORONG_TRY(scale, combine_scales(c, "multiply", scale, b_scale));
  if (alpha != 1) {
    THORONG_TRY(scale, c.add_scalar("multiply", scale, alpha));
  }
  if (!c.has_input(y_operand)) {
    THORONG_TRY(scale, c.broadcast_to(scale, shape));
    return c.set_output(0, c.add("multiply", {y, scale}));
  }
  THORONG_TRY(ValueId y_scale, read_scale(c, y_operand, shape, y_axis));
  THORONG_TRY(scale, combine_scales(c, "divide", scale, y_scale));
  THORONG_TRY(scale, c.broadcast_to(scale, shape));
  THORONG_TRY(y, c.add("multiply", {y, scale}));
  THORONG_TRY(ValueId declared, c.input(y_operand + 1));
  Format format = c.format(declared);
  if (!numerics::is_integer(format))
    return invalid_argument("the result's zero point must hold integers.");
  THORONG_TRY(ValueId zero, read_scale(c, y_operand + 1, shape, y_axis));
  THORONG_TRY(zero, c.broadcast_to(zero, shape));
  return c.set_output(0, quantize(c, y, zero, format));
}

Status import_qlinear_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(IntegerFactors factors, read_matrices(c, 0, 2, 3, 5));
  THORONG_TRY(ValueId y, c.matrix_multiply(factors.a.value, factors.b.value));
  size_t rank = c.rank(y), rows = rank - std::min<size_t>(2, rank),
         columns = rank == 0 ? 0 : rank - 1;
  return set_requantized(c, y, rows, columns, rows);
}

// The bias is int32 of the products' scale.
Status import_qlinear_conv(ImportContext& c, const NodeProto&) {
  THORONG_TRY(IntegerFactor x, read_factor(c, 0, 2, 1));
  THORONG_TRY(IntegerFactor w, read_factor(c, 3, 5, 0));
  THORONG_TRY(ValueId y, convolve(c, x.value, w.value));
  if (c.has_input(8)) {
    THORONG_TRY(ValueId bias, c.convert(c.optional_input(8), Format::kFloat32));
    THORONG_TRY(bias, c.broadcast_in(bias, c.shape(y), {1}));
    THORONG_TRY(y, c.add("add", {y, bias}));
  }
  return set_requantized(c, y, 1, 1, 1);
}

// The matrix, transposed where the attribute says so.
Result<ValueId> transposed(ImportContext& c, ValueId x, const char* attribute) {
  THORONG_TRY(const int64_t turned, c.integer(attribute, 0));
  return turned != 0 ? c.transpose(x, {1, 0}) : x;
}

// C is int32 of the products' scale. B's zero points and scales belong to the columns of the
// product.
Status import_qgemm(ImportContext& c, const NodeProto&) {
  for (const size_t i : {size_t{0}, size_t{3}}) {
    THORONG_TRY(const ValueId matrix, c.input(i));
    if (c.rank(matrix) != 2) {
      return invalid_argument("operand " + std::to_string(i) + " must be a matrix, found shape " +
                              ops::to_string(c.shape(matrix)) + ".");
    }
  }
  THORONG_TRY(const int64_t turned, c.integer("transB", 0));
  THORONG_TRY(const double alpha, c.number("alpha", 1));
  THORONG_TRY(const IntegerFactor a, read_factor(c, 0, 2, 0));
  THORONG_TRY(const IntegerFactor b, read_factor(c, 3, 5, turned != 0 ? 0 : 1));
  THORONG_TRY(const ValueId left, transposed(c, a.value, "transA"));
  THORONG_TRY(const ValueId right, transposed(c, b.value, "transB"));
  THORONG_TRY(ValueId y, c.matrix_multiply(left, right));
  if (c.has_input(6)) {
    THORONG_TRY(ValueId bias, c.convert(c.optional_input(6), Format::kFloat32));
    THORONG_TRY(y, c.add_broadcast(y, bias));
  }
  return set_requantized(c, y, 0, 1, 0, 7, alpha);
}

}  // namespace

std::vector<ImportRule> import_rules_quantized_products() {
  return {{"", "MatMulInteger", 10, kAnyVersion, import_matmul_integer},
          {"", "ConvInteger", 10, kAnyVersion, import_conv_integer},
          {"", "QLinearMatMul", 10, kAnyVersion, import_qlinear_matmul},
          {"", "QLinearConv", 10, kAnyVersion, import_qlinear_conv},
          {kMicrosoft, "QGemm", 1, kAnyVersion, import_qgemm}};
}

}  // namespace thorong::onnx
