// SPDX-License-Identifier: Apache-2.0
// Det: small matrices by their elements, larger ones by the operator.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// The determinants of the rows from `row` on in some columns, of x [matrices, n, n]: along that
// row.
Result<ValueId> expand(ImportContext& c, ValueId x, int64_t row, const Integers& columns) {
  int64_t matrices = c.shape(x)[0];
  ValueId sum = kNoValue;
  for (size_t i = 0; i < columns.size(); ++i) {
    THORONG_TRY(ValueId term,
                c.slice(x, {0, row, columns[i]}, {matrices, row + 1, columns[i] + 1}));
    THORONG_TRY(term, c.reshape(term, {matrices}));
    Integers rest = columns;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    if (!rest.empty()) {
      THORONG_TRY(ValueId minor, expand(c, x, row + 1, rest));
      THORONG_TRY(term, c.add("multiply", {term, minor}));
    }
    if (sum != kNoValue) {
      THORONG_TRY(term, c.add(i % 2 == 0 ? "add" : "subtract", {sum, term}));
    }
    sum = term;
  }
  return sum;
}

Status import_det(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  Format format = c.format(x);
  if (shape.size() < 2 || shape.back() != shape[shape.size() - 2] || !numerics::is_float(format)) {
    return invalid_argument("the input must be floats [..., n, n], found " + ops::to_string(shape) +
                            ".");
  }
  int64_t n = shape.back();
  if (n == 0 || n > 3) return c.set_output(0, c.add("determinant", {x}));
  Shape batch(shape.begin(), shape.end() - 2);
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(x, c.reshape(x, {ops::element_count(batch), n, n}));
  THORONG_TRY(ValueId y, expand(c, x, 0, counting(static_cast<size_t>(n))));
  THORONG_TRY(y, c.reshape(y, batch));
  return c.set_output(0, c.convert(y, format));
}

}  // namespace

std::vector<ImportRule> import_rules_det() { return {{"", "Det", 11, kAnyVersion, import_det}}; }

}  // namespace thorong::onnx
