// SPDX-License-Identifier: Apache-2.0
// Window arithmetic, and depthwise convolution on the Vector engine: for each tap, out = x[window]
// * w[channel] + out.
#include "thorong/compiler/window.h"

namespace thorong::compiler {

Window window_of(const Graph& graph, const Node& node) {
  const Shape& x = graph.type(node.inputs[0]).shape;
  const Shape& w = graph.type(node.inputs[1]).shape;
  const Shape& y = graph.type(node.outputs[0]).shape;
  size_t rank = x.size() - 2;
  Window window;
  window.in = Shape(x.begin() + 2, x.end());
  window.out = Shape(y.begin() + 2, y.end());
  window.kernel = Shape(w.begin() + 2, w.end());
  window.stride = node.attributes.integers("strides", std::vector<int64_t>(rank, 1));
  window.dilation = node.attributes.integers("rhs_dilation", std::vector<int64_t>(rank, 1));
  window.padding = node.attributes.integers("padding_low", std::vector<int64_t>(rank, 0));
  window.spread = node.attributes.integers("lhs_dilation", std::vector<int64_t>(rank, 1));
  return window;
}

bool takes_spread_input(const Graph& graph, const Node& node) {
  if (!graph.is_constant(node.inputs[1]) || is_depthwise(graph, node)) return false;
  const Window window = window_of(graph, node);
  for (size_t i = 0; i < window.in.size(); ++i) {
    if (window.spread[i] > 1 && window.stride[i] != 1) return false;
  }
  return true;
}

bool is_depthwise(const Graph& graph, const Node& node) {
  int64_t groups = node.attributes.integer("feature_group_count", 1);
  const Shape& w = graph.type(node.inputs[1]).shape;
  return groups > 1 && w[1] == 1 && w[0] == groups;
}

namespace {

constexpr int64_t kChunk = 2048;

class Depthwise {
 public:
  Depthwise(Codegen& codegen, const Group& group, const Node& node)
      : codegen_(codegen),
        group_(group),
        window_(window_of(codegen.graph(), node)),
        x_shape_(codegen.graph().type(node.inputs[0]).shape) {
    for (int64_t k : window_.kernel) taps_ *= k;
  }

  Status run(const Node& node) {
    const Graph& graph = codegen_.graph();
    THORONG_TRY(x_, codegen_.acquire(node.inputs[0], 1, codegen_.storage_format(node.inputs[0])));
    const ops::Tensor& w = *codegen_.constant(codegen_.base(node.inputs[1]));
    Format format = codegen_.matmul_format(w.type.format);
    THORONG_TRY(BufferId weights, codegen_.prepare_constant(
                                      graph.value(node.inputs[1]).name, format, x_shape_[1] * taps_,
                                      [&](float* cells) {
                                        numerics::widen(w.type.format, w.data, cells,
                                                        static_cast<size_t>(x_shape_[1] * taps_));
                                      }));
    weights_ = dense_hbm(weights, format, {x_shape_[1], taps_});
    THORONG_RETURN_IF_ERROR(codegen_.begin_output(group_, 1));
    const Shape& out = graph.type(group_.result).shape;
    for (const Box& box : chunk_boxes(out, 1, codegen_.block(), kChunk))
      THORONG_RETURN_IF_ERROR(chunk(box));
    return ok_status();
  }

 private:
  Status chunk(const Box& box) {
    StreamScope scope(codegen_.builder());
    Box in_box{box[0], box[1]};
    for (size_t i = 0; i < window_.out.size(); ++i)
      in_box.push_back(window_.input_range(i, box[i + 2], x_shape_[i + 2]));
    THORONG_TRY(Placed x, codegen_.bring(x_, in_box, 1, x_.format, scope));
    THORONG_TRY(Placed w,
                codegen_.bring(weights_, {box[1], {0, taps_}}, 0, weights_.format, scope));
    Placed sum = dense_tile(scope.allocate(Format::kFloat32, free_elements(box, 1)),
                            Format::kFloat32, sizes(box), 1);
    if (sum.buffer < 0) return resource_exhausted("no SBUF left for a depthwise sum");
    for (size_t d = 0; d < box.size(); ++d)
      sum.offset -= box[d].begin * sum.step[d];  // coordinates are the output's
    sum.partition_offset = -box[1].begin;
    THORONG_TRY(AccessPattern all, codegen_.view(sum, box, 1));
    THORONG_RETURN_IF_ERROR(taps(box, x, w, sum, all));
    return codegen_.finish_box(group_, box, all);
  }

  Status taps(const Box& box, const Placed& x, const Placed& w, const Placed& sum,
              const AccessPattern& all) {
    std::vector<std::pair<int64_t, Box>> order;  // flat tap, part of the output
    std::vector<int64_t> tap(window_.kernel.size(), 0);
    int64_t flat = 0;
    do {
      Box part = box;
      for (size_t i = 0; i < tap.size(); ++i) part[i + 2] = window_.reached(i, tap[i], box[i + 2]);
      if (free_elements(part, 1) > 0) order.emplace_back(flat, part);
      ++flat;
    } while (ops::next_index(tap, window_.kernel));
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return free_elements(a.second, 1) > free_elements(b.second, 1);
    });
    bool started = !order.empty() && free_elements(order[0].second, 1) == free_elements(box, 1);
    if (!started)
      codegen_.builder().emit(Opcode::memset, Queue::kVector, {all}, {.immediate0 = 0.0f});
    for (size_t i = 0; i < order.size(); ++i) {
      const auto& [index, part] = order[i];
      Placed view = x;
      int64_t rest = index;
      for (size_t d = window_.kernel.size(); d-- > 0;) {
        int64_t t = rest % window_.kernel[d];
        rest /= window_.kernel[d];
        view.offset += (t * window_.dilation[d] - window_.padding[d]) * x.step[d + 2];
        view.step[d + 2] = x.step[d + 2] * window_.stride[d];
      }
      THORONG_TRY(AccessPattern in, codegen_.view(view, part, 1));
      THORONG_TRY(AccessPattern out, codegen_.view(sum, part, 1));
      THORONG_TRY(AccessPattern weight, codegen_.view(w, {box[1], {index, 1}}, 0));
      if (i == 0 && started) {
        codegen_.builder().emit(
            Opcode::tensor_scalar, Queue::kVector, {out, in, weight},
            {.function0 = static_cast<uint8_t>(numerics::BinaryFunction::kMultiply)});
      } else {
        codegen_.builder().emit(
            Opcode::scalar_tensor_tensor, Queue::kVector, {out, in, weight, out},
            {.function0 = static_cast<uint8_t>(numerics::BinaryFunction::kMultiply),
             .function1 = static_cast<uint8_t>(numerics::BinaryFunction::kAdd)});
      }
    }
    return ok_status();
  }

  Codegen& codegen_;
  const Group& group_;
  Window window_;
  Shape x_shape_;
  Placed x_, weights_;
  int64_t taps_ = 1;
};

}  // namespace

Status lower_depthwise(Codegen& codegen, const Group& group, const Node& node) {
  return Depthwise(codegen, group, node).run(node);
}

}  // namespace thorong::compiler
