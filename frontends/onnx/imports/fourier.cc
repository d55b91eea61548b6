// SPDX-License-Identifier: Apache-2.0
// DFT as a product with a constant matrix, STFT as a convolution with one filter a frequency.
// Complex numbers are a last dimension of 2; 1 stands for real numbers.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kLongest = int64_t{1} << 24;

struct Angle {
  double cosine, sine;
};

// cos and sin of 2 pi step k / length, exact at quarter turns: the product is reduced to a quarter
// first.
Angle angle_of(int64_t step, int64_t k, int64_t length) {
  int64_t quarters = step * k % length * 4;
  double rest = static_cast<double>(quarters % length) / static_cast<double>(length);
  double cosine = std::cos(std::numbers::pi / 2 * rest),
         sine = std::sin(std::numbers::pi / 2 * rest);
  switch (quarters / length) {
    case 0:
      return {cosine, sine};
    case 1:
      return {-sine, cosine};
    case 2:
      return {-cosine, -sine};
    default:
      return {sine, -cosine};
  }
}

struct Transform {
  int64_t length = 0;    // of the transform
  int64_t used = 0;      // elements of the input that take part; the rest is 0
  int64_t channels = 0;  // 1: real input, 2: complex
  bool inverse = false, onesided = false;

  bool real_result() const { return inverse && onesided; }
  int64_t results() const { return onesided && !inverse ? length / 2 + 1 : length; }
};

// [used, channels, results, 1 or 2]: what each part of each element adds to each part of each
// result.
std::vector<double> matrix_of(const Transform& t) {
  int64_t parts = t.real_result() ? 1 : 2;
  std::vector<double> matrix;
  matrix.reserve(static_cast<size_t>(t.used * t.channels * t.results() * parts));
  for (int64_t n = 0; n < t.used; ++n) {
    double factor = t.inverse ? 1 / static_cast<double>(t.length) : 1;
    // Half a spectrum: all but the first and the middle element stand for their mirror image too.
    if (t.real_result() && n != 0 && 2 * n != t.length) factor *= 2;
    for (int64_t channel = 0; channel < t.channels; ++channel) {
      for (int64_t k = 0; k < t.results(); ++k) {
        Angle a = angle_of(n, k, t.length);
        double sine = (t.inverse ? a.sine : -a.sine) * factor, cosine = a.cosine * factor;
        matrix.push_back(channel == 0 ? cosine : -sine);
        if (parts == 2) matrix.push_back(channel == 0 ? sine : cosine);
      }
    }
  }
  return matrix;
}

Status check_complex(const ImportContext& c, ValueId x, const char* name) {
  Shape shape = c.shape(x);
  bool fits = shape.size() >= 2 && (shape.back() == 1 || shape.back() == 2) &&
              numerics::is_float(c.format(x));
  if (fits) return ok_status();
  return invalid_argument(
      std::string(name) +
      " must be floats with a last dimension of 1 (real) or 2 (complex), found " +
      ops::to_string(shape) + ".");
}

Result<size_t> dft_axis(ImportContext& c, size_t rank) {
  int64_t axis = c.version() >= 20 ? -2 : 1;
  if (c.version() >= 20 && c.has_input(2)) {
    THORONG_TRY(axis, c.constant_integer(2, "axis"));
  } else if (c.version() < 20) {
    THORONG_TRY(axis, c.integer("axis", 1));
  }
  THORONG_TRY(size_t resolved, resolve_axis(axis, rank));
  if (resolved + 1 < rank) return resolved;
  return invalid_argument("axis " + std::to_string(axis) +
                          " is the dimension of the real and imaginary parts.");
}

Result<Transform> read_transform(ImportContext& c, const Shape& shape, size_t axis) {
  Transform t;
  THORONG_TRY(int64_t inverse, c.integer("inverse", 0));
  THORONG_TRY(int64_t onesided, c.integer("onesided", 0));
  t.inverse = inverse != 0;
  t.onesided = onesided != 0;
  t.channels = shape.back();
  t.length = t.real_result() ? 2 * (shape[axis] - 1) : shape[axis];
  if (c.has_input(1)) {
    THORONG_TRY(t.length, c.constant_integer(1, "dft_length"));
  }
  if (t.length < 1 || t.length > kLongest) {
    return invalid_argument("dft_length must lie in [1, " + std::to_string(kLongest) + "], found " +
                            std::to_string(t.length) + ".");
  }
  t.used = std::min(shape[axis], t.real_result() ? t.length / 2 + 1 : t.length);
  THORONG_RETURN_IF_ERROR(c.check_generated(t.used * t.channels * t.results() * 2));
  return t;
}

Status import_dft(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId x, c.input(0));
  THORONG_RETURN_IF_ERROR(check_complex(c, x, "the input"));
  Format format = c.format(x);
  size_t rank = c.rank(x);
  THORONG_TRY(size_t axis, dft_axis(c, rank));
  THORONG_TRY(Transform t, read_transform(c, c.shape(x), axis));
  THORONG_TRY(x, c.widen(x));
  THORONG_TRY(x, c.slice_axis(x, axis, 0, t.used));
  Shape shape{t.used, t.channels, t.results(), t.real_result() ? 1 : 2};
  THORONG_TRY(ValueId matrix, c.constant({c.format(x), shape}, matrix_of(t)));
  Integers contracted{static_cast<int64_t>(axis), static_cast<int64_t>(rank) - 1};
  THORONG_TRY(ValueId y, c.add("dot_general", {x, matrix},
                               make_attributes({{"lhs_batching_dimensions", Integers{}},
                                                {"rhs_batching_dimensions", Integers{}},
                                                {"lhs_contracting_dimensions", contracted},
                                                {"rhs_contracting_dimensions", Integers{0, 1}}})));
  Integers permutation = counting(rank - 2);  // the results' dimension goes where the axis was
  permutation.insert(permutation.begin() + static_cast<std::ptrdiff_t>(axis),
                     static_cast<int64_t>(rank) - 2);
  permutation.push_back(static_cast<int64_t>(rank) - 1);
  THORONG_TRY(y, c.transpose(y, permutation));
  return c.set_output(0, c.convert(y, format));
}

