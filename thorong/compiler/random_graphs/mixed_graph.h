// SPDX-License-Identifier: Apache-2.0
// Random graphs of several formats, with empty and just-too-large dimensions, operators on
// integers, comparisons, and the patterns that models are made of. Values whose error bound is too
// large to say anything (a rounding or a comparison that may turn) are not used.
#pragma once

#include "thorong/compiler/random_graphs/error_bound.h"
#include "thorong/compiler/random_graphs/random_graph.h"

namespace thorong::compiler::testing {

class MixedGraph : public GraphGrower {
 public:
  explicit MixedGraph(uint64_t seed, bool casts_products = false)
      : GraphGrower(seed, Format::kFloat32, 1), known(casts_products) {
    on_grid_ = chance(50);
    main_ = chance(60) ? Format::kFloat32 : chance(50) ? Format::kBfloat16 : Format::kFloat16;
    format_ = main_;
    const int64_t count = pick(1, 3);
    for (int64_t i = 0; i < count; ++i) add_input(random_shape(i == 0 ? 2 : pick(0, 5)));
    if (chance(35)) {
      format_ = integer();
      add_input(random_shape(pick(0, 4)));
    }
    const int64_t nodes = pick(1, 9);
    for (int64_t i = 0, attempts = 0; i < nodes && attempts < 40; ++attempts) {
      format_ = graph.type(pool_[at(pool_.size())]).format;
      i += (numerics::is_float(format_) ? grow_float() : grow_integer()) ? 1 : 0;
    }
    choose_outputs();
  }

  ErrorBounds known;

 protected:
  double random_number(double scale) override {
    if (format_ == Format::kBool) return chance(50) ? 1 : 0;
    if (format_ == Format::kUint8) return static_cast<double>(pick(0, chance(90) ? 20 : 255));
    if (format_ == Format::kInt8) return static_cast<double>(pick(-20, 20));
    if (numerics::is_integer(format_)) {
      return static_cast<double>(chance(95) ? pick(-50, 50) : pick(-100000000, 100000000));
    }
    if (!on_grid_) return GraphGrower::random_number(scale);
    const double step = std::exp2(std::floor(std::log2(scale))) / 8;
    return step * static_cast<double>(pick(-16, 16));
  }
  int64_t dimension() override {
    static constexpr int64_t kEdges[] = {127, 128, 129, 131, 256, 257, 511, 512, 513, 521};
    if (chance(2)) return 0;
    if (chance(4)) return kEdges[pick(0, 9)];
    return GraphGrower::dimension();
  }
  // The bounds of a new value, whose node, if it has one, is the last.
  void grown(ValueId v) override {
    if (graph.value(v).producer < 0) {
      known.set_exact(v, values[v]);
      return;
    }
    const Status status = known.step(graph, graph.nodes.back());
    EXPECT_TRUE(status.ok()) << status.to_string();
    for (const ValueId output : graph.nodes.back().outputs) values[output] = known.values[output];
  }
  bool keep(ValueId v) override {
    if (v < 0) return false;
    if (graph.is_constant(v)) return true;
    const Format format = graph.type(v).format;
    if (!numerics::is_float(format)) {
      if (known.largest(v) > 0) return false;
      pool_.push_back(v);
      return true;
    }
    const bool tame = largest_of(values[v]) < 300;
    if (!tame) v = add("tanh", {v});
    const double unit = std::ldexp(1.0, -numerics::info(format).mantissa_bits);
    if (known.largest(v) > 1000 * unit) return false;
    pool_.push_back(v);
    return true;
  }

 private:
  static constexpr Format kIntegers[] = {Format::kInt32, Format::kInt64, Format::kInt8,
                                         Format::kUint8, Format::kBool};
  size_t at(size_t size) { return static_cast<size_t>(pick(0, static_cast<int64_t>(size) - 1)); }
  Format integer() { return kIntegers[pick(0, 4)]; }
  std::string one_of(std::initializer_list<const char*> names) {
    return names.begin()[at(names.size())];
  }

  bool grow_float() {
    switch (pick(0, 17)) {
      case 0:
        return compare();
      case 1:
        return choose();
      case 2:
        return to_format();
      case 3:
        return more_unary();
      case 4:
        return more_binary();
      case 5:
        return ordered();
      case 6:
        return more_norms();
      case 7:
        return perceptron();
      case 8:
        return chain();
      case 9:
        return attention();
      case 10:
        return image_block();
      case 11:
        return scan();
      default:
        return grow();
    }
  }

