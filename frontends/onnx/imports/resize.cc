// SPDX-License-Identifier: Apache-2.0
// Resize and Upsample, one axis after the other: nearest as `take` with constant indices, linear
// and cubic as a product with a constant interpolation matrix. Coordinates are computed in fp32, as
// ONNX Runtime does.
#include <algorithm>
#include <cmath>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

struct Settings {
  std::string mode, coordinates, nearest;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
};

struct Axis {
  size_t dimension = 0;
  int64_t input = 0, output = 0;
  float scale = 1, roi_start = 0, roi_end = 1;
};

// Where position x of the output lies on the input.
float source(const Settings& s, const Axis& a, int64_t position) {
  auto x = static_cast<float>(position), in = static_cast<float>(a.input),
       out = static_cast<float>(a.output);
  if (s.coordinates == "asymmetric") return x / a.scale;
  if (s.coordinates == "align_corners") return a.output == 1 ? 0 : x * (in - 1) / (out - 1);
  if (s.coordinates == "tf_crop_and_resize") {
    float span = (a.roi_end - a.roi_start) * (in - 1);
    return a.roi_start * (in - 1) + (a.output > 1 ? x * span / (out - 1) : span / 2);
  }
  if (s.coordinates == "tf_half_pixel_for_nn") return (x + 0.5F) / a.scale;
  if (s.coordinates == "pytorch_half_pixel" && a.output <= 1) return 0;
  if (s.coordinates != "half_pixel_symmetric") return (x + 0.5F) / a.scale - 0.5F;
  const float offset = in / 2 * (1 - out / (a.scale * in));
  return static_cast<float>(static_cast<double>(offset) +
                            (static_cast<double>(x) + 0.5) / static_cast<double>(a.scale) - 0.5);
}

bool is_outside(const Settings& s, const Axis& a, float x) {
  return s.coordinates == "tf_crop_and_resize" && (x < 0 || x > static_cast<float>(a.input - 1));
}

constexpr float kTieMargin = 1e-6F;

int64_t nearest_index(const Settings& s, const Axis& a, float x) {
  float index = 0, below = std::floor(x);
  if (s.nearest == "floor")
    index = below;
  else if (s.nearest == "ceil")
    index = std::ceil(x);
  else if (s.nearest == "simple")
    index = a.scale < 1 ? std::ceil(x) : std::trunc(x);
  else {
    // A tie that fp32 misses by a rounding of scale or x is one: size 2 of 7 puts position 1
    // at 3.5, and 1 / fl(2/7) is 3.4999998. ONNX Runtime takes the same margin.
    bool tie = std::fabs(x - below - 0.5F) <= kTieMargin;
    index = x - below < 0.5F ? below : below + 1;
    if (tie) index = s.nearest == "round_prefer_ceil" ? below + 1 : below;
  }
  if (!(index > 0)) return 0;  // NaN as well
  return index >= static_cast<float>(a.input) ? a.input - 1 : static_cast<int64_t>(index);
}

