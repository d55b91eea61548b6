// SPDX-License-Identifier: Apache-2.0
// Random graphs over most operators, for tests: a seed gives the same graph everywhere.
#pragma once

#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

#include "thorong/compiler/testing.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler::testing {

using numerics::Format;
using ops::kNoValue;
using ops::make_attributes;
using Indices = std::vector<int64_t>;

inline double largest_of(const Tensor& tensor) {
  double largest = 0;
  for (double x : tensor.to_doubles()) largest = std::max(largest, std::fabs(x));
  return largest;
}

// Grows a graph node by node and keeps the reference's value of each, so that magnitudes stay in a
// range where rounding errors stay small.
class GraphGrower {
 public:
  Graph graph;
  std::vector<Tensor> inputs;
  std::map<ValueId, Tensor> values;  // by reference

 protected:
  // scale: how much larger than small the tensors may be.
  GraphGrower(uint64_t seed, Format format, int64_t scale)
      : format_(format), scale_(scale), random_(seed) {}
  GraphGrower(const GraphGrower&) = default;
  virtual ~GraphGrower() = default;

  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int64_t percent) { return pick(1, 100) <= percent; }

  virtual int64_t dimension() {
    static constexpr int64_t kSizes[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 24, 31};
    if (chance(scale_ > 1 ? 30 : 6)) return pick(60, 300 * scale_);  // crosses partition blocks
    return kSizes[pick(0, 11)];
  }
  Shape random_shape(int64_t rank) {
    const int64_t most = 20000 * scale_;
    Shape shape;
    int64_t elements = 1;
    for (int64_t d = 0; d < rank; ++d) {
      const int64_t size =
          std::min(dimension(), std::max<int64_t>(1, most / std::max<int64_t>(1, elements)));
      shape.push_back(size);
      elements *= size;
    }
    return shape;
  }
  virtual double random_number(double scale) {
    return scale * static_cast<double>(pick(-4000, 4000)) / 2000;
  }
  Tensor random_tensor(const Shape& shape, double scale = 1) {
    std::vector<double> numbers(static_cast<size_t>(ops::element_count(shape)));
    for (double& x : numbers) x = random_number(scale);
    return Tensor::from_doubles({format_, shape}, numbers);
  }
  ValueId add_input(const Shape& shape) {
    const ValueId v = graph.add_input("input" + std::to_string(inputs.size()), {format_, shape});
    inputs.push_back(random_tensor(shape));
    values[v] = inputs.back();
    grown(v);
    pool_.push_back(v);
    return v;
  }
  ValueId constant(const Shape& shape, double scale = 1) {
    const ValueId v =
        graph.add_constant("c" + std::to_string(graph.values.size()), random_tensor(shape, scale));
    values[v] = graph.value(v).constant;
    grown(v);
    return v;
  }
  // After each new value.
  virtual void grown(ValueId) {}
  Shape shape_of(ValueId v) const { return graph.type(v).shape; }

  // Adds a node and its value; the value is kept for later nodes when it is tame.
  ValueId add(const std::string& op, const std::vector<ValueId>& operands,
              std::initializer_list<std::pair<const char*, ops::Attribute>> attributes = {}) {
    const size_t nodes = graph.nodes.size();
    auto made = graph.add1(op, operands, make_attributes(attributes), "n" + std::to_string(nodes));
    if (!made.ok()) {
      throw std::runtime_error(made.status().to_string() + "\n" + ops::to_text(graph));
    }
    const ValueId v = *made;
    if (graph.is_constant(v)) {
      values[v] = graph.value(v).constant;
      grown(v);
      return v;
    }
    std::vector<Tensor> tensors;
    for (ValueId operand : operands) tensors.push_back(operand < 0 ? Tensor{} : values[operand]);
    auto result = ops::evaluate_node(graph, graph.nodes.back(), tensors);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    values[v] = (*result)[0];
    grown(v);
    return v;
  }
  virtual bool keep(ValueId v) {
    if (v < 0) return false;
    if (graph.type(v).format == format_ && !graph.is_constant(v)) {
      const double largest = largest_of(values[v]);
      if (!(largest < 300)) v = add("tanh", {v});
    }
    if (!graph.is_constant(v)) pool_.push_back(v);
    return true;
  }
  ValueId any() {
    // Recent values more often, so that graphs become deep.
    std::vector<ValueId> fitting;
    for (ValueId v : pool_) {
      if (graph.type(v).format == format_) fitting.push_back(v);
    }
    if (chance(60)) return fitting.back();
    return fitting[static_cast<size_t>(pick(0, static_cast<int64_t>(fitting.size()) - 1))];
  }
  ValueId any_of_rank(int64_t least, int64_t most, bool empty_too = false) {
    for (int attempt = 0; attempt < 8; ++attempt) {
      const ValueId v = any();
      const auto rank = static_cast<int64_t>(shape_of(v).size());
      if (rank >= least && rank <= most && (empty_too || graph.type(v).elements() > 0)) return v;
    }
    return kNoValue;
  }

  bool grow() {
    switch (pick(0, 23)) {
      case 0:
      case 1:
        return unary();
      case 2:
      case 3:
      case 4:
        return binary();
      case 5:
        return reshape();
      case 6:
        return transpose();
      case 7:
        return slice();
      case 8:
        return broadcast();
      case 9:
        return concatenate();
      case 10:
        return pad();
      case 11:
        return reduce();
      case 12:
        return normalise();
      case 13:
      case 14:
        return dot_general();
      case 15:
      case 16:
      case 17:
        return convolution();
      case 18:
        return reduce_window();
      case 19:
        return take();
      case 20:
        return select();
      case 21:
        return chance(50) ? clamp() : composite();
      case 22:
        return heads();
      default:
        return reference_only();
    }
  }

  bool unary() {
    static constexpr const char* kNames[] = {"tanh",   "relu", "negate", "abs",  "logistic",
                                             "square", "gelu", "silu",   "sqrt", "exponential"};
    const std::string name = kNames[pick(0, 9)];
    ValueId x = any();
    if (name == "sqrt") x = add("abs", {x});
    if (name == "exponential") x = add("tanh", {x});
    return keep(add(name, {x}));
  }

  bool fits(ValueId v, const Shape& shape) const {
    return graph.type(v).format == format_ && shape_of(v) == shape;
  }
  // An operand of that shape: a value of it, a constant, or something smaller that is broadcast.
  ValueId operand_like(ValueId x) {
    const Shape shape = shape_of(x);
    for (ValueId v : pool_) {
      if (v != x && fits(v, shape) && chance(50)) return v;
    }
    const int64_t kind = pick(0, 3);
    if (kind == 0) return constant(shape);
    const bool known = kind == 1;
    Shape small;
    Indices dimensions;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (chance(50)) continue;
      small.push_back(chance(80) ? shape[d] : 1);
      dimensions.push_back(static_cast<int64_t>(d));
    }
    ValueId source = known ? constant(small) : kNoValue;
    for (ValueId v : pool_) {
      if (source < 0 && fits(v, small)) source = v;
    }
    if (source < 0) source = chance(50) ? add_input(small) : constant(small);
    return add("broadcast_in_dim", {source},
               {{"shape", shape}, {"broadcast_dimensions", dimensions}});
  }
  bool binary() {
    static constexpr const char* kNames[] = {"add", "subtract", "multiply", "maximum", "minimum"};
    const ValueId x = any();
    const ValueId y = operand_like(x);
    if (y < 0) return false;
    const std::string name = kNames[pick(0, 4)];
    return keep(chance(70) ? add(name, {x, y}) : add(name, {y, x}));
  }
  bool select() {
    static constexpr const char* kDirections[] = {"EQ", "NE", "LT", "LE", "GT", "GE"};
    // On inputs only: their values are exact, so no comparison can turn.
    const ValueId x = graph.inputs[static_cast<size_t>(pick(0, graph_inputs() - 1))];
    if (graph.type(x).format != format_) return false;
    const ValueId half = constant(shape_of(x));
    const ValueId predicate =
        add("compare", {x, half}, {{"direction", std::string(kDirections[pick(0, 5)])}});
    const ValueId other = operand_like(x);
    if (other < 0) return false;
    return keep(add("select", {predicate, x, other}));
  }
  int64_t graph_inputs() const { return static_cast<int64_t>(graph.inputs.size()); }

  bool clamp() {
    const ValueId x = any();
    const Tensor low = Tensor::from_doubles({format_, {}}, {-0.75});
    const Tensor high = Tensor::from_doubles({format_, {}}, {1.25});
    const ValueId a = graph.add_constant("low", low), b = graph.add_constant("high", high);
    values[a] = low, values[b] = high;
    grown(a), grown(b);
    return keep(add("clamp", {a, x, b}));
  }
  bool composite() {
    static constexpr const char* kNames[] = {"leaky_relu", "elu", "hard_sigmoid", "hard_swish"};
    return keep(add(kNames[pick(0, 3)], {any()}));
  }
  bool reference_only() {
    const ValueId x = any_of_rank(1, 4, true);
    if (x < 0) return false;
    if (chance(50)) return keep(add("reverse", {x}, {{"dimensions", Indices{0}}}));
    return keep(add("cumsum", {x}, {{"axis", int64_t{0}}}));
  }

  bool reshape() {
    const ValueId x = any();
    if (graph.type(x).elements() == 0) return false;
    int64_t left = graph.type(x).elements();
    Shape shape;
    const int64_t rank = pick(1, 5);
    for (int64_t d = 0; d + 1 < rank; ++d) {
      Indices divisors;
      for (int64_t n = 1; n <= std::min<int64_t>(left, 64); ++n) {
        if (left % n == 0) divisors.push_back(n);
      }
      const auto at = static_cast<size_t>(pick(0, static_cast<int64_t>(divisors.size()) - 1));
      shape.push_back(divisors[at]);
      left /= divisors[at];
    }
    shape.insert(shape.begin() + pick(0, static_cast<int64_t>(shape.size())), left);
    return keep(add("reshape", {x}, {{"shape", shape}}));
  }
  bool transpose() {
    const ValueId x = any();
    Indices permutation;
    for (size_t d = 0; d < shape_of(x).size(); ++d) permutation.push_back(static_cast<int64_t>(d));
    for (size_t d = permutation.size(); d-- > 1;) {
      std::swap(permutation[d], permutation[static_cast<size_t>(pick(0, static_cast<int64_t>(d)))]);
    }
    return keep(add("transpose", {x}, {{"permutation", permutation}}));
  }
  ValueId sliced(ValueId x) {
    Indices start, limit, stride;
    for (int64_t size : shape_of(x)) {
      const int64_t a = pick(0, size - 1);
      start.push_back(chance(50) ? 0 : a);
      limit.push_back(chance(50) ? size : pick(start.back() + 1, size));
      stride.push_back(chance(75) ? 1 : pick(1, 3));
    }
    return add("slice", {x},
               {{"start_indices", start}, {"limit_indices", limit}, {"strides", stride}});
  }
  bool slice() {
    const ValueId x = any();
    if (graph.type(x).elements() == 0) return false;
    return keep(sliced(x));
  }
  bool broadcast() {
    const ValueId x = any_of_rank(0, 3);
    if (x < 0 || graph.type(x).elements() > 2000) return false;
    Shape shape;
    Indices dimensions;
    const Shape small = shape_of(x);
    for (size_t d = 0; d <= small.size(); ++d) {
      if (chance(25)) shape.push_back(pick(1, 4));
      if (d == small.size()) break;
      dimensions.push_back(static_cast<int64_t>(shape.size()));
      shape.push_back(small[d] == 1 && chance(50) ? pick(2, 6) : small[d]);
    }
    return keep(
        add("broadcast_in_dim", {x}, {{"shape", shape}, {"broadcast_dimensions", dimensions}}));
  }
  bool concatenate() {
    const ValueId x = any_of_rank(1, 5, true);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const auto d = static_cast<size_t>(pick(0, static_cast<int64_t>(shape.size()) - 1));
    std::vector<ValueId> parts{x};
    for (int64_t i = pick(1, 2); i > 0; --i) {
      Shape other = shape;
      other[d] = chance(3) ? 0 : pick(1, 9);
      ValueId part = kNoValue;
      for (ValueId v : pool_) {
        Shape same = shape_of(v);
        if (same.size() != shape.size() || graph.type(v).format != format_) continue;
        same[d] = shape[d];
        if (same == shape && chance(60)) part = v;
      }
      if (part < 0) part = constant(other);
      parts.insert(parts.begin() + pick(0, static_cast<int64_t>(parts.size())), part);
    }
    return keep(add("concatenate", parts, {{"dimension", static_cast<int64_t>(d)}}));
  }
  bool pad() {
    const ValueId x = any_of_rank(1, 4, true);
    if (x < 0) return false;
    Indices low, high, interior;
    const bool spread = chance(30);
    for (int64_t size : shape_of(x)) {
      const bool negative = !spread && size > 4 && chance(20);
      low.push_back(negative ? pick(-2, 2) : pick(0, 3) * (chance(50) ? 1 : 0));
      high.push_back(negative ? pick(-2, 2) : pick(0, 3) * (chance(50) ? 1 : 0));
      interior.push_back(spread && chance(50) ? pick(1, 2) : 0);
    }
    return keep(
        add("pad", {x, constant({})}, {{"low", low}, {"high", high}, {"interior", interior}}));
  }
  bool reduce() {
    static constexpr const char* kFunctions[] = {"add", "maximum", "minimum"};
    const ValueId x = any_of_rank(1, 5, true);
    if (x < 0) return false;
    Indices dimensions;
    for (size_t d = 0; d < shape_of(x).size(); ++d) {
      if (chance(40)) dimensions.push_back(static_cast<int64_t>(d));
    }
    if (dimensions.empty()) dimensions.push_back(0);
    return keep(
        add("reduce", {x},
            {{"dimensions", dimensions}, {"function", std::string(kFunctions[pick(0, 2)])}}));
  }
  bool normalise() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const auto rank = static_cast<int64_t>(shape_of(x).size());
    const int64_t axis = chance(75) ? -1 : pick(-rank, rank - 1);
    if (chance(50)) return keep(add("softmax", {x}, {{"axis", axis}}));
    const Shape shape = shape_of(x);
    const int64_t from = axis < 0 ? axis + rank : axis;
    const Shape tail(shape.begin() + from, shape.end());
    std::vector<ValueId> operands{x};
    if (chance(70)) operands.push_back(chance(70) ? constant(tail) : add_input(tail));
    if (operands.size() == 2 && chance(70)) operands.push_back(constant(tail));
    return keep(add("layer_norm", operands, {{"axis", axis}, {"epsilon", 1e-2}}));
  }

  bool dot_general() {
    const ValueId x = any_of_rank(1, 4, true);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const auto rank = static_cast<int64_t>(shape.size());
    Indices roles;  // of x's dimensions: 0 free, 1 contracting, 2 batching
    int64_t depth = 1, rows = 1;
    for (int64_t d = 0; d < rank; ++d) roles.push_back(chance(25) ? 2 : 0);
    roles[static_cast<size_t>(pick(0, rank - 1))] = 1;
    if (chance(15)) roles[static_cast<size_t>(pick(0, rank - 1))] = 1;
    // The other side has the batching and contracting dimensions in some order, and free ones.
    struct Dimension {
      int64_t role, size, pair;
    };
    std::vector<Dimension> other;
    for (int64_t d = 0; d < rank; ++d) {
      const auto role = roles[static_cast<size_t>(d)];
      const int64_t size = shape[static_cast<size_t>(d)];
      (role == 1 ? depth : rows) *= size;
      if (role != 0) other.push_back({role, size, d});
    }
    for (int64_t i = pick(0, 2); i > 0; --i) {
      const int64_t room =
          std::max<int64_t>(1, 400000 * scale_ / std::max<int64_t>(1, rows * depth));
      const int64_t size = std::min(dimension(), room);
      other.push_back({0, size, -1});
      rows *= size;
    }
    if (rows > 40000 * scale_ || rows * depth > 4000000 * scale_) return false;
    for (size_t d = other.size(); d-- > 1;) {
      std::swap(other[d], other[static_cast<size_t>(pick(0, static_cast<int64_t>(d)))]);
    }
    Shape other_shape;
    Indices batch, contract, other_batch, other_contract;
    for (size_t d = 0; d < other.size(); ++d) {
      other_shape.push_back(other[d].size);
      if (other[d].role == 0) continue;
      (other[d].role == 1 ? contract : batch).push_back(other[d].pair);
      (other[d].role == 1 ? other_contract : other_batch).push_back(static_cast<int64_t>(d));
    }
    const double scale = 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, depth)));
    const ValueId y = chance(50) ? constant(other_shape, scale) : add_input(other_shape);
    if (chance(50)) {
      return keep(add("dot_general", {x, y},
                      {{"lhs_batching_dimensions", batch},
                       {"rhs_batching_dimensions", other_batch},
                       {"lhs_contracting_dimensions", contract},
                       {"rhs_contracting_dimensions", other_contract}}));
    }
    return keep(add("dot_general", {y, x},
                    {{"lhs_batching_dimensions", other_batch},
                     {"rhs_batching_dimensions", batch},
                     {"lhs_contracting_dimensions", other_contract},
                     {"rhs_contracting_dimensions", contract}}));
  }

  // Scores of attention heads that lie side by side in the innermost dimension.
  bool heads() {
    const int64_t rows = chance(30) ? pick(100, 150) : pick(1, 20);
    const int64_t depth = 32 * pick(1, 2), count = pick(2, 4), width = depth * count;
    const ValueId x = add_input({rows, 24});
    const auto project = [&] {
      ValueId v = add(
          "dot_general", {x, constant({24, width}, 0.2)},
          {{"lhs_contracting_dimensions", Indices{1}}, {"rhs_contracting_dimensions", Indices{0}}});
      if (chance(50)) v = add("relu", {v});
      v = add("reshape", {v}, {{"shape", Shape{rows, count, depth}}});
      if (chance(20)) v = sliced(v);
      return add("transpose", {v}, {{"permutation", Indices{1, 0, 2}}});
    };
    const ValueId a = project();
    pool_.push_back(a);
    const ValueId b = project();
    if (shape_of(a)[0] != shape_of(b)[0] || shape_of(a)[2] != shape_of(b)[2]) return keep(b);
    const ValueId scores = add("dot_general", {a, b},
                               {{"lhs_batching_dimensions", Indices{0}},
                                {"rhs_batching_dimensions", Indices{0}},
                                {"lhs_contracting_dimensions", Indices{2}},
                                {"rhs_contracting_dimensions", Indices{2}}});
    pool_.push_back(b);
    return keep(chance(50) ? add("softmax", {scores}, {{"axis", int64_t{-1}}}) : scores);
  }

  // A value of rank 3 to 5 with few enough elements, else a new input.
  ValueId image() {
    const ValueId x = any_of_rank(3, 5);
    if (x >= 0 && chance(70)) return x;
    const int64_t spatial = chance(20) ? 1 : chance(90) ? 2 : 3;
    Shape shape{pick(1, 3), chance(20) ? pick(1, 160 * scale_) : pick(1, 12)};
    const int64_t longest = (spatial == 1 ? 60 : 14) * scale_;
    for (int64_t d = 0; d < spatial; ++d) shape.push_back(pick(1, longest));
    return add_input(shape);
  }
  bool convolution() {
    const ValueId x = image();
    const Shape shape = shape_of(x);
    const int64_t channels = shape[1];
    int64_t groups = 1, outputs = chance(20) ? pick(100, 290 * scale_) : pick(1, 12);
    if (chance(40)) {
      Indices divisors;
      for (int64_t n = 1; n <= channels; ++n) {
        if (channels % n == 0) divisors.push_back(n);
      }
      groups = divisors[static_cast<size_t>(pick(0, static_cast<int64_t>(divisors.size()) - 1))];
      if (chance(50)) groups = channels;  // depthwise where outputs == channels
      outputs = groups * pick(1, 3);
    }
    Shape window{outputs, channels / groups};
    Indices strides, low, high, rhs_dilation, lhs_dilation;
    int64_t work = outputs * channels / groups * shape[0];
    for (size_t d = 2; d < shape.size(); ++d) {
      lhs_dilation.push_back(chance(8) ? 2 : 1);
      rhs_dilation.push_back(chance(25) ? pick(1, 3) : 1);
      low.push_back(chance(50) ? 0 : pick(0, 3));
      high.push_back(chance(50) ? 0 : pick(0, 3));
      strides.push_back(chance(60) ? 1 : pick(1, 3));
      const int64_t input = (shape[d] - 1) * lhs_dilation.back() + 1 + low.back() + high.back();
      int64_t k = pick(1, 4);
      while (k > 1 && (k - 1) * rhs_dilation.back() + 1 > input) --k;
      window.push_back(k);
      work *= k * input / strides.back() + 1;
    }
    if (work > 1500000 * scale_) return false;
    return keep(add("convolution",
                    {x, constant(window, 1 / std::sqrt(static_cast<double>(channels / groups)))},
                    {{"strides", strides},
                     {"padding_low", low},
                     {"padding_high", high},
                     {"lhs_dilation", lhs_dilation},
                     {"rhs_dilation", rhs_dilation},
                     {"feature_group_count", groups}}));
  }
  bool reduce_window() {
    static constexpr const char* kFunctions[] = {"add", "maximum", "minimum"};
    const ValueId x = image();
    const Shape shape = shape_of(x);
    Indices window, strides, dilations, low, high;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool windowed = d >= 2 || chance(4);
      dilations.push_back(windowed && chance(15) ? 2 : 1);
      int64_t k = windowed ? pick(1, 3) : 1;
      while (k > 1 && (k - 1) * dilations.back() + 1 > shape[d]) --k;
      window.push_back(k);
      strides.push_back(windowed ? pick(1, 3) : 1);
      low.push_back(windowed && k > 1 && chance(40) ? pick(1, k - 1) : 0);
      high.push_back(windowed && k > 1 && chance(40) ? pick(1, k - 1) : 0);
    }
    return keep(add("reduce_window", {x},
                    {{"function", std::string(kFunctions[pick(0, 2)])},
                     {"window_dimensions", window},
                     {"window_strides", strides},
                     {"window_dilations", dilations},
                     {"padding_low", low},
                     {"padding_high", high}}));
  }
  bool take() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const bool known = chance(60);
    const int64_t axis = known ? pick(0, static_cast<int64_t>(shape.size()) - 1) : 0;
    const int64_t size = shape[static_cast<size_t>(axis)];
    Shape index_shape;
    if (chance(90)) index_shape.push_back(pick(1, 20));
    if (!index_shape.empty() && !known && chance(50)) index_shape.push_back(pick(1, 6));
    Indices numbers;
    const bool regular = chance(50);
    for (int64_t i = 0; i < ops::element_count(index_shape); ++i) {
      numbers.push_back(regular ? (i / 2) % size : pick(-size, size - 1));
    }
    std::vector<double> as_doubles(numbers.begin(), numbers.end());
    const Tensor index = Tensor::from_doubles({Format::kInt64, index_shape}, as_doubles);
    ValueId v = kNoValue;
    if (known) {
      v = graph.add_constant("index", index);
    } else {
      v = graph.add_input("index" + std::to_string(inputs.size()), index.type);
      inputs.push_back(index);
    }
    values[v] = index;
    grown(v);
    return keep(add("take", {x, v}, {{"axis", axis}}));
  }

  void choose_outputs() {
    std::vector<bool> read(graph.values.size());
    for (const ops::Node& node : graph.nodes) {
      for (ValueId v : node.inputs) {
        if (v >= 0) read[static_cast<size_t>(v)] = true;
      }
    }
    for (ValueId v : pool_) {
      const bool is_input = graph.value(v).producer < 0;
      if (is_input ? chance(3) : (!read[static_cast<size_t>(v)] || chance(12))) {
        graph.outputs.push_back(v);
      }
    }
    if (graph.outputs.empty()) graph.outputs.push_back(pool_.back());
    if (chance(4)) graph.outputs.push_back(graph.outputs[0]);
    for (size_t i = 0; i < graph.outputs.size(); ++i) {
      graph.output_names.push_back("out" + std::to_string(i));
    }
  }

  Format format_;
  int64_t scale_;
  std::vector<ValueId> pool_;  // values that nodes may read

 private:
  std::mt19937_64 random_;
};

}  // namespace thorong::compiler::testing
