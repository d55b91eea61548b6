// SPDX-License-Identifier: Apache-2.0
// non_max_suppression: of boxes [batch, n, 4] with scores [batch, classes, n], for each batch and
// class the best `max_output` boxes of which no two overlap by more than `iou_threshold`; int64
// [count, 3] of batch, class and box. Only scores above `score_threshold` (if there is one) count;
// of equal scores the lower box comes first. Boxes are two corners y, x, y, x in any order, or with
// `center_point_box` 1 the centre x, y, width, height. In float32. The attribute `count` states how
// many there are; without it the operands must be constants (C1).
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

struct Box {
  float top = 0, left = 0, bottom = 0, right = 0;
  float area() const { return (bottom - top) * (right - left); }
};

Box box_of(const float* x, bool center) {
  if (center) return {x[1] - x[3] / 2, x[0] - x[2] / 2, x[1] + x[3] / 2, x[0] + x[2] / 2};
  return {std::min(x[0], x[2]), std::min(x[1], x[3]), std::max(x[0], x[2]), std::max(x[1], x[3])};
}

bool overlaps(const Box& a, const Box& b, float threshold) {
  const float height = std::min(a.bottom, b.bottom) - std::max(a.top, b.top);
  const float width = std::min(a.right, b.right) - std::max(a.left, b.left);
  if (!(height > 0) || !(width > 0)) return false;
  const float both = height * width, either = a.area() + b.area() - both;
  return a.area() > 0 && b.area() > 0 && either > 0 && both / either > threshold;
}

std::vector<float> floats_of(const Tensor& tensor) {
  const std::vector<double> values = load<double>(tensor);
  std::vector<float> floats;
  for (const double value : values) floats.push_back(static_cast<float>(value));
  return floats;
}

// Boxes of one batch and class, the best first.
std::vector<int64_t> select(const Node& node, const std::vector<Box>& boxes, const float* scores) {
  const bool has_threshold = node.attributes.has("score_threshold");
  const auto least = static_cast<float>(node.attributes.number("score_threshold"));
  const auto iou = static_cast<float>(node.attributes.number("iou_threshold"));
  const auto most =
      static_cast<size_t>(std::max<int64_t>(node.attributes.integer("max_output"), 0));
  std::vector<int64_t> order;
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (!std::isnan(scores[i]) && (!has_threshold || scores[i] > least))
      order.push_back(static_cast<int64_t>(i));
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<int64_t> chosen;
  for (const int64_t candidate : order) {
    if (chosen.size() >= most) break;
    const bool hidden = std::any_of(chosen.begin(), chosen.end(), [&](int64_t better) {
      return overlaps(boxes[static_cast<size_t>(candidate)], boxes[static_cast<size_t>(better)],
                      iou);
    });
    if (!hidden) chosen.push_back(candidate);
  }
  return chosen;
}

std::vector<int64_t> select_all(const Node& node, const Tensor& boxes, const Tensor& scores) {
  const std::vector<float> corners = floats_of(boxes), values = floats_of(scores);
  const bool center = node.attributes.integer("center_point_box") != 0;
  const auto batches = static_cast<size_t>(boxes.type.shape[0]);
  const auto count = static_cast<size_t>(boxes.type.shape[1]);
  const auto classes = static_cast<size_t>(scores.type.shape[1]);
  std::vector<int64_t> rows;
  for (size_t b = 0; b < batches; ++b) {
    std::vector<Box> own;
    for (size_t i = 0; i < count; ++i) own.push_back(box_of(&corners[(b * count + i) * 4], center));
    for (size_t c = 0; c < classes; ++c) {
      for (const int64_t box : select(node, own, values.data() + (b * classes + c) * count)) {
        rows.insert(rows.end(), {static_cast<int64_t>(b), static_cast<int64_t>(c), box});
      }
    }
  }
  return rows;
}

Result<Types> infer(const Graph& graph, const Node& node) {
  const Shape boxes = operand_type(graph, node, 0).shape;
  const Shape scores = operand_type(graph, node, 1).shape;
  if (boxes.size() != 3 || scores.size() != 3 || boxes[2] != 4 || boxes[0] != scores[0] ||
      boxes[1] != scores[2]) {  // C2
    return invalid_argument(
        fmt::format("boxes must be [batch, n, 4] and scores [batch, classes, n], found {} and {}",
                    to_string(boxes), to_string(scores)));
  }
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 0));
  THORONG_RETURN_IF_ERROR(require_float(graph, node, 1));
  int64_t count = node.attributes.integer("count", -1);
  if (!node.attributes.has("count")) {
    const Tensor& box_values = graph.value(node.inputs[0]).constant;
    const Tensor& score_values = graph.value(node.inputs[1]).constant;
    if (!box_values || !score_values) {  // C1
      return unsupported(
          "the operands of non_max_suppression must be constants, or `count` be given: the shape "
          "of "
          "the result depends on their values");
    }
    count = static_cast<int64_t>(select_all(node, box_values, score_values).size() / 3);
  }
  if (count < 0) return out_of_range(fmt::format("count must not be negative, found {}", count));
  return one_result({Format::kInt64, {count, 3}});
}

Status reference(const Graph& graph, const Node& node, Inputs inputs, OutputData outputs) {
  const std::vector<int64_t> rows = select_all(node, inputs[0], inputs[1]);
  const TensorType& out = result_type(graph, node);
  if (static_cast<int64_t>(rows.size()) != out.elements()) {
    return invalid_argument(fmt::format("the program is made for {} selected boxes, found {}",
                                        out.shape[0], rows.size() / 3));
  }
  store(out, rows, outputs[0]);
  return ok_status();
}

// A comparison of each box with each that was chosen before, about 12 operations.
Work work(const Graph& graph, const Node& node) {
  const Shape scores = operand_type(graph, node, 1).shape;
  const auto lists = static_cast<double>(scores[0] * scores[1]);
  const auto count = static_cast<double>(scores[2]);
  const double most = std::min(count, static_cast<double>(node.attributes.integer("max_output")));
  return {0, lists * (count * std::log2(count + 1) + 12 * count * most)};
}

}  // namespace

std::vector<OperatorSpec> operator_specs_non_max_suppression() {
  OperatorSpec spec;
  spec.name = "non_max_suppression";
  spec.summary = "The best boxes of each class that do not overlap a better one.";
  spec.min_inputs = spec.max_inputs = 2;
  spec.infer = infer;
  spec.reference = reference;
  spec.work = work;
  return {spec};
}

}  // namespace thorong::ops
