// SPDX-License-Identifier: Apache-2.0
// Col2Im: blocks laid over an image and added up, one dimension after the other: each element of
// the block spreads by the strides and is shifted to its place.
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kLongestBlock = 1024;

struct Blocks {
  Integers image, block, strides, dilations, low, high;
  Integers positions;  // of the block on the image
};

Result<Blocks> read_blocks(ImportContext& c, const Shape& x) {
  Blocks b;
  THORONG_TRY(b.image, c.constant_integers(1, "image_shape"));
  THORONG_TRY(b.block, c.constant_integers(2, "block_shape"));
  size_t count = b.image.size();
  THORONG_TRY(b.strides, spatial_list(c, "strides", count, 1, 1));
  THORONG_TRY(b.dilations, spatial_list(c, "dilations", count, 1, 1));
  THORONG_TRY(Integers pads, spatial_list(c, "pads", 2 * count, 0, 0));
  b.low.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(count));
  b.high.assign(pads.begin() + static_cast<std::ptrdiff_t>(count), pads.end());
  bool fits = x.size() == 3 && count >= 1 && b.block.size() == count;
  int64_t size = 1, positions = 1;
  for (size_t d = 0; fits && d < count; ++d) {
    fits = b.block[d] >= 1 && b.block[d] <= kLongestBlock && b.image[d] >= 1 &&
           b.image[d] <= int64_t{1} << 31;
    if (!fits) break;
    int64_t room = b.image[d] + b.low[d] + b.high[d] - (b.dilations[d] * (b.block[d] - 1) + 1);
    b.positions.push_back(room / b.strides[d] + 1);
    fits = room >= 0 && !__builtin_mul_overflow(size, b.block[d], &size) &&
           !__builtin_mul_overflow(positions, b.positions[d], &positions);
  }
  if (fits && x[1] % size == 0 && x[2] == positions) return b;
  return invalid_argument(
      "the input must be [N, C * elements of a block, positions of the block], with block_shape "
      "and "
      "image_shape of equal lengths and at most " +
      std::to_string(kLongestBlock) + " elements of a block in a dimension; found input " +
      ops::to_string(x) + ", image_shape " + ops::to_string(b.image) + ", block_shape " +
      ops::to_string(b.block) + ".");
}

// x [N, C, block dimensions to d, positions to d, image dimensions behind d]: the last block
// dimension is spread over the last positions.
Result<ValueId> spread_dimension(ImportContext& c, const Blocks& b, ValueId x, size_t d) {
  const size_t block_axis = 2 + d, place_axis = 2 + d + d;  // the latter without the block's
  int64_t size = b.image[d] + b.low[d] + b.high[d];
  int64_t reach = (b.positions[d] - 1) * b.strides[d] + 1;
  Shape rest = c.shape(x);
  rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(block_axis));
  THORONG_TRY(ValueId zero, c.scalar(c.format(x), 0));
  ValueId sum = kNoValue;
  for (int64_t i = 0; i < b.block[d]; ++i) {
    THORONG_TRY(ValueId part, c.slice_axis(x, block_axis, i, i + 1));
    THORONG_TRY(part, c.reshape(part, rest));
    Integers low(rest.size(), 0), high = low, interior = low;
    low[place_axis] = i * b.dilations[d];
    high[place_axis] = size - reach - low[place_axis];
    interior[place_axis] = b.strides[d] - 1;
    THORONG_TRY(part,
                c.add("pad", {part, zero},
                      make_attributes({{"low", low}, {"high", high}, {"interior", interior}})));
    if (sum != kNoValue) {
      THORONG_TRY(part, c.add("add", {sum, part}));
    }
    sum = part;
  }
  return c.slice_axis(sum, place_axis, b.low[d], b.low[d] + b.image[d]);
}

Status import_col2im(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  Format format = c.format(x);
  THORONG_TRY(Blocks b, read_blocks(c, shape));
  Shape split{shape[0], shape[1] / ops::element_count(b.block)};
  split.insert(split.end(), b.block.begin(), b.block.end());
  split.insert(split.end(), b.positions.begin(), b.positions.end());
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(x, c.reshape(x, split));
  for (size_t d = b.image.size(); d-- > 0;) {
    THORONG_TRY(x, spread_dimension(c, b, x, d));
  }
  return c.set_output(0, c.convert(x, format));
}

}  // namespace

std::vector<ImportRule> import_rules_col2im() {
  return {{"", "Col2Im", 18, kAnyVersion, import_col2im}};
}

}  // namespace thorong::onnx