  bool grow_integer() {
    const bool logical = format_ == Format::kBool;
    switch (pick(0, 14)) {
      case 0:
        return reshape();
      case 1:
        return transpose();
      case 2:
        return slice();
      case 3:
        return broadcast();
      case 4:
        return concatenate();
      case 5:
        return pad();
      case 6:
        return logical ? choose() : reduce();
      case 7:
        return take();
      case 8:
        return compare();
      case 9:
      case 10:
        return to_format();
      case 11:
        return logical ? choose() : integer_arithmetic();
      case 12:
        return logical ? logic() : ordered();
      case 13:
        return logical ? logic() : chance(50) ? scan() : dot_general();
      default:
        return chance(50) ? choose() : count();
    }
  }

  bool compare() {
    const ValueId x = any();
    const ValueId y = operand_like(x);
    return y >= 0 && keep(add("compare", {x, y},
                              {{"direction", one_of({"EQ", "NE", "LT", "LE", "GT", "GE"})}}));
  }
  // Between two values, by a bool of their shape.
  bool choose() {
    const Format wanted = format_ == Format::kBool ? main_ : format_;
    for (const ValueId predicate : pool_) {
      if (graph.type(predicate).format != Format::kBool || chance(30)) continue;
      format_ = wanted;
      ValueId x = kNoValue;
      for (const ValueId v : pool_) x = fits(v, shape_of(predicate)) ? v : x;
      if (x < 0) x = add_input(shape_of(predicate));
      return keep(add("select", {predicate, x, operand_like(x)}));
    }
    return false;
  }
  bool to_format() {
    static constexpr Format kFloats[] = {Format::kFloat32, Format::kBfloat16, Format::kFloat16};
    const Format to = chance(60) ? kFloats[pick(0, 2)] : integer();
    return keep(add("convert", {any()}, {{"format", std::string(numerics::name(to))}}));
  }
  bool more_unary() {
    const std::string name = one_of({"sign",
                                     "floor",
                                     "ceil",
                                     "round_nearest_even",
                                     "round_nearest_afz",
                                     "truncate",
                                     "erf",
                                     "gelu_tanh",
                                     "mish",
                                     "softplus",
                                     "sine",
                                     "cosine",
                                     "atan",
                                     "is_finite",
                                     "log_plus_one",
                                     "reciprocal",
                                     "rsqrt",
                                     "log",
                                     "exponential_minus_one",
                                     "selu",
                                     "celu",
                                     "thresholded_relu"});
    ValueId x = any();
    if (name == "log_plus_one" || name == "reciprocal" || name == "rsqrt" || name == "log") {
      const ValueId quarter = constant_of(0.25, shape_of(x));
      x = add("add", {add("abs", {x}), quarter});
    }
    if (name == "exponential_minus_one") x = add("tanh", {x});
    return keep(add(name, {x}));
  }
  ValueId constant_of(double value, const Shape& shape) {
    const ValueId v = graph.add_constant("k" + std::to_string(graph.values.size()),
                                         Tensor::from_doubles({format_, {}}, {value}));
    values[v] = graph.value(v).constant;
    grown(v);
    if (shape.empty()) return v;
    return add("broadcast_in_dim", {v}, {{"shape", shape}, {"broadcast_dimensions", Indices{}}});
  }
  bool more_binary() {
    const ValueId x = any();
    const ValueId y = operand_like(x);
    if (y < 0) return false;
    const std::string name = one_of({"divide", "divide", "atan2", "remainder", "modulo", "power"});
    const ValueId positive = add("add", {add("abs", {y}), constant_of(0.5, shape_of(x))});
    if (name == "power") {
      return keep(add("power", {positive, add("tanh", {x})}));
    }
    return keep(add(name, {x, positive}));
  }
  bool ordered() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const auto rank = static_cast<int64_t>(shape_of(x).size());
    const int64_t axis = pick(0, rank - 1);
    if (chance(50)) {
      return keep(add("arg_reduce", {x},
                      {{"dimension", axis},
                       {"function", one_of({"maximum", "minimum"})},
                       {"select_last", pick(0, 1)}}));
    }
    const int64_t k = pick(1, std::min<int64_t>(8, shape_of(x)[static_cast<size_t>(axis)]));
    auto made = graph.add("top_k", {x},
                          make_attributes({{"axis", axis}, {"k", k}, {"largest", pick(0, 1)}}),
                          "n" + std::to_string(graph.nodes.size()));
    if (!made.ok()) return false;
    grown((*made)[0]);
    keep((*made)[1]);
    return keep((*made)[0]);
  }
  bool scan() {
    const ValueId x = any_of_rank(1, 4, true);
    if (x < 0) return false;
    const auto rank = static_cast<int64_t>(shape_of(x).size());
    if (chance(30)) return keep(add("reverse", {x}, {{"dimensions", Indices{pick(0, rank - 1)}}}));
    return keep(
        add("cumsum", {x},
            {{"axis", pick(0, rank - 1)}, {"exclusive", pick(0, 1)}, {"reverse", pick(0, 1)}}));
  }
  bool more_norms() {
    const ValueId x = any_of_rank(1, 4, true);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    const auto rank = static_cast<int64_t>(shape.size());
    const int64_t axis = chance(70) ? rank - 1 : pick(0, rank - 1);
    if (chance(30)) return keep(add("log_softmax", {x}, {{"axis", axis}}));
    const ValueId scale = constant(Shape(shape.begin() + axis, shape.end()));
    return keep(add("rms_norm", {x, scale}, {{"axis", axis}, {"epsilon", 1e-2}}));
  }
  bool count() {
    const int64_t n = pick(1, 40);
    const ValueId v = add("iota", {},
                          {{"shape", Shape{pick(1, 5), n}},
                           {"dimension", int64_t{1}},
                           {"format", std::string(numerics::name(format_))}});
    const ValueId x = add_input({1, n});
    const ValueId wide = add("broadcast_in_dim", {x},
                             {{"shape", shape_of(v)}, {"broadcast_dimensions", Indices{0, 1}}});
    return keep(add("compare", {wide, v}, {{"direction", one_of({"EQ", "LT", "GE"})}}));
  }
  bool integer_arithmetic() {
    const ValueId x = any();
    const ValueId y = operand_like(x);
    if (chance(25))
      return keep(add(one_of({"negate", "abs", "sign", "square", "relu", "not"}), {x}));
    return keep(add(one_of({"add", "subtract", "multiply", "maximum", "minimum", "divide",
                            "remainder", "modulo", "and", "or", "xor"}),
                    {x, y}));
  }
  bool logic() {
    const ValueId x = any();
    if (chance(25)) return keep(add("not", {x}));
    return keep(add(one_of({"and", "or", "xor"}), {x, operand_like(x)}));
  }

