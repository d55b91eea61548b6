// SPDX-License-Identifier: Apache-2.0
// convolution: x [N, C, spatial...] with w [O, C / groups, spatial...] (cross-correlation, as
// ONNX). Reference: for each image and group, windows are gathered to columns of [C / groups *
// window, positions] and multiplied by the weights as matrices in double (integers modulo 2^64).
#include <fmt/format.h>

#include <algorithm>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

constexpr int64_t kLowest = -(int64_t{1} << 31);

struct Geometry {
  std::vector<WindowDimension> dimensions;  // spatial
  Shape window, positions;
  int64_t groups = 1;
};

Result<Geometry> geometry_of(const Node& node, const TensorType& x, const TensorType& w) {
  const size_t rank = x.shape.size();
  if (rank < 2 || w.shape.size() != rank) {  // C1
    return invalid_argument(
        fmt::format("x [N, C, spatial...] and w [O, C/groups, spatial...] must have equal ranks "
                    "of at least 2, found {} and {}",
                    to_string(x), to_string(w)));
  }
  const size_t spatial = rank - 2;
  Geometry g;
  THORONG_TRY(const auto strides, dimension_list(node, "strides", spatial, 1, 1));  // C2
  THORONG_TRY(const auto low, dimension_list(node, "padding_low", spatial, 0, kLowest));
  THORONG_TRY(const auto high, dimension_list(node, "padding_high", spatial, 0, kLowest));
  THORONG_TRY(const auto lhs_dilation, dimension_list(node, "lhs_dilation", spatial, 1, 1));
  THORONG_TRY(const auto rhs_dilation, dimension_list(node, "rhs_dilation", spatial, 1, 1));
  g.groups = node.attributes.integer("feature_group_count", 1);
  if (g.groups < 1 || w.shape[0] % g.groups != 0 || x.shape[1] % g.groups != 0 ||
      w.shape[1] != x.shape[1] / g.groups) {  // C3
    return invalid_argument(fmt::format(
        "with feature_group_count {}, w must be [O, {}/{}, ...] with O a multiple of it, "
        "found x {} and w {}",
        g.groups, x.shape[1], g.groups, to_string(x), to_string(w)));
  }
  for (size_t i = 0; i < spatial; ++i) {
    if (w.shape[i + 2] < 1) {  // C4
      return invalid_argument(fmt::format("the window of w {} must not be empty", to_string(w)));
    }
    g.dimensions.push_back({x.shape[i + 2], w.shape[i + 2], strides[i], low[i], high[i],
                            lhs_dilation[i], rhs_dilation[i]});
    THORONG_TRY(const int64_t positions, window_positions(g.dimensions.back(), i + 2));  // C5
    g.window.push_back(w.shape[i + 2]);
    g.positions.push_back(positions);
  }
  return g;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const TensorType& x = operand_type(graph, node, 0);
  const TensorType& w = operand_type(graph, node, 1);
  THORONG_TRY(const Geometry g, geometry_of(node, x, w));
  if (x.format != w.format) {  // C6
    return invalid_argument(
        fmt::format("x and w must have equal formats, found {} and {}; insert convert",
                    to_string(x), to_string(w)));
  }
  TensorType out{x.format, {x.shape[0], w.shape[0]}};
  out.shape.insert(out.shape.end(), g.positions.begin(), g.positions.end());
  return one_result(std::move(out));
}

// Where a window element reads one dimension of x at a position; -1 outside or between elements.
int64_t source_index(const WindowDimension& d, int64_t position, int64_t element) {
  const int64_t at = position * d.stride + element * d.rhs_dilation - d.low;
  if (at < 0 || at % d.lhs_dilation != 0) return -1;
  const int64_t index = at / d.lhs_dilation;
  return index < d.input ? index : -1;
}

// source_index of each position of one dimension for each element of its window:
// [element][position].
std::vector<std::vector<int64_t>> source_table(const WindowDimension& d, int64_t positions) {
  std::vector<std::vector<int64_t>> table;
  for (int64_t element = 0; element < d.window; ++element) {
    table.emplace_back();
    for (int64_t p = 0; p < positions; ++p) table.back().push_back(source_index(d, p, element));
  }
  return table;
}

// A column block: rows [row0, row0 + rows) of the positions' outer dimensions, all of the innermost
// one.
template <typename T>
class Columns {
 public:
  Columns(const Geometry& g, const TensorType& x) : geometry_(g), channels_(x.shape[1] / g.groups) {
    for (size_t i = 0; i < g.dimensions.size(); ++i) {
      tables_.push_back(source_table(g.dimensions[i], g.positions[i]));
    }
    plane_ = 1;
    for (const WindowDimension& d : g.dimensions) plane_ *= d.input;
    inner_ = g.positions.empty() ? 1 : g.positions.back();
    row_shape_ = Shape(g.positions.begin(), g.positions.end() - (g.positions.empty() ? 0 : 1));
  }
  int64_t inner() const { return inner_; }
  int64_t rows() const { return element_count(row_shape_); }

