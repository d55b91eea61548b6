// SPDX-License-Identifier: Apache-2.0
// DFT as a product with a constant matrix, or two for long transforms; STFT as that of its frames.
// Complex numbers are a last dimension of 2; 1 stands for real numbers.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

constexpr int64_t kLongest = int64_t{1} << 24;
constexpr int64_t kWhole = 512, kLargestFactor = 2048;  // of transforms by one matrix, and by two

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
  return t;
}

// x [..., one dimension, ...] times a matrix over its dimension `axis` and its last; the results'
// two dimensions come last.
Result<ValueId> transform_axis(ImportContext& c, ValueId x, size_t axis, const Transform& t) {
  THORONG_RETURN_IF_ERROR(c.check_generated(t.used * t.channels * t.results() * 2));
  Shape shape{t.used, t.channels, t.results(), t.real_result() ? 1 : 2};
  THORONG_TRY(ValueId matrix, c.constant({c.format(x), shape}, matrix_of(t)));
  Integers contracted{static_cast<int64_t>(axis), static_cast<int64_t>(c.rank(x)) - 1};
  return c.add("dot_general", {x, matrix},
               make_attributes({{"lhs_batching_dimensions", Integers{}},
                                {"rhs_batching_dimensions", Integers{}},
                                {"lhs_contracting_dimensions", contracted},
                                {"rhs_contracting_dimensions", Integers{0, 1}}}));
}

// Divides a long transform: its largest factor up to the root; 1: it is done whole.
int64_t factor_of(int64_t length) {
  if (length <= kWhole) return 1;
  auto factor = static_cast<int64_t>(std::sqrt(static_cast<double>(length)));
  while (length % factor != 0) --factor;
  return length / factor <= kLargestFactor ? factor : 1;
}

// y [rows, b, a, 2] times exp(-+ 2 pi i j k / (a b)) at [., j, k, .].
Result<ValueId> twiddle(ImportContext& c, ValueId y, const Transform& t) {
  Shape shape = c.shape(y), plane{shape[0], shape[1], shape[2]};
  std::vector<double> cosines, sines;
  for (int64_t j = 0; j < shape[1]; ++j) {
    for (int64_t k = 0; k < shape[2]; ++k) {
      Angle a = angle_of(j, k, t.length);
      cosines.push_back(a.cosine);
      sines.push_back(t.inverse ? a.sine : -a.sine);
    }
  }
  ValueId parts[2] = {kNoValue, kNoValue}, factors[2] = {kNoValue, kNoValue};
  for (size_t i = 0; i < 2; ++i) {
    auto at = static_cast<int64_t>(i);
    THORONG_TRY(parts[i], c.slice_axis(y, 3, at, at + 1));
    THORONG_TRY(parts[i], c.reshape(parts[i], plane));
    THORONG_TRY(factors[i],
                c.constant({c.format(y), {shape[1], shape[2]}}, i == 0 ? cosines : sines));
    THORONG_TRY(factors[i], c.broadcast_in(factors[i], plane, {1, 2}));
  }
  std::vector<ValueId> results;
  for (size_t i = 0; i < 2; ++i) {
    THORONG_TRY(ValueId own, c.add("multiply", {parts[0], factors[i]}));
    THORONG_TRY(ValueId other, c.add("multiply", {parts[1], factors[1 - i]}));
    THORONG_TRY(ValueId sum, c.add(i == 0 ? "subtract" : "add", {own, other}));
    THORONG_TRY(sum, c.reshape(sum, {shape[0], shape[1], shape[2], 1}));
    results.push_back(sum);
  }
  return c.concatenate(results, 3);
}

// x [rows, a b, channels] to [rows, a b, 2]: a transform over the a elements that lie b apart, its
// twiddle factors, and a transform over b.
Result<ValueId> transform_by_factors(ImportContext& c, ValueId x, const Transform& t, int64_t a) {
  const int64_t b = t.length / a, rows = c.shape(x)[0];
  THORONG_TRY(x, c.reshape(x, {rows, a, b, t.channels}));
  THORONG_TRY(ValueId y, transform_axis(c, x, 1, {a, a, t.channels, t.inverse, false}));
  THORONG_TRY(y, twiddle(c, y, t));
  THORONG_TRY(y, transform_axis(c, y, 1, {b, b, 2, t.inverse, false}));
  THORONG_TRY(y, c.transpose(y, {0, 2, 1, 3}));
  return c.reshape(y, {rows, t.length, 2});
}