  // ---- Patterns ----

  ValueId repeated(ValueId small, const Shape& shape, const Indices& dimensions) {
    return add("broadcast_in_dim", {small},
               {{"shape", shape}, {"broadcast_dimensions", dimensions}});
  }
  ValueId matrix_product(ValueId x, int64_t columns) {
    const Shape shape = shape_of(x);
    const int64_t depth = shape.back();
    const ValueId w =
        constant({depth, columns}, 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, depth))));
    return add("dot_general", {x, w},
               {{"lhs_contracting_dimensions", Indices{static_cast<int64_t>(shape.size()) - 1}},
                {"rhs_contracting_dimensions", Indices{0}}});
  }
  ValueId activated(ValueId x) {
    return add(one_of({"relu", "gelu", "silu", "tanh", "logistic", "gelu_tanh", "hard_swish"}),
               {x});
  }
  bool perceptron() {
    const ValueId x = any_of_rank(1, 4);
    if (x < 0 || shape_of(x).back() > 600) return false;
    const int64_t inner = chance(20) ? pick(100, 300) : pick(1, 40);
    ValueId y = matrix_product(x, chance(30) ? shape_of(x).back() : inner);
    if (graph.type(y).elements() > 40000) return false;
    const auto last = static_cast<int64_t>(shape_of(y).size()) - 1;
    y = add("add", {y, repeated(constant({shape_of(y).back()}), shape_of(y), {last})});
    y = activated(y);
    if (chance(40)) y = matrix_product(y, shape_of(x).back());
    if (shape_of(y) == shape_of(x)) y = add("add", {x, y});
    return keep(y);
  }
  // Reduces and broadcasts back, some times.
  bool chain() {
    ValueId x = any_of_rank(1, 4);
    if (x < 0) return false;
    const Shape shape = shape_of(x);
    for (int64_t i = pick(1, 3); i > 0; --i) {
      const int64_t axis = pick(0, static_cast<int64_t>(shape.size()) - 1);
      Indices kept;
      for (int64_t d = 0; d < static_cast<int64_t>(shape.size()); ++d) {
        if (d != axis) kept.push_back(d);
      }
      const bool mean = chance(60);
      const ValueId from = mean && chance(50) ? add("square", {x}) : x;
      ValueId small =
          add("reduce", {from},
              {{"dimensions", Indices{axis}}, {"function", std::string(mean ? "add" : "maximum")}});
      if (mean) {
        const double n = static_cast<double>(shape[static_cast<size_t>(axis)]);
        small = add("multiply", {small, constant_of(1 / n, shape_of(small))});
      }
      if (chance(40)) {
        small =
            add("rsqrt", {add("add", {add("abs", {small}), constant_of(0.5, shape_of(small))})});
      }
      x = add(one_of({"subtract", "multiply", "add"}), {x, repeated(small, shape, kept)});
      if (!keep(x)) return false;
      if (pool_.back() != x) return true;
    }
    return true;
  }
  bool attention() {
    const int64_t rows = chance(20) ? pick(100, 140) : pick(1, 24),
                  columns = chance(70) ? rows : pick(1, 40);
    const int64_t heads = pick(1, 4), depth = chance(40) ? 64 : pick(1, 33), width = heads * depth;
    const auto split = [&](ValueId x) {
      const ValueId v = add("reshape", {matrix_product(x, width)},
                            {{"shape", Shape{shape_of(x)[0], heads, depth}}});
      return add("transpose", {v}, {{"permutation", Indices{1, 0, 2}}});
    };
    const ValueId x = add_input({rows, 24}),
                  other = chance(60) && rows == columns ? x : add_input({columns, 24});
    const ValueId q = split(x), k = split(other), v = split(other);
    ValueId scores = add("dot_general", {q, k},
                         {{"lhs_batching_dimensions", Indices{0}},
                          {"rhs_batching_dimensions", Indices{0}},
                          {"lhs_contracting_dimensions", Indices{2}},
                          {"rhs_contracting_dimensions", Indices{2}}});
    scores =
        add("multiply",
            {scores, constant_of(1 / std::sqrt(static_cast<double>(depth)), shape_of(scores))});
    if (chance(40)) {
      const ValueId mask = constant({rows, columns});
      scores = add("add", {scores, repeated(mask, shape_of(scores), {1, 2})});
    }
    const ValueId weights = add("softmax", {scores}, {{"axis", int64_t{-1}}});
    ValueId y = add("dot_general", {weights, v},
                    {{"lhs_batching_dimensions", Indices{0}},
                     {"rhs_batching_dimensions", Indices{0}},
                     {"lhs_contracting_dimensions", Indices{2}},
                     {"rhs_contracting_dimensions", Indices{1}}});
    if (chance(15)) keep(weights);
    y = add("transpose", {y}, {{"permutation", Indices{1, 0, 2}}});
    y = add("reshape", {y}, {{"shape", Shape{rows, width}}});
    return keep(chance(60) ? add("add", {matrix_product(y, 24), x}) : y);
  }
  bool image_block() {
    const ValueId x = any_of_rank(4, 4) >= 0 && chance(50)
                          ? any_of_rank(4, 4)
                          : add_input({pick(1, 2), pick(1, 9), pick(2, 14), pick(2, 14)});
    if (x < 0) return false;
    const int64_t channels = shape_of(x)[1], outputs = chance(20) ? pick(100, 140) : pick(1, 12),
                  window = pick(1, 3);
    if (graph.type(x).elements() * outputs * window * window > 1500000) return false;
    const double scale = 1 / std::sqrt(static_cast<double>(channels * window * window));
    const int64_t side = window / 2;
    ValueId y = add("convolution", {x, constant({outputs, channels, window, window}, scale)},
                    {{"strides", Indices{pick(1, 2), 1}},
                     {"padding_low", Indices{side, side}},
                     {"padding_high", Indices{side, side}}});
    if (chance(70)) y = add("multiply", {y, repeated(constant({outputs}), shape_of(y), {1})});
    if (chance(70)) y = add("add", {y, repeated(constant({outputs}), shape_of(y), {1})});
    if (chance(20)) keep(y);
    if (chance(80)) y = add("relu", {y});
    if (shape_of(y) == shape_of(x) && chance(70)) y = add("add", {y, x});
    if (chance(60) && shape_of(y)[2] > 1 && shape_of(y)[3] > 1) {
      y = add("reduce_window", {y},
              {{"function", one_of({"add", "maximum"})},
               {"window_dimensions", Indices{1, 1, 2, 2}},
               {"window_strides", Indices{1, 1, pick(1, 2), 2}}});
    }
    return keep(y);
  }

  bool on_grid_ = false;
  Format main_ = Format::kFloat32;
};

}  // namespace thorong::compiler::testing
