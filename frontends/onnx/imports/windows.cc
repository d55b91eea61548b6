// SPDX-License-Identifier: Apache-2.0
// HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix: constants computed at import,
// whose sizes must be known.
#include <cmath>
#include <numbers>

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {
namespace {

Result<Format> output_format(const ImportContext& c) {
  THORONG_TRY(int64_t type, c.integer("output_datatype", 1));
  if (type < 0 || type > 1000) {
    return invalid_argument("output_datatype is not an ONNX type: " + std::to_string(type) + ".");
  }
  return format_of_data_type(static_cast<int32_t>(type));
}

// a0 - a1 cos(x) + a2 cos(2x) with x from 0 to 2 pi over the window.
Status import_window(ImportContext& c, double a0, double a1, double a2) {
  THORONG_TRY(int64_t size, c.constant_integer(0, "size"));
  THORONG_TRY(int64_t periodic, c.integer("periodic", 1));
  THORONG_TRY(Format format, output_format(c));
  if (size < 0)
    return invalid_argument("size must not be negative, found " + std::to_string(size) + ".");
  THORONG_RETURN_IF_ERROR(c.check_generated(size));
  auto period = static_cast<double>(periodic != 0 ? size : size - 1);
  std::vector<double> window;
  for (int64_t i = 0; i < size; ++i) {
    double x = 2 * std::numbers::pi * static_cast<double>(i) / period;
    window.push_back(size == 1 ? 1 : a0 - a1 * std::cos(x) + a2 * std::cos(2 * x));
  }
  return c.set_output(0, c.constant({format, {size}}, window));
}

struct Mel {
  int64_t bins = 0, dft_length = 0, sample_rate = 0;
  double low = 0, high = 0;
};

Result<double> one_number(ImportContext& c, size_t i, const char* what) {
  THORONG_TRY(std::vector<double> values, c.constant_numbers(i, what));
  if (values.size() == 1 && std::isfinite(values[0])) return values[0];
  return invalid_argument(std::string(what) + " must be one finite number.");
}

Result<Mel> read_mel(ImportContext& c) {
  Mel m;
  THORONG_TRY(m.bins, c.constant_integer(0, "num_mel_bins"));
  THORONG_TRY(m.dft_length, c.constant_integer(1, "dft_length"));
  THORONG_TRY(m.sample_rate, c.constant_integer(2, "sample_rate"));
  THORONG_TRY(m.low, one_number(c, 3, "lower_edge_hertz"));
  THORONG_TRY(m.high, one_number(c, 4, "upper_edge_hertz"));
  const int64_t limit = int64_t{1} << 24;
  bool fits = m.bins >= 1 && m.bins <= limit && m.dft_length >= 1 && m.dft_length <= limit &&
              m.sample_rate >= 1 && m.low >= 0 && m.high >= m.low;
  if (!fits) {
    return invalid_argument(
        "num_mel_bins, dft_length and sample_rate must be positive (and at most 2^24), and the "
        "edges 0 <= lower_edge_hertz <= upper_edge_hertz.");
  }
  THORONG_RETURN_IF_ERROR(c.check_generated(m.bins * (m.dft_length / 2 + 1)));
  return m;
}

// The elements of a spectrum at which the triangles begin, peak and end: equal steps in mel.
std::vector<double> mel_edges(const Mel& m) {
  double low = std::log1p(m.low / 700), high = std::log1p(m.high / 700);
  std::vector<double> edges;
  for (int64_t i = 0; i < m.bins + 2; ++i) {
    double at = low + static_cast<double>(i) * (high - low) / static_cast<double>(m.bins + 2);
    double hertz = 700 * std::expm1(at);
    edges.push_back(std::floor(static_cast<double>(m.dft_length + 1) * hertz /
                               static_cast<double>(m.sample_rate)));
  }
  return edges;
}

Status import_mel_weight_matrix(ImportContext& c, const NodeProto&) {
  THORONG_TRY(Mel m, read_mel(c));
  THORONG_TRY(Format format, output_format(c));
  int64_t rows = m.dft_length / 2 + 1;
  std::vector<double> edges = mel_edges(m);
  if (edges.back() > static_cast<double>(rows)) {
    return invalid_argument("upper_edge_hertz lies beyond half of sample_rate.");
  }
  std::vector<double> matrix(static_cast<size_t>(rows * m.bins), 0);
  for (int64_t bin = 0; bin < m.bins; ++bin) {
    const double* edge = edges.data() + bin;  // begin, peak, end
    for (int64_t row = 0; row < rows; ++row) {
      auto at = static_cast<double>(row);
      double value = 0;
      if (at >= edge[0] && at <= edge[1])
        value = edge[1] == edge[0] ? 1 : (at - edge[0]) / (edge[1] - edge[0]);
      if (at >= edge[1] && at < edge[2]) value = (edge[2] - at) / (edge[2] - edge[1]);
      matrix[static_cast<size_t>(row * m.bins + bin)] = value;
    }
  }
  return c.set_output(0, c.constant({format, {rows, m.bins}}, matrix));
}

}  // namespace

std::vector<ImportRule> import_rules_windows() {
  auto window = [](double a0, double a1, double a2) {
    return [=](ImportContext& c, const NodeProto&) { return import_window(c, a0, a1, a2); };
  };
  return {{"", "HannWindow", 17, kAnyVersion, window(0.5, 0.5, 0)},
          {"", "HammingWindow", 17, kAnyVersion, window(25.0 / 46, 21.0 / 46, 0)},
          {"", "BlackmanWindow", 17, kAnyVersion, window(0.42, 0.5, 0.08)},
          {"", "MelWeightMatrix", 17, kAnyVersion, import_mel_weight_matrix}};
}

}  // namespace thorong::onnx
