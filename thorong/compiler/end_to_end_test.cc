// SPDX-License-Identifier: Apache-2.0
// The compiler's property: any graph, compiled for any chip and executed on the machine, gives what
// the reference gives. Random small graphs over most operators run on chips of 64, 128 and 256
// partitions and on one whose SBUF is so small that values spill. Each program is also checked as a
// program: patterns within their buffers, legal tiles, and every two accesses to the same bytes
// ordered by queues and semaphores. SBUF and HBM start as NaNs, so nothing may be read before it is
// written. A failure prints the seed and the shortest part of the graph that fails alone; run it
// again with THORONG_TEST_SEED=n, or more graphs with THORONG_TEST_GRAPHS=n.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <stdexcept>

#include "thorong/compiler/random_graphs/random_graph.h"
#include "thorong/compiler/testing.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler {
namespace {

using numerics::Format;
using ops::Graph;
using ops::kNoValue;
using ops::make_attributes;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;
using testing::kChips;
using testing::largest_of;
using testing::run_on;
using testing::TestChip;
using Indices = std::vector<int64_t>;

// ---- The property ----

// Graphs of one format.
class RandomGraph : public testing::GraphGrower {
 public:
  RandomGraph(uint64_t seed, Format format, int64_t scale) : GraphGrower(seed, format, scale) {
    const int64_t count = pick(1, 3);
    for (int64_t i = 0; i < count; ++i) add_input(random_shape(i == 0 ? 2 : pick(0, 4)));
    const int64_t nodes = pick(1, 9);
    for (int64_t i = 0, attempts = 0; i < nodes && attempts < 60; ++attempts) i += grow() ? 1 : 0;
    choose_outputs();
  }
};

// Empty where the machine's outputs are the reference's within the tolerance, else what differs.
std::string difference(const RandomGraph& made, const Graph& graph, const isa::CoreParameters& core,
                       const CompileOptions& options, double tolerance) {
  const auto guarded = [&]() -> Result<std::vector<std::vector<double>>> {
    try {
      return run_on(core, graph, made.inputs, options);
    } catch (const std::runtime_error& error) {
      return internal_error(error.what());
    }
  };
  auto outputs = guarded();
  if (!outputs.ok()) return outputs.status().to_string();
  // Rounding errors are relative to what was added up, which may have cancelled out.
  double through = 0;
  for (const ops::Node& node : graph.nodes) {
    for (ValueId v : node.outputs) through = std::max(through, largest_of(made.values.at(v)));
  }
  for (size_t k = 0; k < graph.outputs.size(); ++k) {
    const Tensor& expected = made.values.at(graph.outputs[k]);
    const std::vector<double> reference = expected.to_doubles(), &actual = (*outputs)[k];
    if (actual.size() != reference.size()) return "output " + std::to_string(k) + " is missing";
    const double bound = tolerance * (largest_of(expected) + 0.2 * through + 1e-6);
    for (size_t i = 0; i < reference.size(); ++i) {
      if (std::fabs(actual[i] - reference[i]) <= bound || actual[i] == reference[i]) continue;
      return "output " + std::to_string(k) + " element " + std::to_string(i) + " of " +
             ops::to_string(expected.type.shape) + " is " + std::to_string(actual[i]) + " not " +
             std::to_string(reference[i]);
    }
  }
  return "";
}

Graph with_outputs(const Graph& graph, const std::vector<ValueId>& outputs) {
  Graph part = graph;
  part.outputs = outputs;
  part.output_names.clear();
  for (size_t i = 0; i < outputs.size(); ++i) {
    part.output_names.push_back("out" + std::to_string(i));
  }
  ops::remove_dead_nodes(part);
  return part;
}

// The first single value that is wrong when it is the only output, else the whole graph.
std::string shortest_failure(const RandomGraph& made, const isa::CoreParameters& core,
                             const CompileOptions& options, double tolerance) {
  for (const ops::Node& node : made.graph.nodes) {
    const Graph part = with_outputs(made.graph, {node.outputs[0]});
    const std::string problem = difference(made, part, core, options, tolerance);
    if (!problem.empty()) return problem + "\nalone in:\n" + ops::to_text(part);
  }
  return "only in the whole graph:\n" + ops::to_text(made.graph);
}

bool compares(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const ops::Node& node) { return node.op->name == "compare"; });
}

