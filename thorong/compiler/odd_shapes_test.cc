// SPDX-License-Identifier: Apache-2.0
// Tensors without elements, chips of 96 partitions or of one, scales in narrow formats: what the
// machine computes is what the reference says. Memories start as NaNs (testing.h), so a result that
// nothing writes shows.
#include <gtest/gtest.h>

#include <limits>

#include "thorong/compiler/testing.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler {
namespace {

using numerics::Format;
using ops::Graph;
using ops::make_attributes;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;
using testing::TestChip;
using Indices = std::vector<int64_t>;

constexpr TestChip k96Partitions = {
    "96 partitions",
    "{tensor.rows: 96, tensor.columns: 96, sbuf.partitions: 96, psum.partitions: 96, "
    "vector.lanes: 96, scalar.lanes: 96, gpsimd.lanes: 96}"};
constexpr TestChip kOnePartition = {
    "one partition",
    "{tensor.rows: 1, tensor.columns: 1, sbuf.partitions: 1, psum.partitions: 1, "
    "vector.lanes: 1, scalar.lanes: 1, gpsimd.lanes: 1, gpsimd.processors: 1}"};

// A graph of float32 tensors with small integers in its inputs, so that every order of a sum gives
// the same.
class Model {
 public:
  ValueId input(const Shape& shape) {
    return graph_.add_input("x" + std::to_string(graph_.inputs.size()), {Format::kFloat32, shape});
  }
  ValueId constant(const Shape& shape) { return graph_.add_constant("w", numbers(shape)); }
  ValueId add(const std::string& op, const std::vector<ValueId>& operands,
              std::initializer_list<std::pair<const char*, ops::Attribute>> attributes = {}) {
    auto value = graph_.add1(op, operands, make_attributes(attributes));
    EXPECT_TRUE(value.ok()) << value.status().to_string();
    return value.ok() ? *value : -1;
  }
  // Runs it on a chip and expects the reference's bits; returns them.
  std::vector<double> run(ValueId y, const TestChip& chip = testing::kChips[0],
                          const CompileOptions& options = {}) {
    graph_.outputs = {y}, graph_.output_names = {"y"};
    std::vector<Tensor> inputs;
    for (ValueId v : graph_.inputs) inputs.push_back(numbers(graph_.type(v).shape));
    auto found = testing::run_on(testing::core_of(chip), graph_, inputs, options);
    auto expected = ops::evaluate(graph_, inputs);
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_TRUE(expected.ok()) << expected.status().to_string();
    if (!found.ok() || !expected.ok()) return {};
    EXPECT_EQ((*found)[0], (*expected)[0].to_doubles());
    return (*found)[0];
  }

