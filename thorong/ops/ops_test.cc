// SPDX-License-Identifier: Apache-2.0
// Graphs, tensors, attributes, folding and evaluation. The operators themselves: operators_test.cc.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {
namespace {

ValueId must(Result<ValueId> result) {
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  return result.ok() ? *result : 0;
}

TEST(Shape, ElementCount) {
  EXPECT_EQ(element_count({}), 1);
  EXPECT_EQ(element_count({2, 3}), 6);
  EXPECT_EQ(element_count({2, 0}), 0);
  EXPECT_EQ(element_count({2, -1}), -1);
  EXPECT_EQ(element_count({int64_t{1} << 40, int64_t{1} << 40}), -1);
  EXPECT_EQ(element_count({0, int64_t{1} << 40, int64_t{1} << 40}), -1);
  EXPECT_EQ(to_string(Shape{2, 3}), "[2, 3]");
}

TEST(Tensor, AlignedAndZero) {
  std::byte* writable = nullptr;
  const Tensor tensor = Tensor::allocate({Format::kFloat32, {3}}, &writable);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(writable) % 64, 0U);
  EXPECT_EQ(tensor.to_doubles(), (std::vector<double>{0, 0, 0}));
  EXPECT_TRUE(static_cast<bool>(Tensor::allocate({Format::kFloat32, {0}}, &writable)));
#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the process
  try {
    Tensor::allocate({Format::kUint8, {int64_t{1} << 60}}, &writable);
    ADD_FAILURE() << "memory for 2^60 bytes";
  } catch (const OutOfMemory& lack) {
    EXPECT_NE(std::string(lack.what()).find("1152921504606846976 bytes of a tensor uint8"),
              std::string::npos)
        << lack.what();
  }
#endif
}

TEST(Tensor, Conversions) {
  const int64_t large = (int64_t{1} << 62) + 1;  // not a double
  EXPECT_EQ(Tensor::from_int64s({large, -5}).to_int64s(), (std::vector<int64_t>{large, -5}));
  const Tensor half = Tensor::from_doubles({Format::kBfloat16, {2}}, {1.0, 1.00390625});
  EXPECT_EQ(half.to_doubles(), (std::vector<double>{1.0, 1.0}));  // ties to even
  EXPECT_EQ(Tensor::from_doubles({Format::kFloat32, {2}}, {2.75, -2.75}).to_int64s(),
            (std::vector<int64_t>{2, -2}));
}

TEST(Tensor, UnalignedData) {
  alignas(8) std::byte buffer[12] = {};
  const float value = 1.5F;
  std::memcpy(buffer + 1, &value, sizeof(value));
  Tensor tensor;
  tensor.type = {Format::kFloat32, {1}};
  tensor.data = buffer + 1;
  EXPECT_EQ(tensor.to_doubles(), std::vector<double>{1.5});
}

TEST(Attributes, Fallbacks) {
  const Attributes a = make_attributes({{"i", int64_t{3}}, {"d", 1.5}, {"s", std::string("x")}});
  EXPECT_EQ(a.integer("i"), 3);
  EXPECT_EQ(a.number("i"), 3.0);
  EXPECT_EQ(a.number("d"), 1.5);
  EXPECT_EQ(a.text("s"), "x");
  EXPECT_EQ(a.integer("absent", 7), 7);
  EXPECT_EQ(a.integers("absent", {1, 2}), (std::vector<int64_t>{1, 2}));
  EXPECT_TRUE(a.has("i"));
}

