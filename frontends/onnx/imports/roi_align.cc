// SPDX-License-Identifier: Apache-2.0
// RoiAlign: bilinear samples of each bin of each region, averaged, or their largest weighted
// element. Rows and columns of samples are separate taps. Without a sampling_ratio each region has
// its own number of samples, so that the regions must be known. And MaxRoiPool.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/sampling.h"
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kMostSamples = 4096;  // a bin and dimension

struct Regions {
  ValueId rois = kNoValue;  // [R, 4]
  int64_t count = 0, ratio = 0;
  double scale = 1;
  bool half_pixel = true, average = true;
};

// One dimension: where its regions begin and how long they are, [R].
struct Extent {
  ValueId start = kNoValue, size = kNoValue;
};

Result<Extent> extent_of(ImportContext& c, const Regions& r, int64_t column) {
  ValueId ends[2] = {kNoValue, kNoValue};
  for (size_t i = 0; i < 2; ++i) {
    int64_t at = column + 2 * static_cast<int64_t>(i);
    THORONG_TRY(ends[i], c.slice_axis(r.rois, 1, at, at + 1));
    THORONG_TRY(ends[i], c.reshape(ends[i], {r.count}));
    THORONG_TRY(ends[i], c.add_scalar("multiply", ends[i], r.scale));
    if (r.half_pixel) {
      THORONG_TRY(ends[i], c.add_scalar("subtract", ends[i], 0.5));
    }
  }
  Extent e{ends[0], kNoValue};
  THORONG_TRY(e.size, c.add("subtract", {ends[1], ends[0]}));
  if (!r.half_pixel) {  // a malformed region counts as one element
    THORONG_TRY(e.size, c.add_scalar("maximum", e.size, 1));
  }
  return e;
}

// Samples a bin, for each region, as the standard chooses them: ceil(size / bins).
Result<std::vector<int64_t>> samples_of(ImportContext& c, const Regions& r, const Extent& e,
                                        int64_t bins) {
  if (r.ratio > 0) return std::vector<int64_t>{r.ratio};
  auto sizes = c.known_tensors({&e.size, 1});
  if (!sizes.ok()) {
    return Status(
        sizes.status().code(),
        "without a sampling_ratio the regions (operand 1) must be known when the model is "
        "imported: " +
            sizes.status().message());
  }
  std::vector<int64_t> samples;
  for (double size : (*sizes)[0].to_doubles()) {
    double count = std::ceil(size / static_cast<double>(bins));
    if (!(count <= static_cast<double>(kMostSamples)))
      return resource_exhausted("a region needs more than " + std::to_string(kMostSamples) +
                                " samples a bin.");
    samples.push_back(count > 0 ? static_cast<int64_t>(count) : 0);
  }
  return samples;
}

// A constant [regions or 1, bins, most samples] of f(samples, bin, sample), broadcast to all
// regions.
template <typename F>
Result<ValueId> table(ImportContext& c, const std::vector<int64_t>& samples, const Shape& shape,
                      Format format, const F& f) {
  std::vector<double> values;
  for (int64_t own : samples) {
    for (int64_t bin = 0; bin < shape[1]; ++bin) {
      for (int64_t i = 0; i < shape[2]; ++i) values.push_back(f(own, bin, i));
    }
  }
  if (samples.size() == static_cast<size_t>(shape[0])) return c.constant({format, shape}, values);
  THORONG_TRY(ValueId id, c.constant({format, {shape[1], shape[2]}}, values));
  return c.broadcast_in(id, shape, {1, 2});
}

// Taps [R, bins, 2 * samples] of one dimension: size elements, `bins` bins.
Result<Taps> region_taps(ImportContext& c, const Regions& r, int64_t column, int64_t size,
                         int64_t bins) {
  THORONG_TRY(Extent e, extent_of(c, r, column));
  THORONG_TRY(std::vector<int64_t> samples, samples_of(c, r, e, bins));
  int64_t most = 1;
  for (int64_t own : samples) most = std::max(most, own);
  Shape shape{r.count, bins, most};
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count(shape)));
  Format format = c.format(e.start);
  // Where samples are missing, the last one again.
  auto place = [&](int64_t own, int64_t bin, int64_t i) {
    auto n = static_cast<double>(std::max<int64_t>(own, 1));
    double at = (std::min(static_cast<double>(i), n - 1) + 0.5) / n;
    return (static_cast<double>(bin) + at) / static_cast<double>(bins);
  };
  bool average = r.average;
  auto share = [average](int64_t own, int64_t, int64_t i) {
    if (!average) return own > 0 ? 1.0 : 0.0;
    return i < own ? 1 / static_cast<double>(own) : 0;
  };
  THORONG_TRY(ValueId places, table(c, samples, shape, format, place));
  THORONG_TRY(ValueId shares, table(c, samples, shape, format, share));
  THORONG_TRY(ValueId start, c.broadcast_in(e.start, shape, {0}));
  THORONG_TRY(ValueId length, c.broadcast_in(e.size, shape, {0}));
  THORONG_TRY(ValueId at, c.add("multiply", {places, length}));
  THORONG_TRY(at, c.add("add", {start, at}));
  THORONG_TRY(ValueId low, c.scalar(format, -1));
  THORONG_TRY(ValueId high, c.scalar(format, static_cast<double>(size)));
  THORONG_TRY(ValueId near, c.add("clamp", {low, at, high}));
  THORONG_TRY(ValueId is_near, c.compare("EQ", near, at));
  THORONG_TRY(ValueId zero, c.full_like(shares, 0));
  THORONG_TRY(shares, c.add("select", {is_near, shares, zero}));
  THORONG_TRY(low, c.scalar(format, 0));
  THORONG_TRY(high, c.scalar(format, static_cast<double>(size - 1)));
  THORONG_TRY(at, c.add("clamp", {low, at, high}));
  THORONG_TRY(at, c.reshape(at, {r.count, bins * most}));
  THORONG_TRY(Taps taps, linear_taps(c, at, size, false));
  THORONG_TRY(shares, c.reshape(shares, {r.count, bins * most}));
  THORONG_TRY(shares, c.broadcast_in(shares, {r.count, bins * most, 2}, {0, 1}));
  THORONG_TRY(taps.weight, c.add("multiply", {taps.weight, shares}));
  for (ValueId* part : {&taps.index, &taps.weight}) {
    THORONG_TRY(*part, c.reshape(*part, {r.count, bins, most * 2}));
  }
  return taps;
}

