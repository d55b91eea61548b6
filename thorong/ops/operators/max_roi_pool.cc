// SPDX-License-Identifier: Apache-2.0
// max_roi_pool: the largest element of each bin of regions of x [N, C, H, W]. A region is (image,
// x1, y1, x2, y2); its corners times `scale`, rounded, are its first and last element, and it has
// one element at least. A bin has every element that it touches; one outside of the image gives 0.
// C1: x is a float of rank 4. C2: regions are floats [R, 5]. C3: `pooled` has two positive sizes.
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr int64_t kMostBins = int64_t{1} << 20;  // in one dimension

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& regions = operand_type(graph, node, 1);
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));  // C1
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 1));  // C2
  if (x.shape.size() != 4 || regions.shape.size() != 2 || regions.shape[1] != 5) {
    return invalid_argument(fmt::format("expected x [N, C, H, W] and regions [R, 5], found {}, {}",
                                        to_string(x), to_string(regions)));
  }
  const std::vector<int64_t> pooled = node.attributes.integers("pooled");
  bool fits = pooled.size() == 2;
  for (const int64_t size : pooled) fits = fits && size >= 1 && size <= kMostBins;
  if (!fits) {  // C3
    return invalid_argument(fmt::format("pooled must have two entries in [1, {}], found {}",
                                        kMostBins, to_string(pooled)));
  }
  return one_result({x.format, {regions.shape[0], x.shape[1], pooled[0], pooled[1]}});
}

// One dimension of a region: its first element and its length, in fp32 as everywhere: 3.5 is
// rounded up although 5 times the fp32 0.7 is less.
struct Extent {
  float first = 0, length = 1;
};

Extent extent_of(double start, double end, double scale) {
  const auto factor = static_cast<float>(scale);
  const float first = std::round(static_cast<float>(start) * factor);
  const float last = std::round(static_cast<float>(end) * factor);
  return {first, std::max(last - first + 1, 1.0F)};
}

struct Range {
  int64_t begin = 0, end = 0;
};

// The elements of [0, size) in bin `bin` of `bins`.
Range elements_of(const Extent& e, int64_t bin, int64_t bins, int64_t size) {
  const float step = e.length / static_cast<float>(bins), limit = static_cast<float>(size);
  const float begin = e.first + std::floor(static_cast<float>(bin) * step);
  const float end = e.first + std::ceil(static_cast<float>(bin + 1) * step);
  if (!(end > begin)) return {};  // NaN as well
  return {static_cast<int64_t>(std::clamp(begin, 0.0F, limit)),
          static_cast<int64_t>(std::clamp(end, 0.0F, limit))};
}

double largest(const double* plane, int64_t width, const Range& rows, const Range& columns) {
  if (rows.begin >= rows.end || columns.begin >= columns.end) return 0;
  double result = -std::numeric_limits<double>::infinity();
  for (int64_t y = rows.begin; y < rows.end; ++y) {
    for (int64_t x = columns.begin; x < columns.end; ++x)
      result = combine(Combine::kMaximum, result, plane[y * width + x]);
  }
  return result;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const Shape& shape = inputs[0].type.shape;
  const TensorType& out = result_type(graph, node);
  const double scale = node.attributes.number("scale", 1);
  const std::vector<double> x = load<double>(inputs[0]), regions = load<double>(inputs[1]);
  std::vector<double> results;
  results.reserve(static_cast<size_t>(out.elements()));
  for (int64_t r = 0; r < out.shape[0]; ++r) {
    const double* region = regions.data() + r * 5;
    if (!(region[0] >= 0 && region[0] < static_cast<double>(shape[0]))) {
      return out_of_range(
          fmt::format("region {} names image {}, but there are {}", r, region[0], shape[0]));
    }
    const Extent columns = extent_of(region[1], region[3], scale);
    const Extent rows = extent_of(region[2], region[4], scale);
    for (int64_t c = 0; c < shape[1]; ++c) {
      const int64_t plane = (static_cast<int64_t>(region[0]) * shape[1] + c) * shape[2] * shape[3];
      for (int64_t i = 0; i < out.shape[2] * out.shape[3]; ++i) {
        const int64_t row = i / out.shape[3], column = i % out.shape[3];
        results.push_back(largest(x.data() + plane, shape[3],
                                  elements_of(rows, row, out.shape[2], shape[2]),
                                  elements_of(columns, column, out.shape[3], shape[3])));
      }
    }
  }
  store(out, results, outputs[0]);
  return ok_status();
}

}  // namespace

std::vector<OperatorSpec> operator_specs_max_roi_pool() {
  OperatorSpec spec;
  spec.name = "max_roi_pool";
  spec.summary = "The largest element of each bin of regions of images.";
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = reference;
  return {spec};
}

}  // namespace thorong::ops
