// SPDX-License-Identifier: Apache-2.0
// MatMul, Gemm and their relatives, as dot_general.
#include <algorithm>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Status import_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  return c.set_output(0, c.matrix_multiply(a, b));
}

// alpha A' B' + beta C; a transposed operand is contracted over its other dimension.
Status import_gemm(ImportContext& c, const NodeProto&) {
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
  if (!c.has_input(2) || beta == 0) return c.set_output(0, y);
  ValueId bias = c.optional_input(2);
  if (beta != 1) {
    THORONG_TRY(bias, c.add_scalar("multiply", bias, beta));
  }
  THORONG_TRY(bias, c.broadcast_to(bias, c.shape(y)));
  return c.set_output(0, c.add("add", {y, bias}));
}

// x with its last two dimensions exchanged.
Result<ValueId> transposed(ImportContext& c, ValueId x) {
  Integers permutation = counting(c.rank(x));
  if (permutation.size() < 2) return x;
  std::swap(permutation[permutation.size() - 1], permutation[permutation.size() - 2]);
  return c.transpose(x, permutation);
}

Status import_fused_matmul(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId a, c.input(0));
  THORONG_TRY(ValueId b, c.input(1));
  THORONG_TRY(int64_t batch_a, c.integer("transBatchA", 0));
  THORONG_TRY(int64_t batch_b, c.integer("transBatchB", 0));
  if (batch_a != 0 || batch_b != 0) return unsupported("transBatchA and transBatchB are not done.");
  THORONG_TRY(int64_t trans_a, c.integer("transA", 0));
  THORONG_TRY(int64_t trans_b, c.integer("transB", 0));
  THORONG_TRY(double alpha, c.number("alpha", 1));
  if (trans_a != 0) {
    THORONG_TRY(a, transposed(c, a));
  }
  if (trans_b != 0) {
    THORONG_TRY(b, transposed(c, b));
  }
  THORONG_TRY(ValueId y, c.matrix_multiply(a, b));
  if (alpha != 1) {
    THORONG_TRY(y, c.add_scalar("multiply", y, alpha));
  }
  return c.set_output(0, y);
}

}  // namespace

std::vector<ImportRule> import_rules_matmul() {
  return {{"", "MatMul", 1, kAnyVersion, import_matmul},
          {"", "Gemm", 7, kAnyVersion, import_gemm},
          {kMicrosoft, "FusedMatMul", 1, kAnyVersion, import_fused_matmul}};
}

}  // namespace thorong::onnx