TEST(OperatorTable, HoldsEveryOperatorOfTheReference) {
  std::ifstream file(THORONG_SOURCE_DIR "/docs/reference/operators.md");
  const std::regex quoted("`([a-z0-9_ ]+)`");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `", 0) != 0) continue;
    const std::string names = line.substr(0, line.find('|', 1));
    for (std::sregex_iterator match(names.begin(), names.end(), quoted), end; match != end;
         ++match) {
      std::istringstream words((*match)[1].str());
      for (std::string name; words >> name;) EXPECT_NE(find_operator(name), nullptr) << name;
    }
  }
  EXPECT_NE(find_operator("not"), nullptr);
  EXPECT_EQ(find_operator("copy"), nullptr);
  EXPECT_EQ(find_operator("no_such"), nullptr);
}

TEST(OperatorTable, SortedAndComplete) {
  const std::span<const OperatorSpec> all = all_operators();
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_FALSE(all[i].summary.empty()) << all[i].name;
    EXPECT_EQ(find_operator(all[i].name), &all[i]);
    EXPECT_TRUE(i == 0 || all[i - 1].name < all[i].name) << all[i].name;
    EXPECT_TRUE(all[i].category != Category::kComposite || all[i].decompose) << all[i].name;
  }
}

TEST(Graph, RejectsUnknownOperatorsAndWrongCounts) {
  Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {2}});
  EXPECT_EQ(graph.add("no_such", {x}).status().code(), Code::kNotFound);
  const Status status = graph.add("add", {x}, {}, "sum").status();
  EXPECT_EQ(status.to_string(), "node 'sum' (add): add takes 2 operands, found 1");
  EXPECT_FALSE(graph.add("add", {x, kNoValue}).ok());
  EXPECT_FALSE(graph.add("add", {x, 99}).ok());
  EXPECT_TRUE(graph.nodes.empty());
  EXPECT_EQ(graph.values.size(), 1U);
}

TEST(Graph, FoldsConstants) {
  Graph graph;
  const ValueId a = graph.add_constant("a", Tensor::from_int64s({1, 2}));
  const ValueId sum = must(graph.add1("add", {a, a}));
  EXPECT_TRUE(graph.nodes.empty());
  ASSERT_TRUE(graph.is_constant(sum));
  EXPECT_EQ(graph.value(sum).constant.to_int64s(), (std::vector<int64_t>{2, 4}));
  graph.fold_limit = 1;
  EXPECT_FALSE(graph.is_constant(must(graph.add1("add", {a, a}))));
  EXPECT_EQ(graph.nodes.size(), 1U);
}

TEST(Graph, FoldingErrorsLeaveNothing) {
  Graph graph;
  const ValueId x = graph.add_constant("x", Tensor::from_int64s({1, 2}));
  const ValueId index = graph.add_constant("i", Tensor::from_int64s({5}));
  const Status status =
      graph.add1("take", {x, index}, make_attributes({{"axis", int64_t{0}}})).status();
  EXPECT_NE(status.message().find("index 5 at position 0 lies outside [-2, 2)"), std::string::npos);
  EXPECT_EQ(graph.values.size(), 2U);
}

TEST(Graph, LargeFloatBroadcastsStayNodes) {
  Graph graph;
  const ValueId scalar = graph.add_constant("c", Tensor::from_doubles({Format::kFloat32, {}}, {1}));
  const auto broadcast = [&](int64_t n) {
    return must(
        graph.add1("broadcast_in_dim", {scalar},
                   make_attributes({{"shape", Shape{n}}, {"broadcast_dimensions", Shape{}}})));
  };
  EXPECT_TRUE(graph.is_constant(broadcast(64)));
  EXPECT_FALSE(graph.is_constant(broadcast(65)));
}

TEST(Graph, OverflowingShapes) {
  Graph graph;
  const ValueId scalar = graph.add_input("s", {Format::kFloat32, {}});
  const Attributes shape = make_attributes(
      {{"shape", Shape{int64_t{1} << 31, int64_t{1} << 31}}, {"broadcast_dimensions", Shape{}}});
  EXPECT_EQ(graph.add1("broadcast_in_dim", {scalar}, shape).status().code(), Code::kOutOfRange);
}

Graph two_step_graph() {
  Graph graph;
  graph.name = "g";
  const ValueId x = graph.add_input("x", {Format::kFloat32, {2}});
  must(graph.add1("exponential", {x}, {}, "unused"));
  const ValueId y = must(graph.add1("negate", {x}, {}, "first"));
  graph.outputs = {must(graph.add1("add", {y, x}, {}, "second"))};
  return graph;
}

TEST(Graph, VerifyFindsDamage) {
  Graph graph = two_step_graph();
  EXPECT_TRUE(verify(graph).ok()) << verify(graph).to_string();
  std::swap(graph.nodes[1], graph.nodes[2]);
  EXPECT_FALSE(verify(graph).ok());
  graph = two_step_graph();
  graph.value(graph.outputs[0]).type.shape = {3};
  EXPECT_NE(verify(graph).to_string().find("node 'second' (add)"), std::string::npos);
  graph = two_step_graph();
  graph.outputs[0] = 99;
  EXPECT_FALSE(verify(graph).ok());
}

TEST(Graph, RemovesDeadNodes) {
  Graph graph = two_step_graph();
  remove_dead_nodes(graph);
  ASSERT_EQ(graph.nodes.size(), 2U);
  EXPECT_EQ(graph.nodes[0].name, "first");
  EXPECT_TRUE(verify(graph).ok()) << verify(graph).to_string();
}

TEST(Graph, Text) {
  EXPECT_EQ(to_text(two_step_graph()),
            "graph g(%0 'x': float32 [2]) {\n"
            "  %1: float32 [2] = exponential(%0)  # unused\n"
            "  %2: float32 [2] = negate(%0)  # first\n"
            "  %3: float32 [2] = add(%2, %0)  # second\n"
            "  return %3\n}\n");
}

TEST(Evaluate, RunsAndChecksInputs) {
  const Graph graph = two_step_graph();
  const Tensor x = Tensor::from_doubles({Format::kFloat32, {2}}, {1, 2});
  const auto results = evaluate(graph, std::vector<Tensor>{x});
  ASSERT_TRUE(results.ok());
  EXPECT_EQ((*results)[0].to_doubles(), (std::vector<double>{0, 0}));
  EXPECT_FALSE(evaluate(graph, {}).ok());
  const Tensor wrong = Tensor::from_doubles({Format::kFloat32, {1}}, {1});
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{wrong}).status().message(),
            "input 'x' must be float32 [2], found float32 [1]");
}

TEST(Evaluate, EmptyAndHugeResults) {
  Graph graph;
  const Shape empty{int64_t{1} << 59, 0};
  const ValueId x = graph.add_constant("x", Tensor::from_doubles({Format::kFloat32, empty}, {}));
  EXPECT_TRUE(graph.is_constant(must(graph.add1("softmax", {x}))));
  const Attributes huge =
      make_attributes({{"shape", Shape{int64_t{1} << 45}}, {"broadcast_dimensions", Shape{}}});
  const ValueId scalar = graph.add_input("s", {Format::kFloat32, {}});
  graph.outputs = {must(graph.add1("broadcast_in_dim", {scalar}, huge))};
  const Tensor one = Tensor::from_doubles({Format::kFloat32, {}}, {1});
  EXPECT_EQ(evaluate(graph, std::vector<Tensor>{one}).status().code(), Code::kResourceExhausted);
}

TEST(Work, ContractionAndConvolution) {
  Graph graph;
  const ValueId a = graph.add_input("a", {Format::kFloat32, {8, 4, 5}});
  const ValueId b = graph.add_input("b", {Format::kFloat32, {8, 5, 6}});
  must(graph.add1("dot_general", {a, b},
                  make_attributes({{"lhs_batching_dimensions", Shape{0}},
                                   {"rhs_batching_dimensions", Shape{0}},
                                   {"lhs_contracting_dimensions", Shape{2}},
                                   {"rhs_contracting_dimensions", Shape{1}}})));
  EXPECT_EQ(graph.nodes[0].op->work(graph, graph.nodes[0]).multiply_adds, 8 * 4 * 5 * 6);
  const ValueId x = graph.add_input("x", {Format::kFloat32, {1, 4, 10, 10}});
  const ValueId w = graph.add_input("w", {Format::kFloat32, {6, 2, 3, 3}});
  must(graph.add1("convolution", {x, w}, make_attributes({{"feature_group_count", int64_t{2}}})));
  EXPECT_EQ(graph.nodes[1].op->work(graph, graph.nodes[1]).multiply_adds, 6 * 8 * 8 * 2 * 9);
}

TEST(Decompose, BatchNormWithConstantsIsOneMultiplyAndAdd) {
  Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {1, 100, 2}});
  const auto channels = [&](double v) {
    return graph.add_constant(
        "p", Tensor::from_doubles({Format::kFloat32, {100}}, std::vector<double>(100, v)));
  };
  must(graph.add1("batch_norm_inference", {x, channels(2), channels(3), channels(4), channels(4)}));
  const Node node = graph.nodes.back();
  const auto outputs = node.op->decompose(graph, node);
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  graph.outputs = *outputs;
  remove_dead_nodes(graph);
  std::vector<std::string> names;
  for (const Node& part : graph.nodes) names.push_back(part.op->name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"broadcast_in_dim", "multiply", "broadcast_in_dim", "add"}));
}

}  // namespace
}  // namespace thorong::ops
