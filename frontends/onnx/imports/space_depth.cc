// SPDX-License-Identifier: Apache-2.0
// DepthToSpace and SpaceToDepth: reshape, transpose, reshape.
#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Result<int64_t> read_block(ImportContext& c, const Shape& shape, bool to_space) {
  THORONG_TRY(int64_t block, c.integer("blocksize", 0));
  bool fits = shape.size() == 4 && block >= 1 && block <= 1 << 16;
  if (fits)
    fits =
        to_space ? shape[1] % (block * block) == 0 : shape[2] % block == 0 && shape[3] % block == 0;
  if (fits) return block;
  return invalid_argument("blocksize " + std::to_string(block) + " does not divide " +
                          ops::to_string(shape) + ".");
}

Result<ValueId> rearrange(ImportContext& c, ValueId x, const Shape& split,
                          const Integers& permutation, const Shape& merged) {
  THORONG_TRY(x, c.reshape(x, split));
  THORONG_TRY(x, c.transpose(x, permutation));
  return c.reshape(x, merged);
}

Status import_depth_to_space(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape s = c.shape(x);
  THORONG_TRY(int64_t b, read_block(c, s, true));
  THORONG_TRY(std::string mode, c.text("mode", "DCR"));
  int64_t depth = s[1] / (b * b);
  Shape merged{s[0], depth, s[2] * b, s[3] * b};
  if (mode == "CRD") {
    return c.set_output(
        0, rearrange(c, x, {s[0], depth, b, b, s[2], s[3]}, {0, 1, 4, 2, 5, 3}, merged));
  }
  if (mode != "DCR") return invalid_argument("mode must be DCR or CRD, found \"" + mode + "\".");
  return c.set_output(0,
                      rearrange(c, x, {s[0], b, b, depth, s[2], s[3]}, {0, 3, 4, 1, 5, 2}, merged));
}

Status import_space_to_depth(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape s = c.shape(x);
  THORONG_TRY(int64_t b, read_block(c, s, false));
  THORONG_TRY(std::string mode, c.text("mode", "DCR"));
  if (mode != "DCR" && mode != "CRD")
    return invalid_argument("mode must be DCR or CRD, found \"" + mode + "\".");
  Shape split{s[0], s[1], s[2] / b, b, s[3] / b, b};
  Integers permutation = mode == "CRD" ? Integers{0, 1, 3, 5, 2, 4} : Integers{0, 3, 5, 1, 2, 4};
  return c.set_output(
      0, rearrange(c, x, split, permutation, {s[0], s[1] * b * b, s[2] / b, s[3] / b}));
}

}  // namespace

std::vector<ImportRule> import_rules_space_depth() {
  return {{"", "DepthToSpace", 1, kAnyVersion, import_depth_to_space},
          {"", "SpaceToDepth", 1, kAnyVersion, import_space_to_depth}};
}

}  // namespace thorong::onnx