 private:
  static Tensor numbers(const Shape& shape) {
    std::vector<double> values(static_cast<size_t>(ops::element_count(shape)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i % 7) - 3;
    return Tensor::from_doubles({Format::kFloat32, shape}, values);
  }
  Graph graph_;
};

TEST(Empty, AContractionOfNothingIsZero) {
  Model model;
  auto y = model.add(
      "dot_general", {model.input({128, 0}), model.input({0, 256})},
      {{"lhs_contracting_dimensions", Indices{1}}, {"rhs_contracting_dimensions", Indices{0}}});
  EXPECT_EQ(model.run(y), std::vector<double>(128 * 256, 0.0));
}

TEST(Empty, AContractionOfNothingBetweenOthers) {
  Model model;
  auto product = model.add("dot_general", {model.input({4, 3, 0}), model.input({4, 0, 5})},
                           {{"lhs_batching_dimensions", Indices{0}},
                            {"rhs_batching_dimensions", Indices{0}},
                            {"lhs_contracting_dimensions", Indices{2}},
                            {"rhs_contracting_dimensions", Indices{1}}});
  model.run(model.add("add", {product, model.input({4, 3, 5})}));
}

TEST(Empty, AReductionOfNothingIsTheIdentity) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (auto [function, identity] : {std::pair{"add", 0.0},
                                    {"multiply", 1.0},
                                    {"maximum", -kInfinity},
                                    {"minimum", kInfinity}}) {
    Model model;
    auto y = model.add("reduce", {model.input({5, 0})},
                       {{"function", std::string(function)}, {"dimensions", Indices{1}}});
    EXPECT_EQ(model.run(y), std::vector<double>(5, identity)) << function;
  }
}

TEST(Empty, WindowsOfPaddingOnly) {
  for (const char* function : {"add", "maximum"}) {
    Model model;
    model.run(model.add("reduce_window", {model.input({1, 4, 0, 6})},
                        {{"function", std::string(function)},
                         {"window_dimensions", Shape{1, 1, 2, 2}},
                         {"window_strides", Shape{1, 1, 1, 1}},
                         {"padding_low", Shape{0, 0, 1, 0}},
                         {"padding_high", Shape{0, 0, 2, 0}}}));
  }
}

TEST(Empty, AConvolutionOfPaddingOnlyIsZero) {
  Model model;
  auto y = model.add(
      "convolution", {model.input({1, 4, 0, 6}), model.constant({8, 4, 2, 2})},
      {{"strides", Shape{1, 1}}, {"padding_low", Shape{1, 0}}, {"padding_high", Shape{2, 0}}});
  EXPECT_EQ(model.run(y), std::vector<double>(8 * 2 * 5, 0.0));
}

TEST(Empty, PaddedNothing) {
  Model pad;
  auto value = pad.constant({});
  pad.run(pad.add("pad", {pad.input({4, 0}), value},
                  {{"low", Indices{0, 2}}, {"high", Indices{0, 1}}, {"interior", Indices{0, 0}}}));
}

TEST(Empty, JoinedWithNothing) {
  Model join;
  join.run(join.add("concatenate", {join.input({4, 0}), join.input({4, 3})},
                    {{"dimension", int64_t{1}}}));
}

// Its inner dimension must not be written: seen by the address sanitizer.
TEST(Empty, AConstantOfNothing) {
  Model join;
  join.run(join.add("concatenate", {join.input({3, 400}), join.constant({0, 400})},
                    {{"dimension", int64_t{0}}}));
}

TEST(Empty, ASoftmaxOfNothing) {
  Model none;
  none.run(none.add("softmax", {none.input({4, 0})}, {{"axis", int64_t{1}}}));
}

// Attention scores of heads of 64: two of them do not lie side by side on 96 partitions.
void heads(const TestChip& chip) {
  Model model;
  auto project = [&](int64_t rows) {
    auto product = model.add(
        "dot_general", {model.input({rows, 24}), model.input({24, 192})},
        {{"lhs_contracting_dimensions", Indices{1}}, {"rhs_contracting_dimensions", Indices{0}}});
    auto split = model.add("reshape", {product}, {{"shape", Shape{rows, 3, 64}}});
    return model.add("transpose", {split}, {{"permutation", Indices{1, 0, 2}}});
  };
  auto q = project(11), k = project(17);
  model.run(model.add("dot_general", {q, k},
                      {{"lhs_batching_dimensions", Indices{0}},
                       {"rhs_batching_dimensions", Indices{0}},
                       {"lhs_contracting_dimensions", Indices{2}},
                       {"rhs_contracting_dimensions", Indices{2}}}),
            chip);
}

TEST(OddChips, HeadsOf64On96Partitions) { heads(k96Partitions); }
TEST(OddChips, HeadsOf64OnOnePartition) { heads(kOnePartition); }

TEST(OddChips, ATransposedTensorIsReshapedOnOnePartition) {
  Model model;
  auto turned =
      model.add("transpose", {model.input({3, 4, 5})}, {{"permutation", Indices{2, 0, 1}}});
  auto flat = model.add("reshape", {turned}, {{"shape", Shape{15, 4}}});
  model.run(model.add("add", {flat, model.input({15, 4})}), kOnePartition);
}

// (x + x) k * 2^-14: queries of 2^-12 would vanish in fp16 and fp8 if they were scaled before.
TEST(MovedScales, StayBehindProductsOfNarrowOperands) {
  for (Format format : {Format::kFloat16, Format::kFloat8E5m2, Format::kBfloat16}) {
    Graph graph;
    ValueId x = graph.add_input("x", {Format::kFloat32, {4, 8}}),
            k = graph.add_input("k", {Format::kFloat32, {8, 64}});
    auto sum = *graph.add1("add", {x, x});
    auto product = *graph.add1("dot_general", {sum, k},
                               make_attributes({{"lhs_contracting_dimensions", Indices{1}},
                                                {"rhs_contracting_dimensions", Indices{0}}}));
    auto scale = graph.add_constant(
        "scale", Tensor::from_doubles({Format::kFloat32, {}}, std::vector<double>{0x1p-14}));
    auto wide = *graph.add1(
        "broadcast_in_dim", {scale},
        make_attributes({{"shape", Shape{4, 64}}, {"broadcast_dimensions", Indices{}}}));
    graph.outputs = {*graph.add1("multiply", {product, wide})};
    graph.output_names = {"y"};
    Tensor queries =
        Tensor::from_doubles({Format::kFloat32, {4, 8}}, std::vector<double>(4 * 8, 0x1.8p-13));
    Tensor keys =
        Tensor::from_doubles({Format::kFloat32, {8, 64}}, std::vector<double>(8 * 64, 1.0));
    auto found = testing::run_on(testing::core_of(testing::kChips[0]), graph, {queries, keys},
                                 {AutoCast::kMatmult, format});
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    EXPECT_EQ((*found)[0], std::vector<double>(4 * 64, 8 * 0x1.8p-12 * 0x1p-14))
        << numerics::name(format);
  }
}

}  // namespace
}  // namespace thorong::compiler
