// SPDX-License-Identifier: Apache-2.0
// MatMul, Gemm and their relatives, as dot_general.
#include <algorithm>

#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

Status import_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  return c.set_output(0, c.matrix_multiply(a, b));
}

Status import_gemm(ImportContext& c, const NodeProto&) {
  return c.set_output(0, general_product(c));
}

// A factor of FusedMatMul as [batch..., rows, columns]: `transposed` exchanges the last two
// dimensions; `leading` says that the first dimension stands behind the batch ones.
Result<ValueId> fused_factor(ImportContext& c, size_t i, const char* transposed,
                             const char* leading) {
  THORONG_TRY(ValueId x, c.input(i));
  THORONG_TRY(int64_t exchanges, c.integer(transposed, 0));
  THORONG_TRY(int64_t moves, c.integer(leading, 0));
  Integers order = counting(c.rank(x));
  if (order.size() < 2) return x;
  if (moves != 0) std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
  if (exchanges != 0) std::swap(order[order.size() - 1], order[order.size() - 2]);
  return c.transpose(x, order);
}

Status import_fused_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, fused_factor(c, 0, "transA", "transBatchA"));
  THORONG_TRY(ValueId b, fused_factor(c, 1, "transB", "transBatchB"));
  THORONG_TRY(double alpha, c.number("alpha", 1));
  THORONG_TRY(ValueId y, c.matrix_multiply(a, b));
  if (alpha != 1) {
    THORONG_TRY(y, c.add_scalar("multiply", y, alpha));
  }
  return c.set_output(0, y);
}

}  // namespace

// alpha A' B' + beta C; a transposed operand is contracted over its other dimension.
Result<ValueId> general_product(ImportContext& c) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  if (c.rank(a) != 2 || c.rank(b) != 2) return invalid_argument("A and B must be matrices.");
  THORONG_TRY(int64_t trans_a, c.integer("transA", 0));
  THORONG_TRY(int64_t trans_b, c.integer("transB", 0));
  THORONG_TRY(double alpha, c.number("alpha", 1));
  THORONG_TRY(double beta, c.number("beta", 1));
  THORONG_TRY(
      ValueId y,
      c.add("dot_general", {a, b},
            make_attributes({{"lhs_batching_dimensions", Integers{}},
                             {"rhs_batching_dimensions", Integers{}},
                             {"lhs_contracting_dimensions", Integers{trans_a != 0 ? 0 : 1}},
                             {"rhs_contracting_dimensions", Integers{trans_b != 0 ? 1 : 0}}})));
  if (alpha != 1) {
    THORONG_TRY(y, c.add_scalar("multiply", y, alpha));
  }
  if (!c.has_input(2) || beta == 0) return y;
  THORONG_TRY(ValueId bias, c.input(2));
  if (beta != 1) {
    THORONG_TRY(bias, c.add_scalar("multiply", bias, beta));
  }
  return c.add_broadcast(y, bias);
}

std::vector<ImportRule> import_rules_matmul() {
  return {{"", "MatMul", 1, kAnyVersion, import_matmul},
          {"", "Gemm", 7, kAnyVersion, import_gemm},
          {kMicrosoft, "FusedMatMul", 1, kAnyVersion, import_fused_matmul}};
}

}  // namespace thorong::onnx
