// SPDX-License-Identifier: Apache-2.0
// Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Expand, Tile.
#include <algorithm>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

// 0 copies the input's dimension (unless allowzero), one -1 takes what is left.
Result<Shape> resolve_reshape(const Shape& from, const Integers& wanted, bool allow_zero) {
  Shape to = wanted;
  int64_t known = 1;
  std::ptrdiff_t open = -1;
  for (size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !allow_zero) {
      if (i >= from.size()) {
        return invalid_argument("shape " + ops::to_string(wanted) + " copies dimension " +
                                std::to_string(i) + " of " + ops::to_string(from) +
                                ", which has none.");
      }
      to[i] = from[i];
    }
    if (to[i] == -1 && open < 0) {
      open = static_cast<std::ptrdiff_t>(i);
    } else if (to[i] < 0 || __builtin_mul_overflow(known, to[i], &known)) {
      return invalid_argument("shape " + ops::to_string(wanted) +
                              " has a negative dimension or is too large.");
    }
  }
  int64_t elements = ops::element_count(from);
  if (open >= 0) {
    if (known == 0 || elements % known != 0) {
      return invalid_argument(ops::to_string(from) + " cannot take the shape " +
                              ops::to_string(wanted) + ".");
    }
    to[static_cast<size_t>(open)] = elements / known;
  }
  return to;
}

Status import_reshape(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers wanted, c.integers_from(1, "shape"));
  THORONG_TRY(int64_t allow_zero, c.integer("allowzero", 0));
  THORONG_TRY(Shape to, resolve_reshape(c.shape(x), wanted, allow_zero != 0));
  return c.set_output(0, c.reshape(x, to));
}

Status import_flatten(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(int64_t axis, c.integer("axis", 1));
  Shape shape = c.shape(x);
  auto rank = static_cast<int64_t>(shape.size());
  if (axis < -rank || axis > rank)
    return invalid_argument("axis " + std::to_string(axis) + " is out of range.");
  auto split = static_cast<size_t>(axis < 0 ? axis + rank : axis);
  return c.set_output(
      0, c.reshape(x, {product(shape, 0, split), product(shape, split, shape.size())}));
}

Status import_squeeze(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x), to;
  bool all = !c.has_input(1) && !c.has_attribute("axes");
  THORONG_TRY(Integers axes, c.integers_from(1, "axes"));
  THORONG_TRY(auto squeezed, resolve_axes(axes, shape.size()));
  for (size_t i = 0; i < shape.size(); ++i) {
    bool named = std::find(squeezed.begin(), squeezed.end(), i) != squeezed.end();
    if (named && shape[i] != 1) {
      return invalid_argument("dimension " + std::to_string(i) + " of " + ops::to_string(shape) +
                              " is not 1.");
    }
    if (!named && !(all && shape[i] == 1)) to.push_back(shape[i]);
  }
  return c.set_output(0, c.reshape(x, to));
}

Status import_unsqueeze(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers axes, c.integers_from(1, "axes"));
  Shape shape = c.shape(x);
  THORONG_TRY(auto added, resolve_axes(axes, shape.size() + axes.size()));
  std::sort(added.begin(), added.end());
  for (size_t axis : added) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return c.set_output(0, c.reshape(x, shape));
}

Status import_transpose(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Integers reversed = counting(c.rank(x));
  std::reverse(reversed.begin(), reversed.end());
  THORONG_TRY(Integers permutation, c.integers("perm", reversed));
  return c.set_output(0, c.transpose(x, permutation));
}

Status import_expand(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers wanted, c.constant_integers(1, "shape"));
  THORONG_TRY(Shape to, broadcast_shapes(c.shape(x), wanted));
  return c.set_output(0, c.broadcast_to(x, to));
}

// [d0, d1] repeated [r0, r1] times: broadcast to [r0, d0, r1, d1], then reshaped.
Status import_tile(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Integers repeats, c.constant_integers(1, "repeats"));
  Shape shape = c.shape(x), wide, merged;
  if (repeats.size() != shape.size()) {
    return invalid_argument("repeats " + ops::to_string(repeats) +
                            " must have one entry for each dimension of " + ops::to_string(shape) +
                            ".");
  }
  Integers dimensions;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t size = 0;
    if (repeats[i] < 0 || __builtin_mul_overflow(repeats[i], shape[i], &size)) {
      return invalid_argument("repeats " + ops::to_string(repeats) + " is out of range.");
    }
    if (repeats[i] != 1) wide.push_back(repeats[i]);
    dimensions.push_back(static_cast<int64_t>(wide.size()));
    wide.push_back(shape[i]);
    merged.push_back(size);
  }
  THORONG_TRY(ValueId repeated, c.broadcast_in(x, wide, dimensions));
  return c.set_output(0, c.reshape(repeated, merged));
}

}  // namespace

std::vector<ImportRule> import_rules_shapes() {
  return {{"", "Reshape", 5, kAnyVersion, import_reshape},
          {"", "Flatten", 1, kAnyVersion, import_flatten},
          {"", "Squeeze", 1, kAnyVersion, import_squeeze},
          {"", "Unsqueeze", 1, kAnyVersion, import_unsqueeze},
          {"", "Transpose", 1, kAnyVersion, import_transpose},
          {"", "Expand", 8, kAnyVersion, import_expand},
          {"", "Tile", 6, kAnyVersion, import_tile}};
}

}  // namespace thorong::onnx