double cubic_weight(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

// The weights of one output element over the input elements, edges repeated. Taps lie around x, the
// left neighbour of a whole x being x - 1, as in the ONNX reference.
void add_weights(const Settings& s, const Axis& a, double x, double* row) {
  double scale = s.antialias ? std::min(static_cast<double>(a.scale), 1.0) : 1.0;
  bool linear = s.mode == "linear";
  auto start = static_cast<int64_t>(std::floor(-(linear ? 1 : 2) / scale)) + 1;
  double base = std::ceil(x) - 1, ratio = x - base, total = 0;
  std::vector<double> weights;
  for (int64_t tap = start; tap < 2 - start; ++tap) {
    double distance = (static_cast<double>(tap) - ratio) * scale;
    double weight =
        linear ? std::max(0.0, 1 - std::fabs(distance)) : cubic_weight(distance, s.cubic_a);
    double at = base + static_cast<double>(tap);
    if (s.exclude_outside && (at < 0 || at >= static_cast<double>(a.input))) weight = 0;
    weights.push_back(weight);
    total += weight;
  }
  bool normalise = s.exclude_outside || s.antialias;
  for (size_t i = 0; i < weights.size(); ++i) {
    double at = base + static_cast<double>(start) + static_cast<double>(i);
    auto index = static_cast<size_t>(std::clamp(at, 0.0, static_cast<double>(a.input - 1)));
    row[index] += normalise ? weights[i] / total : weights[i];
  }
}

Result<ValueId> interpolate(ImportContext& c, ValueId x, const Settings& s, const Axis& a) {
  int64_t elements = 0;
  if (__builtin_mul_overflow(a.input, a.output, &elements)) elements = -1;
  THORONG_RETURN_IF_ERROR(c.check_generated(elements));
  if (s.antialias && (a.scale <= 0 || static_cast<float>(a.output) / a.scale > 1e7F)) {
    return resource_exhausted("antialiasing at scale " + std::to_string(a.scale) + " is not done.");
  }
  std::vector<double> matrix(static_cast<size_t>(elements), 0);
  bool identity = a.input == a.output;
  for (int64_t i = 0; i < a.output; ++i) {
    double* row = matrix.data() + i * a.input;
    float at = source(s, a, i);
    if (!std::isfinite(at)) return invalid_argument("scales and roi give no coordinates.");
    if (!is_outside(s, a, at)) add_weights(s, a, static_cast<double>(at), row);
    identity = identity && row[i] == 1;
  }
  if (identity) return x;
  Format format = c.format(x), work = numerics::is_float(format) ? format : Format::kFloat32;
  THORONG_TRY(x, c.convert(x, work));
  THORONG_TRY(ValueId weights, c.constant({work, {a.output, a.input}}, matrix));
  auto dimension = static_cast<int64_t>(a.dimension);
  THORONG_TRY(ValueId y, c.contract(x, weights, dimension, 1));
  Integers permutation = counting(c.rank(y) - 1);
  permutation.insert(permutation.begin() + dimension, static_cast<int64_t>(c.rank(y)) - 1);
  THORONG_TRY(y, c.transpose(y, permutation));
  return c.convert(y, format);
}

Result<ValueId> take_nearest(ImportContext& c, ValueId x, const Settings& s, const Axis& a) {
  THORONG_RETURN_IF_ERROR(c.check_generated(a.output));
  Integers indices;
  for (int64_t i = 0; i < a.output; ++i) indices.push_back(nearest_index(s, a, source(s, a, i)));
  return c.take_axis(x, a.dimension, indices);
}

// The extrapolation value where tf_crop_and_resize leaves the input.
Result<ValueId> extrapolate(ImportContext& c, ValueId y, const Settings& s, const Axis& a) {
  if (s.coordinates != "tf_crop_and_resize") return y;
  std::vector<double> outside;
  for (int64_t i = 0; i < a.output; ++i)
    outside.push_back(is_outside(s, a, source(s, a, i)) ? 1 : 0);
  if (std::find(outside.begin(), outside.end(), 1) == outside.end()) return y;
  THORONG_TRY(ValueId mask, c.constant({Format::kBool, {a.output}}, outside));
  THORONG_TRY(mask, c.broadcast_in(mask, c.shape(y), {static_cast<int64_t>(a.dimension)}));
  THORONG_TRY(ValueId fill, c.full_like(y, s.extrapolation));
  return c.add("select", {mask, fill, y});
}

Result<ValueId> resize(ImportContext& c, ValueId x, const Settings& settings,
                       const std::vector<Axis>& axes) {
  for (const Axis& a : axes) {
    if (a.input == 0 || a.output < 0)
      return invalid_argument("an empty dimension cannot be resized.");
    if (a.input == a.output && a.scale == 1 && settings.coordinates != "tf_crop_and_resize")
      continue;
    if (settings.mode == "nearest") {
      THORONG_TRY(x, take_nearest(c, x, settings, a));
    } else {
      THORONG_TRY(x, interpolate(c, x, settings, a));
    }
    THORONG_TRY(x, extrapolate(c, x, settings, a));
  }
  return x;
}

Result<Settings> read_settings(const ImportContext& c, bool old) {
  Settings s;
  THORONG_TRY(s.mode, c.text("mode", "nearest"));
  THORONG_TRY(s.coordinates,
              c.text("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"));
  THORONG_TRY(s.nearest, c.text("nearest_mode", old ? "simple" : "round_prefer_floor"));
  THORONG_TRY(s.cubic_a, c.number("cubic_coeff_a", -0.75));
  THORONG_TRY(s.extrapolation, c.number("extrapolation_value", 0));
  THORONG_TRY(int64_t exclude, c.integer("exclude_outside", 0));
  THORONG_TRY(int64_t antialias, c.integer("antialias", 0));
  s.exclude_outside = exclude != 0;
  s.antialias = antialias != 0;
  if (s.mode == "bilinear") s.mode = "linear";
  const std::string known =
      " asymmetric align_corners tf_crop_and_resize pytorch_half_pixel half_pixel "
      "half_pixel_symmetric tf_half_pixel_for_nn ";
  if (known.find(" " + s.coordinates + " ") == std::string::npos) {
    return invalid_argument("there is no coordinate_transformation_mode \"" + s.coordinates +
                            "\".");
  }
  if (s.mode != "nearest" && s.mode != "linear" && s.mode != "cubic") {
    return invalid_argument("mode must be nearest, linear or cubic, found \"" + s.mode + "\".");
  }
  return s;
}

// Output sizes from scales: floor(size * scale), in fp32.
Status apply_scales(const std::vector<double>& scales, std::vector<Axis>& axes) {
  if (scales.size() != axes.size()) {
    return invalid_argument("scales must have " + std::to_string(axes.size()) + " entries, found " +
                            std::to_string(scales.size()) + ".");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i].scale = static_cast<float>(scales[i]);
    float size = static_cast<float>(axes[i].input) * axes[i].scale;
    if (!(axes[i].scale > 0) || size > 1e9F)
      return invalid_argument("scales must be positive and not that large.");
    axes[i].output = static_cast<int64_t>(size);
  }
  return ok_status();
}