int environment(const char* name, int fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::atoi(text);
}

void check_random_graphs(const TestChip& chip, Format format, int first, int count,
                         double tolerance, int64_t scale = 1, const CompileOptions& options = {}) {
  const isa::CoreParameters& core = testing::core_of(chip);
  const int only = environment("THORONG_TEST_SEED", -1);
  count = environment("THORONG_TEST_GRAPHS", count);
  const int most_failures = environment("THORONG_TEST_FAILURES", 3);
  // A check that fails is one graph's failure, not the end of the test.
  set_check_handler([](const std::string& text) { throw std::runtime_error(text); });
  int failures = 0;
  for (int seed = first; seed < first + count && failures < most_failures; ++seed) {
    if (only >= 0 && seed != only) continue;
    const RandomGraph made(static_cast<uint64_t>(seed), format, scale);
    // A cast may turn a comparison.
    if (options.auto_cast != AutoCast::kNone && compares(made.graph)) continue;
    const std::string problem = difference(made, made.graph, core, options, tolerance);
    if (problem.empty()) continue;
    ++failures;
    ADD_FAILURE() << "seed " << seed << " on " << chip.name << ": " << problem << "\n"
                  << shortest_failure(made, core, options, tolerance);
  }
  set_check_handler(nullptr);
}

TEST(EndToEnd, RandomGraphsOnTrainium1) {
  check_random_graphs(kChips[0], Format::kFloat32, 0, 300, 1e-4);
}
TEST(EndToEnd, RandomGraphsOn64Partitions) {
  check_random_graphs(kChips[1], Format::kFloat32, 100000, 200, 1e-4);
}
TEST(EndToEnd, RandomGraphsOn256Partitions) {
  check_random_graphs(kChips[2], Format::kFloat32, 200000, 200, 1e-4);
}
TEST(EndToEnd, RandomGraphsThatSpill) {
  check_random_graphs(kChips[3], Format::kFloat32, 300000, 200, 1e-4);
}
TEST(EndToEnd, LargerRandomGraphs) {
  check_random_graphs(kChips[0], Format::kFloat32, 500000, 10, 1e-4, 5);
}
TEST(EndToEnd, RandomGraphsWithCasts) {
  const CompileOptions products{AutoCast::kMatmult, Format::kBfloat16};
  check_random_graphs(kChips[0], Format::kFloat32, 600000, 60, 6e-2, 1, products);
  const CompileOptions all{AutoCast::kAll, Format::kFloat16};
  check_random_graphs(kChips[0], Format::kFloat32, 700000, 60, 2e-2, 1, all);
}
TEST(EndToEnd, RandomGraphsInBfloat16) {
  check_random_graphs(kChips[0], Format::kBfloat16, 400000, 30, 4e-2);
}

// One tensor read twice by one group, as it is and transposed, both repeated: two operands that
// differ in nothing but their steps.
TEST(EndToEnd, OneTensorInTwoLayouts) {
  Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {6, 6}});
  const auto repeated = [&](ValueId v) {
    return *graph.add1(
        "broadcast_in_dim", {v},
        make_attributes({{"shape", Shape{6, 6, 8}}, {"broadcast_dimensions", Indices{0, 1}}}));
  };
  const ValueId turned =
      *graph.add1("transpose", {x}, make_attributes({{"permutation", Indices{1, 0}}}));
  const ValueId a = repeated(x), b = repeated(turned);
  graph.outputs = {*graph.add1("subtract", {a, b})};
  graph.output_names = {"y"};
  std::vector<double> numbers(36);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i * i % 17);
  const Tensor input = Tensor::from_doubles({Format::kFloat32, {6, 6}}, numbers);
  auto outputs = run_on(testing::core_of(kChips[0]), graph, {input});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  for (size_t i = 0; i < 6; ++i) {
    for (size_t j = 0; j < 6; ++j) {
      EXPECT_EQ((*outputs)[0][(i * 6 + j) * 8], numbers[i * 6 + j] - numbers[j * 6 + i]);
    }
  }
}