// frame_length from the operand, the window, or the signal.
Result<int64_t> frame_length_of(ImportContext& c, int64_t samples) {
  int64_t length = samples;
  if (c.has_input(2)) {
    Shape window = c.shape(c.optional_input(2));
    if (window.size() != 1)
      return invalid_argument("the window must have rank 1, found " + ops::to_string(window) + ".");
    length = window[0];
  }
  if (c.has_input(3)) {
    THORONG_TRY(int64_t given, c.constant_integer(3, "frame_length"));
    if (c.has_input(2) && given != length) {
      return invalid_argument("frame_length " + std::to_string(given) +
                              " differs from the window's " + std::to_string(length) + ".");
    }
    length = given;
  }
  if (length >= 1 && length <= samples) return length;
  return invalid_argument("frame_length must lie in [1, " + std::to_string(samples) +
                          "], the signal's length, found " + std::to_string(length) + ".");
}

// The filters [2 results, channels, length]: a frame's transform, its real and imaginary part.
Result<ValueId> frame_filters(ImportContext& c, const Transform& t, Format format) {
  std::vector<double> by_element = matrix_of(t);
  auto columns = static_cast<size_t>(2 * t.results()), rows = by_element.size() / columns;
  std::vector<double> filters(by_element.size());
  for (size_t column = 0; column < columns; ++column) {
    for (size_t row = 0; row < rows; ++row) {
      size_t n = row / static_cast<size_t>(t.channels),
             channel = row % static_cast<size_t>(t.channels);
      filters[(column * static_cast<size_t>(t.channels) + channel) * static_cast<size_t>(t.used) +
              n] = by_element[row * columns + column];
    }
  }
  const ValueId window = c.optional_input(2);
  const bool known = window != kNoValue && c.graph().is_constant(window);
  if (known) {
    // At import: weights that are constants run on the engines.
    const std::vector<double> factors = c.graph().value(window).constant.to_doubles();
    for (size_t i = 0; i < filters.size(); ++i) filters[i] *= factors[i % factors.size()];
  }
  THORONG_TRY(ValueId weights,
              c.constant({format, {2 * t.results(), t.channels, t.used}}, filters));
  if (window == kNoValue || known) return weights;
  THORONG_TRY(ValueId wide, c.convert(window, format));
  THORONG_TRY(wide, c.broadcast_in(wide, c.shape(weights), {2}));
  return c.add("multiply", {weights, wide});
}

Status import_stft(ImportContext& c, const NodeProto&) {
  THORONG_TRY(ValueId signal, c.input(0));
  THORONG_RETURN_IF_ERROR(check_complex(c, signal, "the signal"));
  Shape shape = c.shape(signal);
  if (shape.size() != 3) {
    return invalid_argument("the signal must be [batch, length, 1 or 2], found " +
                            ops::to_string(shape) + ".");
  }
  THORONG_TRY(int64_t step, c.constant_integer(1, "frame_step"));
  if (step < 1 || step > kLongest)
    return invalid_argument("frame_step must be positive, found " + std::to_string(step) + ".");
  THORONG_TRY(int64_t onesided, c.integer("onesided", 1));
  Transform t;
  THORONG_TRY(t.length, frame_length_of(c, shape[1]));
  t.used = t.length;
  t.channels = shape[2];
  t.onesided = onesided != 0;
  if (t.length > kLongest) return resource_exhausted("frames that long are not done.");
  THORONG_RETURN_IF_ERROR(c.check_generated(t.used * t.channels * t.results() * 2));
  Format format = c.format(signal);
  THORONG_TRY(ValueId x, c.widen(signal));
  THORONG_TRY(ValueId filters, frame_filters(c, t, c.format(x)));
  THORONG_TRY(x, c.transpose(x, {0, 2, 1}));
  THORONG_TRY(ValueId y, c.add("convolution", {x, filters},
                               make_attributes({{"strides", Integers{step}},
                                                {"padding_low", Integers{0}},
                                                {"padding_high", Integers{0}},
                                                {"lhs_dilation", Integers{1}},
                                                {"rhs_dilation", Integers{1}},
                                                {"feature_group_count", int64_t{1}}})));
  THORONG_TRY(y, c.reshape(y, {shape[0], t.results(), 2, c.shape(y)[2]}));
  THORONG_TRY(y, c.transpose(y, {0, 3, 1, 2}));
  return c.set_output(0, c.convert(y, format));
}

}  // namespace

std::vector<ImportRule> import_rules_fourier() {
  return {{"", "DFT", 17, kAnyVersion, import_dft}, {"", "STFT", 17, kAnyVersion, import_stft}};
}

}  // namespace thorong::onnx