// x [rows, n, channels] with zeros behind up to `size`.
Result<ValueId> lengthen(ImportContext& c, ValueId x, int64_t size) {
  int64_t more = size - c.shape(x)[1];
  if (more == 0) return x;
  THORONG_TRY(ValueId zero, c.scalar(c.format(x), 0));
  return c.add("pad", {x, zero},
               make_attributes({{"low", Integers{0, 0, 0}},
                                {"high", Integers{0, more, 0}},
                                {"interior", Integers{0, 0, 0}}}));
}

// Half a spectrum [rows, used, channels] to a whole one: the conjugates of all but the first and
// the middle element follow in reverse order.
Result<ValueId> mirror(ImportContext& c, ValueId x, const Transform& t) {
  THORONG_TRY(x, lengthen(c, x, t.length / 2 + 1));
  THORONG_TRY(ValueId back, c.slice_axis(x, 1, 1, (t.length - 1) / 2 + 1));
  THORONG_TRY(back, c.add("reverse", {back}, make_attributes({{"dimensions", Integers{1}}})));
  if (t.channels == 2) {
    THORONG_TRY(ValueId sign, c.constant({c.format(x), {2}}, {1, -1}));
    THORONG_TRY(sign, c.broadcast_in(sign, c.shape(back), {2}));
    THORONG_TRY(back, c.add("multiply", {back, sign}));
  }
  return c.concatenate({x, back}, 1);
}

// x [others..., used, channels], the dimension of the transform second to last, by two matrices.
Result<ValueId> transform_long(ImportContext& c, ValueId x, const Transform& t, int64_t factor) {
  THORONG_RETURN_IF_ERROR(c.check_generated(2 * t.length));
  Shape shape = c.shape(x);
  int64_t rows = product(shape, 0, shape.size() - 2);
  THORONG_TRY(x, c.reshape(x, {rows, t.used, t.channels}));
  if (t.real_result()) {
    THORONG_TRY(x, mirror(c, x, t));
  } else {
    THORONG_TRY(x, lengthen(c, x, t.length));
  }
  THORONG_TRY(ValueId y, transform_by_factors(c, x, t, factor));
  int64_t parts = t.real_result() ? 1 : 2;
  THORONG_TRY(y, c.slice(y, {0, 0, 0}, {rows, t.results(), parts}));
  shape[shape.size() - 2] = t.results();
  shape.back() = parts;
  return c.reshape(y, shape);
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
  ValueId y = kNoValue;
  if (int64_t factor = factor_of(t.length); factor > 1) {
    Integers to_end = counting(rank);
    to_end.erase(to_end.begin() + static_cast<std::ptrdiff_t>(axis));
    to_end.insert(to_end.end() - 1, static_cast<int64_t>(axis));
    THORONG_TRY(x, c.transpose(x, to_end));
    THORONG_TRY(y, transform_long(c, x, t, factor));
  } else {
    THORONG_TRY(y, transform_axis(c, x, axis, t));
  }
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

// The frames of x [batch, length, channels], copied and multiplied by the window if there is one:
// [batch * frames, frame's length, channels].
Result<ValueId> frames_of(ImportContext& c, ValueId x, int64_t length, int64_t step) {
  Shape shape = c.shape(x);
  int64_t frames = (shape[1] - length) / step + 1;
  THORONG_RETURN_IF_ERROR(c.check_generated(ops::element_count({frames, length})));
  Integers indices;
  for (int64_t frame = 0; frame < frames; ++frame) {
    for (int64_t n = 0; n < length; ++n) indices.push_back(frame * step + n);
  }
  THORONG_TRY(x, c.take_axis(x, 1, indices));
  THORONG_TRY(x, c.reshape(x, {shape[0] * frames, length, shape[2]}));
  if (!c.has_input(2)) return x;
  THORONG_TRY(ValueId window, c.convert(c.optional_input(2), c.format(x)));
  THORONG_TRY(window, c.broadcast_in(window, c.shape(x), {1}));
  return c.add("multiply", {x, window});
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
  Format format = c.format(signal);
  THORONG_TRY(ValueId x, c.widen(signal));
  THORONG_TRY(x, frames_of(c, x, t.length, step));
  int64_t frames = (shape[1] - t.length) / step + 1;
  THORONG_TRY(ValueId y, transform_axis(c, x, 1, t));
  THORONG_TRY(y, c.reshape(y, {shape[0], frames, t.results(), 2}));
  return c.set_output(0, c.convert(y, format));
}

}  // namespace

std::vector<ImportRule> import_rules_fourier() {
  return {{"", "DFT", 17, kAnyVersion, import_dft}, {"", "STFT", 17, kAnyVersion, import_stft}};
}

}  // namespace thorong::onnx