// Taps of rows [R, bins, T] for every bin of both dimensions: [R, height * width, T].
Result<Taps> for_all_bins(ImportContext& c, Taps taps, int64_t height, int64_t width, int64_t own) {
  for (ValueId* part : {&taps.index, &taps.weight}) {
    Shape shape = c.shape(*part);
    THORONG_TRY(*part, c.broadcast_in(*part, {shape[0], height, width, shape[2]}, {0, own, 3}));
    THORONG_TRY(*part, c.reshape(*part, {shape[0], height * width, shape[2]}));
  }
  return taps;
}

Result<Regions> read_regions(ImportContext& c, const Shape& x) {
  Regions r;
  THORONG_TRY(r.rois, c.input(1));
  THORONG_TRY(ValueId batch, c.input(2));
  Shape rois = c.shape(r.rois);
  bool fits = x.size() == 4 && x[2] > 0 && x[3] > 0 && rois.size() == 2 && rois[1] == 4 &&
              c.shape(batch) == Shape{rois[0]} && numerics::is_float(c.format(r.rois)) &&
              numerics::is_integer(c.format(batch));
  if (!fits) {
    return invalid_argument(
        "X must be [N, C, H, W], rois floats [regions, 4] and batch_indices integers [regions], "
        "found " +
        ops::to_string(x) + ", " + ops::to_string(rois) + " and " + ops::to_string(c.shape(batch)) +
        ".");
  }
  r.count = rois[0];
  THORONG_TRY(r.scale, c.number("spatial_scale", 1));
  THORONG_TRY(r.ratio, c.integer("sampling_ratio", 0));
  THORONG_TRY(std::string mode, c.text("mode", "avg"));
  THORONG_TRY(std::string coordinates,
              c.text("coordinate_transformation_mode",
                     c.version() >= 16 ? "half_pixel" : "output_half_pixel"));
  if (mode != "avg" && mode != "max")
    return invalid_argument("mode must be avg or max, found \"" + mode + "\".");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel") {
    return invalid_argument(
        "coordinate_transformation_mode must be half_pixel or output_half_pixel, found \"" +
        coordinates + "\".");
  }
  if (r.ratio < 0 || r.ratio > kMostSamples)
    return invalid_argument("sampling_ratio must lie in [0, " + std::to_string(kMostSamples) +
                            "], found " + std::to_string(r.ratio) + ".");
  r.average = mode == "avg";
  r.half_pixel = coordinates == "half_pixel";
  THORONG_TRY(r.rois, c.widen(r.rois));
  return r;
}

Status import_roi_align(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  Shape shape = c.shape(x);
  Format format = c.format(x);
  THORONG_TRY(Regions r, read_regions(c, shape));
  THORONG_TRY(int64_t height, c.integer("output_height", 1));
  THORONG_TRY(int64_t width, c.integer("output_width", 1));
  if (height < 1 || width < 1 || height > 1 << 16 || width > 1 << 16)
    return invalid_argument("output_height and output_width must lie in [1, 65536].");
  THORONG_TRY(Taps rows, region_taps(c, r, 1, shape[2], height));
  THORONG_TRY(Taps columns, region_taps(c, r, 0, shape[3], width));
  THORONG_TRY(rows, for_all_bins(c, rows, height, width, 1));
  THORONG_TRY(columns, for_all_bins(c, columns, height, width, 2));
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(ValueId image, channels_last(c, x));
  THORONG_TRY(ValueId values, weighted_rows(c, image, {rows, columns}, c.optional_input(2)));
  THORONG_TRY(ValueId y, c.reduce(r.average ? "add" : "maximum", values, {2}, false));
  THORONG_TRY(y, c.transpose(y, {0, 2, 1}));
  THORONG_TRY(y, c.reshape(y, {r.count, shape[1], height, width}));
  return c.set_output(0, c.convert(y, format));
}

Status import_max_roi_pool(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId rois, c.input(1));
  THORONG_TRY(Integers pooled, c.integers("pooled_shape"));
  THORONG_TRY(double scale, c.number("spatial_scale", 1));
  return c.set_output(
      0, c.add("max_roi_pool", {x, rois}, make_attributes({{"pooled", pooled}, {"scale", scale}})));
}

}  // namespace

std::vector<ImportRule> import_rules_roi_align() {
  return {{"", "RoiAlign", 10, kAnyVersion, import_roi_align},
          {"", "MaxRoiPool", 1, kAnyVersion, import_max_roi_pool}};
}

}  // namespace thorong::onnx