  // columns[c * window + element][position - first] from the channels at x.
  void gather(const T* x, int64_t first_row, int64_t row_count, std::vector<T>& columns) const {
    columns.assign(
        static_cast<size_t>(channels_ * element_count(geometry_.window) * row_count * inner_),
        T{0});
    T* out = columns.data();
    for (int64_t c = 0; c < channels_; ++c) {
      std::vector<int64_t> element(geometry_.window.size(), 0);
      do {
        for (int64_t r = 0; r < row_count; ++r, out += inner_)
          gather_row(x + c * plane_, element, first_row + r, out);
      } while (next_index(element, geometry_.window));
    }
  }

 private:
  void gather_row(const T* plane, const std::vector<int64_t>& element, int64_t row, T* out) const {
    int64_t offset = 0, stride = 1;
    const size_t outer = row_shape_.size();
    if (!tables_.empty()) stride = geometry_.dimensions.back().input;
    for (size_t i = outer; i-- > 0;) {
      const int64_t position = row % row_shape_[i];
      row /= row_shape_[i];
      const int64_t index =
          tables_[i][static_cast<size_t>(element[i])][static_cast<size_t>(position)];
      if (index < 0) return;
      offset += index * stride;
      stride *= geometry_.dimensions[i].input;
    }
    if (tables_.empty()) {
      out[0] = plane[0];
      return;
    }
    const std::vector<int64_t>& last = tables_.back()[static_cast<size_t>(element.back())];
    for (size_t p = 0; p < last.size(); ++p) {
      if (last[p] >= 0) out[p] = plane[offset + last[p]];
    }
  }

  const Geometry& geometry_;
  int64_t channels_, plane_, inner_;
  Shape row_shape_;
  std::vector<std::vector<std::vector<int64_t>>> tables_;
};

template <typename T>
std::vector<T> convolve(const Geometry& g, const Tensor& x_tensor, const Tensor& w_tensor) {
  const std::vector<T> x = load<T>(x_tensor), w = load<T>(w_tensor);
  const TensorType& x_type = x_tensor.type;
  const int64_t images = x_type.shape[0], channels = x_type.shape[1] / g.groups;
  const int64_t features = w_tensor.type.shape[0] / g.groups;
  const int64_t depth = channels * element_count(g.window), positions = element_count(g.positions);
  int64_t plane = 1;
  for (const WindowDimension& d : g.dimensions) plane *= d.input;
  std::vector<T> y(static_cast<size_t>(images * g.groups * features * positions), T{0});
  if (y.empty() || depth == 0) return y;

  const Columns<T> gatherer(g, x_type);
  const int64_t inner = gatherer.inner(), rows = gatherer.rows();
  const int64_t block =
      std::max<int64_t>(1, 256 / inner);  // rows whose columns are multiplied at once
  std::vector<T> columns, products;
  for (int64_t image_group = 0; image_group < images * g.groups; ++image_group) {
    const T* source = x.data() + image_group * channels * plane;
    const T* weights = w.data() + (image_group % g.groups) * features * depth;
    T* target = y.data() + image_group * features * positions;
    for (int64_t row = 0; row < rows; row += block) {
      const int64_t count = std::min(block, rows - row), width = count * inner;
      gatherer.gather(source, row, count, columns);
      products.assign(static_cast<size_t>(features * width), T{0});
      multiply_matrices(weights, columns.data(), products.data(), features, width, depth);
      for (int64_t f = 0; f < features; ++f) {
        std::copy_n(products.data() + f * width, width, target + f * positions + row * inner);
      }
    }
  }
  return y;
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  THORONG_TRY(const Geometry g, geometry_of(node, inputs[0].type, inputs[1].type));
  if (numerics::is_float(inputs[0].type.format)) {
    store(result_type(graph, node), convolve<double>(g, inputs[0], inputs[1]), outputs[0]);
  } else {
    store(result_type(graph, node), convolve<uint64_t>(g, inputs[0], inputs[1]), outputs[0]);
  }
  return ok_status();
}

// Products with padding and with the holes of a dilated x are not counted apart: a dense rule of
// thumb.
Work work(const Graph& graph, const Node& node) {
  const Shape& w = operand_type(graph, node, 1).shape;
  double depth = 1, holes = 1;
  for (size_t i = 1; i < w.size(); ++i) depth *= static_cast<double>(w[i]);
  for (const int64_t d : node.attributes.integers("lhs_dilation")) holes *= static_cast<double>(d);
  return {static_cast<double>(result_type(graph, node).elements()) * depth / holes, 0};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_convolution() {
  OperatorSpec spec;
  spec.name = "convolution";
  spec.summary = "Slides the windows w over x and sums the products (cross-correlation).";
  spec.category = Category::kConvolution;
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