Status apply_sizes(const Integers& sizes, const std::string& policy, std::vector<Axis>& axes) {
  if (sizes.size() != axes.size()) {
    return invalid_argument("sizes must have " + std::to_string(axes.size()) + " entries, found " +
                            std::to_string(sizes.size()) + ".");
  }
  float common = 0;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (sizes[i] < 1 || sizes[i] > 1'000'000'000)
      return invalid_argument("sizes must lie in [1, 1000000000].");
    axes[i].output = sizes[i];
    axes[i].scale = static_cast<float>(sizes[i]) / static_cast<float>(axes[i].input);
    bool larger = axes[i].scale > common;
    if (i == 0 || (policy == "not_smaller" ? larger : !larger)) common = axes[i].scale;
  }
  if (policy == "stretch") return ok_status();
  if (policy != "not_larger" && policy != "not_smaller") {
    return invalid_argument("there is no keep_aspect_ratio_policy \"" + policy + "\".");
  }
  for (Axis& a : axes) {
    a.scale = common;
    a.output = static_cast<int64_t>(std::floor(common * static_cast<float>(a.input) + 0.5F));
  }
  return ok_status();
}

Result<std::vector<Axis>> read_axes(const ImportContext& c, const Shape& shape) {
  THORONG_TRY(Integers given, c.integers("axes", counting(shape.size())));
  THORONG_TRY(auto dimensions, resolve_axes(given, shape.size()));
  std::vector<Axis> axes;
  for (size_t dimension : dimensions)
    axes.push_back({dimension, shape[dimension], shape[dimension]});
  return axes;
}

Status read_roi(const ImportContext& c, std::vector<Axis>& axes) {
  THORONG_TRY(auto roi, c.constant_numbers(1, "roi"));
  if (roi.size() != 2 * axes.size()) {
    return invalid_argument("roi must have " + std::to_string(2 * axes.size()) + " entries.");
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    axes[i].roi_start = static_cast<float>(roi[i]);
    axes[i].roi_end = static_cast<float>(roi[i + axes.size()]);
  }
  return ok_status();
}

Status import_resize(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Settings settings, read_settings(c, false));
  THORONG_TRY(auto axes, read_axes(c, c.shape(x)));
  if (settings.coordinates == "tf_crop_and_resize") THORONG_RETURN_IF_ERROR(read_roi(c, axes));
  std::vector<double> scales;
  if (c.has_input(2)) {
    THORONG_TRY(scales, c.constant_numbers(2, "scales"));
  }
  if (!scales.empty() || !c.has_input(3)) {
    THORONG_RETURN_IF_ERROR(apply_scales(scales, axes));
  } else {
    THORONG_TRY(Integers sizes, c.constant_integers(3, "sizes"));
    THORONG_TRY(std::string policy, c.text("keep_aspect_ratio_policy", "stretch"));
    THORONG_RETURN_IF_ERROR(apply_sizes(sizes, policy, axes));
  }
  return c.set_output(0, resize(c, x, settings, axes));
}

// Upsample, and Resize of version 10: scales only, asymmetric coordinates.
Status import_upsample(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(Settings settings, read_settings(c, true));
  THORONG_TRY(auto axes, read_axes(c, c.shape(x)));
  std::vector<double> scales;
  if (c.version() >= 9) {
    THORONG_TRY(scales, c.constant_numbers(1, "scales"));
  } else {
    THORONG_TRY(scales, c.numbers("scales"));
  }
  THORONG_RETURN_IF_ERROR(apply_scales(scales, axes));
  return c.set_output(0, resize(c, x, settings, axes));
}

}  // namespace

std::vector<ImportRule> import_rules_resize() {
  return {{"", "Resize", 11, kAnyVersion, import_resize},
          {"", "Resize", 10, 10, import_upsample},
          {"", "Upsample", 7, 9, import_upsample}};
}

}  // namespace thorong::onnx
