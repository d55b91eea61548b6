// SPDX-License-Identifier: Apache-2.0
#include "frontends/onnx/sampling.h"

namespace thorong::onnx {
namespace {

// x [B, P, T] laid out along tap dimension `d` of [B, P, T0, T1, ...], as [B, P, T0 * T1 ...].
Result<ValueId> spread(ImportContext& c, ValueId x, const Shape& all, size_t d) {
  THORONG_TRY(x, c.broadcast_in(x, all, {0, 1, static_cast<int64_t>(d) + 2}));
  return c.reshape(x, {all[0], all[1], product(all, 2, all.size())});
}

// Row numbers of the image's elements [B, P, T], from the image's number and each dimension's
// index.
Result<ValueId> row_numbers(ImportContext& c, ValueId image, const std::vector<Taps>& taps,
                            const Shape& all, ValueId image_number) {
  Shape shape = c.shape(image);
  int64_t rows = ops::element_count({shape.begin(), shape.end() - 1});
  Format format = rows <= 0x7fffffff ? Format::kInt32 : Format::kInt64;
  Shape flat{all[0], all[1], product(all, 2, all.size())};
  ValueId number = image_number;
  if (number == kNoValue) {
    THORONG_TRY(number, c.iota(format, {all[0]}, 0));
  }
  THORONG_TRY(number, c.convert(number, format));
  int64_t stride = product(shape, 1, shape.size() - 1);
  THORONG_TRY(number, c.add_scalar("multiply", number, static_cast<double>(stride)));
  THORONG_TRY(number, c.broadcast_in(number, flat, {0}));
  for (size_t d = 0; d < taps.size(); ++d) {
    THORONG_TRY(ValueId index, c.convert(taps[d].index, format));
    stride /= shape[d + 1];
    if (stride != 1) {
      THORONG_TRY(index, c.add_scalar("multiply", index, static_cast<double>(stride)));
    }
    THORONG_TRY(index, spread(c, index, all, d));
    THORONG_TRY(number, c.add("add", {number, index}));
  }
  return number;
}

}  // namespace

Result<Taps> linear_taps(ImportContext& c, ValueId position, int64_t size, bool zeros) {
  Shape shape = c.shape(position);
  shape.push_back(2);
  Format format = c.format(position);
  THORONG_TRY(ValueId first, c.add("floor", {position}));
  THORONG_TRY(ValueId offset, c.constant({format, {2}}, {0, 1}));
  THORONG_TRY(offset, c.broadcast_in(offset, shape, {2}));
  THORONG_TRY(first, c.broadcast_in(first, shape, {0, 1}));
  THORONG_TRY(position, c.broadcast_in(position, shape, {0, 1}));
  Taps taps;
  THORONG_TRY(ValueId at, c.add("add", {first, offset}));
  THORONG_TRY(ValueId distance, c.add("subtract", {position, at}));
  THORONG_TRY(distance, c.add("abs", {distance}));
  THORONG_TRY(ValueId one, c.full_like(distance, 1));
  THORONG_TRY(taps.weight, c.add("subtract", {one, distance}));
  THORONG_TRY(ValueId low, c.scalar(format, 0));
  THORONG_TRY(ValueId high, c.scalar(format, static_cast<double>(size - 1)));
  THORONG_TRY(taps.index, c.add("clamp", {low, at, high}));
  if (zeros) {
    THORONG_TRY(taps.inside, c.compare("EQ", taps.index, at));
  }
  return taps;
}

Result<ValueId> weighted_rows(ImportContext& c, ValueId image, const std::vector<Taps>& taps,
                              ValueId image_number) {
  Shape all = c.shape(taps[0].index), shape = c.shape(image);
  for (size_t d = 1; d < taps.size(); ++d) all.push_back(c.shape(taps[d].index)[2]);
  int64_t channels = shape.back(), rows = ops::element_count({shape.begin(), shape.end() - 1});
  Shape flat{all[0], all[1], product(all, 2, all.size())}, wide = flat;
  wide.push_back(channels);
  THORONG_TRY(ValueId number, row_numbers(c, image, taps, all, image_number));
  THORONG_TRY(ValueId table, c.reshape(image, {rows, channels}));
  THORONG_TRY(ValueId values,
              c.add("take", {table, number}, make_attributes({{"axis", int64_t{0}}})));
  ValueId weight = kNoValue, inside = kNoValue;
  for (size_t d = 0; d < taps.size(); ++d) {
    for (auto [part, whole, op] : {std::tuple{taps[d].weight, &weight, "multiply"},
                                   std::tuple{taps[d].inside, &inside, "and"}}) {
      if (part == kNoValue) continue;
      THORONG_TRY(ValueId own, spread(c, part, all, d));
      if (*whole != kNoValue) {
        THORONG_TRY(own, c.add(op, {*whole, own}));
      }
      *whole = own;
    }
  }
  if (weight != kNoValue) {
    THORONG_TRY(weight, c.convert(weight, c.format(values)));
    THORONG_TRY(weight, c.broadcast_in(weight, wide, {0, 1, 2}));
    THORONG_TRY(values, c.add("multiply", {values, weight}));
  }
  if (inside != kNoValue) {
    THORONG_TRY(inside, c.broadcast_in(inside, wide, {0, 1, 2}));
    THORONG_TRY(ValueId zero, c.full_like(values, 0));
    THORONG_TRY(values, c.add("select", {inside, values, zero}));
  }
  return values;
}

Result<ValueId> sample(ImportContext& c, ValueId image, const std::vector<Taps>& taps) {
  THORONG_TRY(ValueId values, weighted_rows(c, image, taps));
  return c.reduce("add", values, {2}, false);
}

}  // namespace thorong::onnx
