// SPDX-License-Identifier: Apache-2.0
// GridSample over any number of spatial dimensions, and AffineGrid, which makes its grids.
#include <algorithm>

#include "frontends/onnx/sampling.h"
#include "frontends/onnx/spatial.h"

namespace thorong::onnx {
namespace {

struct Sampling {
  std::string mode, padding;
  bool align = false;
};

Result<Sampling> read_sampling(const ImportContext& c) {
  Sampling s;
  THORONG_TRY(s.mode, c.text("mode", c.version() >= 20 ? "linear" : "bilinear"));
  THORONG_TRY(s.padding, c.text("padding_mode", "zeros"));
  THORONG_TRY(int64_t align, c.integer("align_corners", 0));
  s.align = align != 0;
  if (s.mode == "bilinear") s.mode = "linear";
  if (s.mode == "bicubic") s.mode = "cubic";
  if (s.mode != "nearest" && s.mode != "linear" && s.mode != "cubic") {
    return invalid_argument("mode must be nearest, linear or cubic, found \"" + s.mode + "\".");
  }
  if (s.padding != "zeros" && s.padding != "border" && s.padding != "reflection") {
    return invalid_argument("padding_mode must be zeros, border or reflection, found \"" +
                            s.padding + "\".");
  }
  return s;
}

Result<ValueId> clamp(ImportContext& c, ValueId x, double low, double high) {
  THORONG_TRY(ValueId minimum, c.scalar(c.format(x), low));
  THORONG_TRY(ValueId maximum, c.scalar(c.format(x), high));
  return c.add("clamp", {minimum, x, maximum});
}

// Positions reflected at the image's borders until they lie within: with t = x - low and the
// borders `span` apart, low + span - |t mod (2 span) - span|.
Result<ValueId> reflect(ImportContext& c, ValueId x, int64_t size, bool align) {
  double low = align ? 0 : -0.5, span = static_cast<double>(align ? size - 1 : size);
  if (span == 0) return c.full_like(x, 0);
  THORONG_TRY(ValueId t, c.add_scalar("subtract", x, low));
  THORONG_TRY(ValueId periods, c.add_scalar("divide", t, 2 * span));
  THORONG_TRY(periods, c.add("floor", {periods}));
  THORONG_TRY(periods, c.add_scalar("multiply", periods, 2 * span));
  THORONG_TRY(t, c.add("subtract", {t, periods}));
  THORONG_TRY(t, c.add_scalar("subtract", t, span));
  THORONG_TRY(t, c.add("abs", {t}));
  THORONG_TRY(ValueId top, c.full_like(t, low + span));
  return c.add("subtract", {top, t});
}

// A position that lies beyond the borders is brought back as the padding says. Cubic taps are each
// brought to the border instead, as PyTorch and ONNX Runtime do.
Result<ValueId> bring_inside(ImportContext& c, const Sampling& s, ValueId x, int64_t size) {
  if (s.padding == "zeros" || (s.padding == "border" && s.mode == "cubic")) return x;
  double low = s.align ? 0 : -0.5, high = static_cast<double>(size) - (s.align ? 1 : 0.5);
  THORONG_TRY(ValueId nearest, clamp(c, x, low, high));
  THORONG_TRY(ValueId is_inside, c.compare("EQ", nearest, x));
  ValueId moved = kNoValue;
  if (s.padding == "border") {
    THORONG_TRY(moved, clamp(c, x, 0, static_cast<double>(size - 1)));
  } else {
    THORONG_TRY(moved, reflect(c, x, size, s.align));
  }
  return c.add("select", {is_inside, x, moved});
}

// Taps at whole positions [B, P, T], with the padding applied to each of them.
Result<Taps> taps_at(ImportContext& c, const Sampling& s, ValueId at, int64_t size) {
  Taps taps;
  if (s.padding == "reflection") {
    THORONG_TRY(at, reflect(c, at, size, s.align));
  }
  THORONG_TRY(taps.index, clamp(c, at, 0, static_cast<double>(size - 1)));
  if (s.padding == "zeros") {
    THORONG_TRY(taps.inside, c.compare("EQ", taps.index, at));
  }
  return taps;
}

// Keys' cubic weight at a distance, a = -0.75: of the inner taps, whose distance is at most 1, or
// the outer ones.
Result<ValueId> cubic_weight(ImportContext& c, ValueId distance, bool inner) {
  const double a = -0.75;
  const std::vector<double> factors = inner ? std::vector<double>{a + 2, -(a + 3), 0, 1}
                                            : std::vector<double>{a, -5 * a, 8 * a, -4 * a};
  THORONG_TRY(ValueId y, c.full_like(distance, factors[0]));
  for (size_t i = 1; i < factors.size(); ++i) {
    THORONG_TRY(y, c.add("multiply", {y, distance}));
    if (factors[i] == 0) continue;
    THORONG_TRY(y, c.add_scalar("add", y, factors[i]));
  }
  return y;
}

Result<Taps> cubic_taps(ImportContext& c, const Sampling& s, ValueId position, int64_t size) {
  Shape shape = c.shape(position);
  shape.push_back(4);
  Format format = c.format(position);
  THORONG_TRY(ValueId first, c.add("floor", {position}));
  THORONG_TRY(ValueId offset, c.constant({format, {4}}, {-1, 0, 1, 2}));
  THORONG_TRY(offset, c.broadcast_in(offset, shape, {2}));
  THORONG_TRY(first, c.broadcast_in(first, shape, {0, 1}));
  THORONG_TRY(position, c.broadcast_in(position, shape, {0, 1}));
  THORONG_TRY(ValueId at, c.add("add", {first, offset}));
  THORONG_TRY(ValueId distance, c.add("subtract", {position, at}));
  THORONG_TRY(distance, c.add("abs", {distance}));
  THORONG_TRY(ValueId inner, cubic_weight(c, distance, true));
  THORONG_TRY(ValueId outer, cubic_weight(c, distance, false));
  THORONG_TRY(ValueId is_inner, c.constant({Format::kBool, {4}}, {0, 1, 1, 0}));
  THORONG_TRY(is_inner, c.broadcast_in(is_inner, shape, {2}));
  THORONG_TRY(Taps taps, taps_at(c, s, at, size));
  THORONG_TRY(taps.weight, c.add("select", {is_inner, inner, outer}));
  return taps;
}

// Coordinates in [-1, 1], of the dimension's corners (align) or of the outer edges of its ends.
Result<ValueId> positions_of(ImportContext& c, const Sampling& s, ValueId grid, int64_t component,
                             int64_t size) {
  Shape shape = c.shape(grid);
  THORONG_TRY(ValueId x, c.slice_axis(grid, 2, component, component + 1));
  THORONG_TRY(x, c.reshape(x, {shape[0], shape[1]}));
  auto length = static_cast<double>(size);
  THORONG_TRY(x, c.add_scalar("add", x, 1));
  if (s.align) {
    THORONG_TRY(x, c.add_scalar("multiply", x, 0.5));
    return c.add_scalar("multiply", x, length - 1);
  }
  THORONG_TRY(x, c.add_scalar("multiply", x, length));
  THORONG_TRY(x, c.add_scalar("subtract", x, 1));
  return c.add_scalar("multiply", x, 0.5);
}

Result<std::vector<Taps>> taps_of(ImportContext& c, const Sampling& s, ValueId grid,
                                  const Shape& spatial) {
  std::vector<Taps> taps;
  for (size_t d = 0; d < spatial.size(); ++d) {
    auto component = static_cast<int64_t>(spatial.size() - 1 - d);  // the last dimension is x
    THORONG_TRY(ValueId position, positions_of(c, s, grid, component, spatial[d]));
    if (s.mode == "nearest") {
      THORONG_TRY(position, c.add("round_nearest_even", {position}));
    }
    THORONG_TRY(position, bring_inside(c, s, position, spatial[d]));
    Taps own;
    if (s.mode == "nearest") {
      Shape single = c.shape(position);
      single.push_back(1);
      THORONG_TRY(position, c.reshape(position, single));
      THORONG_TRY(own, taps_at(c, s, position, spatial[d]));
    } else if (s.mode == "linear") {
      // A reflected position's outer tap lies at most one beyond the end, where it has its value.
      THORONG_TRY(own, linear_taps(c, position, spatial[d], s.padding == "zeros"));
    } else {
      THORONG_TRY(own, cubic_taps(c, s, position, spatial[d]));
    }
    taps.push_back(own);
  }
  return taps;
}

Status import_grid_sample(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_TRY(ValueId grid, c.input(1));
  THORONG_TRY(Sampling s, read_sampling(c));
  Shape shape = c.shape(x), grid_shape = c.shape(grid);
  bool fits = shape.size() >= 3 && grid_shape.size() == shape.size() && grid_shape[0] == shape[0] &&
              grid_shape.back() == static_cast<int64_t>(shape.size()) - 2 &&
              numerics::is_float(c.format(grid));
  Shape spatial(shape.begin() + (fits ? 2 : 0), shape.end());
  if (!fits || std::find(spatial.begin(), spatial.end(), 0) != spatial.end()) {
    return invalid_argument(
        "X must be [N, C, spatial...] without empty dimensions, and the grid floats [N, "
        "positions..., "
        "spatial dimensions], found " +
        ops::to_string(shape) + " and " + ops::to_string(grid_shape) + ".");
  }
  Shape output{shape[0], shape[1]};
  output.insert(output.end(), grid_shape.begin() + 1, grid_shape.end() - 1);
  int64_t positions = product(output, 2, output.size());
  THORONG_TRY(grid, c.widen(grid));
  THORONG_TRY(grid, c.reshape(grid, {shape[0], positions, grid_shape.back()}));
  THORONG_TRY(std::vector<Taps> taps, taps_of(c, s, grid, spatial));
  Format format = c.format(x);
  if (s.mode != "nearest") {
    THORONG_TRY(x, numerics::is_float(format) ? c.widen(x) : c.convert(x, Format::kFloat32));
  }
  THORONG_TRY(ValueId image, channels_last(c, x));
  THORONG_TRY(ValueId y,
              s.mode == "nearest" ? weighted_rows(c, image, taps) : sample(c, image, taps));
  THORONG_TRY(y, c.reshape(y, {shape[0], positions, shape[1]}));
  THORONG_TRY(y, c.transpose(y, {0, 2, 1}));
  THORONG_TRY(y, c.reshape(y, output));
  return c.set_output(0, c.convert(y, format));
}

// The coordinates along a dimension of an affine grid: from -1 to 1, of the ends or of the outer
// edges.
std::vector<double> grid_steps(int64_t size, bool align) {
  std::vector<double> steps;
  auto length = static_cast<double>(size);
  for (int64_t i = 0; i < size; ++i) {
    auto at = static_cast<double>(i);
    double ends = size == 1 ? 0 : -1 + 2 * at / (length - 1);
    steps.push_back(align ? ends : -1 + (2 * at + 1) / length);
  }
  return steps;
}

// Theta [N, k, k + 1] applied to every position (x, y, ..., 1) of a grid over `size`.
Status import_affine_grid(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId theta, c.input(0));
  THORONG_TRY(Integers size, c.constant_integers(1, "size"));
  THORONG_TRY(int64_t align, c.integer("align_corners", 0));
  size_t k = size.size() - 2;
  Shape expected{size.empty() ? 0 : size[0], static_cast<int64_t>(k), static_cast<int64_t>(k) + 1};
  if (size.size() < 4 || size.size() > 5 || c.shape(theta) != expected) {
    return invalid_argument(
        "size must be [N, C, H, W] or [N, C, D, H, W] and theta [N, 2, 3] or [N, 3, 4], found " +
        ops::to_string(size) + " and " + ops::to_string(c.shape(theta)) + ".");
  }
  Shape spatial(size.begin() + 2, size.end());
  spatial.push_back(expected[2]);
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count(spatial)));
  spatial.pop_back();
  int64_t positions = ops::element_count(spatial);
  auto columns = static_cast<size_t>(expected[2]);
  std::vector<double> grid(static_cast<size_t>(positions) * columns, 1);
  for (size_t d = 0; d < k; ++d) {
    std::vector<double> steps = grid_steps(spatial[d], align != 0);
    int64_t inner = product(spatial, d + 1, k);
    for (int64_t p = 0; p < positions; ++p) {
      grid[static_cast<size_t>(p) * columns + k - 1 - d] =
          steps[static_cast<size_t>(p / inner % spatial[d])];
    }
  }
  THORONG_TRY(ValueId base, c.constant({c.format(theta), {positions, expected[2]}}, grid));
  THORONG_TRY(ValueId y, c.contract(theta, base, 2, 1));
  THORONG_TRY(y, c.transpose(y, {0, 2, 1}));
  Shape output{size[0]};
  output.insert(output.end(), spatial.begin(), spatial.end());
  output.push_back(static_cast<int64_t>(k));
  return c.set_output(0, c.reshape(y, output));
}

}  // namespace

std::vector<ImportRule> import_rules_grid_sample() {
  return {{"", "GridSample", 16, kAnyVersion, import_grid_sample},
          {"", "AffineGrid", 20, kAnyVersion, import_affine_grid}};
}

}  // namespace thorong::onnx
