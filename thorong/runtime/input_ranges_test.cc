// SPDX-License-Identifier: Apache-2.0
// Which integers a made-up input may hold, and that a model with indices runs on what is made up.
#include "thorong/runtime/input_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "frontends/onnx/model_writer.h"
#include "thorong/ops/operator.h"
#include "thorong/runtime/session.h"

namespace thorong::runtime {
namespace {

using numerics::Format;
using ops::Attributes;
using ops::Graph;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;

// A graph with one input of n elements; `use` adds what reads it.
IntegerRange range(Format format, int64_t n, const std::function<void(Graph&, ValueId)>& use) {
  Graph graph;
  graph.inputs = {graph.add_input("i", {format, {n}})};
  use(graph, graph.inputs[0]);
  return input_ranges(graph).at(0);
}

ValueId add(Graph& graph, const char* op, const std::vector<ValueId>& operands,
            const std::vector<std::pair<std::string, ops::Attribute>>& given = {}) {
  Attributes attributes;
  for (const auto& [key, value] : given) attributes.set(key, value);
  Result<ValueId> value = graph.add1(op, operands, attributes);
  EXPECT_TRUE(value.ok()) << value.status().to_string();
  return value.ok() ? *value : operands[0];
}

ValueId table(Graph& graph, const Shape& shape) {
  return graph.add_input("table", {Format::kFloat32, shape});
}

ValueId whole(Graph& graph, Format format, const std::vector<double>& values) {
  return graph.add_constant(
      "c", Tensor::from_doubles({format, {static_cast<int64_t>(values.size())}}, values));
}

TEST(InputRanges, IndicesLieWithinTheAxisThatTheyChooseFrom) {
  EXPECT_EQ(range(Format::kInt64, 3,
                  [](Graph& g, ValueId i) {
                    add(g, "take", {table(g, {5, 30}), i}, {{"axis", int64_t{1}}});
                  }),
            (IntegerRange{0, 29}));
  EXPECT_EQ(range(Format::kInt32, 3,
                  [](Graph& g, ValueId i) {
                    add(g, "take_along_axis", {table(g, {7}), i}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 6}));
  EXPECT_EQ(range(Format::kInt64, 2,
                  [](Graph& g, ValueId i) {
                    add(g, "gather_nd", {table(g, {9, 4}), i}, {{"batch_dims", int64_t{0}}});
                  }),
            (IntegerRange{0, 3}))
      << "both entries of a tuple hold any of the values";
  EXPECT_EQ(range(Format::kInt8, 3,
                  [](Graph& g, ValueId i) {
                    add(g, "take", {table(g, {1000}), i}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 127}))
      << "of the type";
  EXPECT_EQ(range(Format::kInt64, 3,
                  [](Graph& g, ValueId i) {
                    add(g, "take", {table(g, {50}), i}, {{"axis", int64_t{0}}});
                    add(g, "take", {table(g, {20}), i}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 19}))
      << "the smallest of all";
}

TEST(InputRanges, WhatOnlyMovesElementsOrAddsAConstantIsSeenThrough) {
  EXPECT_EQ(range(Format::kInt64, 4,
                  [](Graph& g, ValueId i) {
                    ValueId narrow = add(g, "convert", {i}, {{"format", std::string("int32")}});
                    ValueId moved = add(g, "reshape", {narrow}, {{"shape", Shape{2, 2}}});
                    ValueId turned = add(g, "transpose", {moved}, {{"permutation", Shape{1, 0}}});
                    add(g, "take", {table(g, {12}), turned}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 11}));
  EXPECT_EQ(range(Format::kInt64, 2,
                  [](Graph& g, ValueId i) {  // positions begin at 2
                    ValueId at = add(g, "add", {i, whole(g, Format::kInt64, {2, 2})});
                    add(g, "take", {table(g, {12}), at}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 9}));
  EXPECT_EQ(range(Format::kInt64, 2,
                  [](Graph& g, ValueId i) {
                    ValueId at = add(g, "subtract", {i, whole(g, Format::kInt64, {1, 3})});
                    add(g, "take", {table(g, {12}), at}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{3, 12}));
  EXPECT_EQ(range(Format::kInt64, 2,
                  [](Graph& g, ValueId i) {  // i < 0 ? i + 12 : i
                    ValueId negative = add(g, "compare", {i, whole(g, Format::kInt64, {0, 0})},
                                           {{"direction", std::string("LT")}});
                    ValueId raised = add(g, "add", {i, whole(g, Format::kInt64, {12, 12})});
                    ValueId at = add(g, "select", {negative, raised, i});
                    add(g, "take", {table(g, {12}), at}, {{"axis", int64_t{0}}});
                  }),
            (IntegerRange{0, 11}));
}

TEST(InputRanges, OtherUsesGiveRangesThatMakeSense) {
  const auto scaled = [](Graph& g, ValueId i) {
    add(g, "convert", {i}, {{"format", std::string("float32")}});
  };
  EXPECT_EQ(range(Format::kUint8, 4, scaled), (IntegerRange{0, 255})) << "a picture";
  EXPECT_EQ(range(Format::kInt8, 4, scaled), (IntegerRange{-128, 127})) << "quantised values";
  EXPECT_EQ(range(Format::kInt64, 4, scaled), (IntegerRange{0, 1})) << "a mask";
  EXPECT_EQ(range(Format::kBool, 4, scaled), (IntegerRange{0, 1}));
  EXPECT_EQ(range(Format::kInt64, 2,
                  [](Graph& g, ValueId i) {
                    add(g, "compare", {i, whole(g, Format::kInt64, {0, 6})},
                        {{"direction", std::string("EQ")}});
                  }),
            (IntegerRange{0, 6}))
      << "one-hot";
  EXPECT_EQ(range(Format::kInt32, 2,
                  [](Graph& g, ValueId i) {
                    add(g, "add", {i, i});
                  }),
            (IntegerRange{0, 9}));
  EXPECT_EQ(range(Format::kInt32, 2,
                  [](Graph& g, ValueId i) {
                    add(g, "divide", {whole(g, Format::kInt32, {4, 5}), i});
                  }),
            (IntegerRange{1, 9}))
      << "a divisor";
}

// y = Gather(table [100, 4], ids [2, 50]), on made-up ids.
TEST(InputRanges, AModelRunsOnMadeUpIndices) {
  onnx::TestGraph graph;
  std::vector<float> rows(400);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<float>(i / 4);
  graph.initializers = {onnx::float_tensor("table", {100, 4}, rows)};
  graph.nodes = {onnx::node("Gather", {"table", "ids"}, {"y"})};
  graph.inputs = {onnx::value_info("ids", 7, {{2}, {50}})};
  graph.outputs = {onnx::value_info("y", 1, {{2}, {50}, {4}})};
  const std::string bytes = onnx::model(graph.bytes());
  auto program = compile_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), {});
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  EXPECT_EQ((*program)->inputs.at(0).range, (IntegerRange{0, 99}));
  auto executable = Executable::load(*program);
  ASSERT_TRUE(executable.ok());
  auto result = (*executable)->execute({});
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  const std::vector<double> values = result->outputs.at(0).tensor.to_doubles();
  std::set<double> chosen(values.begin(), values.end());
  EXPECT_GT(chosen.size(), 40U) << "the ids are spread over the table";
}

}  // namespace
}  // namespace thorong::runtime