// What the bias nearly takes away was not rounded to fp16 before: the error is that of one rounding
// of the result and of fp32.
TEST(EndToEnd, LayerNormInFloat16RoundsOnce) {
  const std::vector<double> x{1, 2.5, -3, 5, 0.25, 7, -1.5, 4};
  double mean = 0, variance = 1e-5;
  for (const double v : x) mean += v / 8;
  for (const double v : x) variance += (v - mean) * (v - mean) / 8;
  for (const double scale : {1.0, 3.0}) {
    std::vector<double> exact;
    for (const double v : x) exact.push_back((v - mean) / std::sqrt(variance) * scale);
    std::vector<double> opposite;
    for (const double v : exact) opposite.push_back(-v);
    const Tensor bias = Tensor::from_doubles({Format::kFloat16, {8}}, opposite);
    Graph graph;
    const ValueId input = graph.add_input("x", {Format::kFloat16, {1, 8}});
    const ValueId factor = graph.add_constant(
        "scale", Tensor::from_doubles({Format::kFloat16, {8}}, std::vector<double>(8, scale)));
    graph.outputs = {*graph.add1(
        "layer_norm", {input, scale == 1 ? kNoValue : factor, graph.add_constant("bias", bias)},
        make_attributes({{"axis", int64_t{-1}}, {"epsilon", 1e-5}}))};
    graph.output_names = {"y"};
    auto found = run_on(testing::core_of(kChips[0]), graph,
                        {Tensor::from_doubles({Format::kFloat16, {1, 8}}, x)});
    ASSERT_TRUE(found.ok()) << found.status().to_string();
    for (size_t i = 0; i < x.size(); ++i) {
      const double y = exact[i] + bias.to_doubles()[i];
      EXPECT_NEAR((*found)[0][i], y, 0x1p-11 * std::fabs(y) + 0x1p-20 * std::fabs(exact[i]))
          << "scale " << scale << " element " << i;
    }
  }
}

// Two heads of 64 lie side by side on the partitions, and the product covers both at once: the head
// dimension is a free one.
TEST(EndToEnd, HeadsThatAProductCoversTogether) {
  Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {11, 24}});
  const ValueId w = graph.add_input("w", {Format::kFloat32, {24, 128}});
  const ValueId y = graph.add_input("y", {Format::kFloat32, {17, 64}});
  const ValueId product =
      *graph.add1("dot_general", {x, w},
                  make_attributes({{"lhs_contracting_dimensions", Indices{1}},
                                   {"rhs_contracting_dimensions", Indices{0}}}));
  const ValueId split =
      *graph.add1("reshape", {product}, make_attributes({{"shape", Shape{11, 2, 64}}}));
  const ValueId heads =
      *graph.add1("transpose", {split}, make_attributes({{"permutation", Indices{1, 0, 2}}}));
  graph.outputs = {*graph.add1("dot_general", {heads, y},
                               make_attributes({{"lhs_contracting_dimensions", Indices{2}},
                                                {"rhs_contracting_dimensions", Indices{1}}}))};
  graph.output_names = {"z"};
  std::vector<Tensor> inputs;
  for (ValueId v : graph.inputs) {
    std::vector<double> numbers(static_cast<size_t>(graph.type(v).elements()));
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i % 7) - 3;
    inputs.push_back(Tensor::from_doubles(graph.type(v), numbers));
  }
  auto outputs = run_on(testing::core_of(kChips[0]), graph, inputs);
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  auto reference = ops::evaluate(graph, inputs);
  ASSERT_TRUE(reference.ok());
  EXPECT_EQ((*outputs)[0], (*reference)[0].to_doubles());  // small integers: exact in any order
}

}  // namespace
}  // namespace thorong::compiler
