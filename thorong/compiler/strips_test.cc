// SPDX-License-Identifier: Apache-2.0
// Regions in strips: what belongs to them, that the rewritten graph means the same, and that
// programs of models whose values do not fit SBUF compute the same with less traffic and the same
// rows in reports.
#include "thorong/compiler/passes/strips.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

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
using testing::core_of;
using testing::run_on;
using testing::TestChip;
using Integers = std::vector<int64_t>;

class Model {
 public:
  Tensor random(const Shape& shape) {
    std::vector<double> values(static_cast<size_t>(ops::element_count(shape)));
    for (double& x : values) x = static_cast<double>(random_() % 2001) / 1000 - 1;
    return Tensor::from_doubles({Format::kFloat32, shape}, values);
  }
  ValueId input(const Shape& shape) {
    inputs.push_back(random(shape));
    return graph.add_input("input" + std::to_string(inputs.size()), inputs.back().type);
  }
  ValueId weights(const Shape& shape) { return graph.add_constant("w", random(shape)); }
  ValueId add(const char* op, const std::vector<ValueId>& operands,
              std::initializer_list<std::pair<const char*, ops::Attribute>> attributes = {}) {
    auto made = graph.add1(op, operands, make_attributes(attributes),
                           op + std::to_string(graph.nodes.size()));
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? *made : 0;
  }
  ValueId spread(ValueId v, const Shape& shape, const Integers& dimensions) {
    return add("broadcast_in_dim", {v}, {{"shape", shape}, {"broadcast_dimensions", dimensions}});
  }
  // x [..., k] times w [k, n] plus bias.
  ValueId dense(ValueId x, int64_t n) {
    Shape shape = graph.type(x).shape;
    auto last = static_cast<int64_t>(shape.size()) - 1;
    ValueId y = add("dot_general", {x, weights({shape.back(), n})},
                    {{"lhs_contracting_dimensions", Integers{last}},
                     {"rhs_contracting_dimensions", Integers{0}}});
    shape.back() = n;
    return add("add", {y, spread(weights({n}), shape, {last})});
  }
  ValueId heads(ValueId x, int64_t count) {
    const Shape s = graph.type(x).shape;
    ValueId split = add("reshape", {x}, {{"shape", Shape{s[0], s[1], count, s[2] / count}}});
    return add("transpose", {split}, {{"permutation", Integers{0, 2, 1, 3}}});
  }
  ValueId product(ValueId a, ValueId b, int64_t a_dim, int64_t b_dim) {
    return add("dot_general", {a, b},
               {{"lhs_batching_dimensions", Integers{0, 1}},
                {"rhs_batching_dimensions", Integers{0, 1}},
                {"lhs_contracting_dimensions", Integers{a_dim}},
                {"rhs_contracting_dimensions", Integers{b_dim}}});
  }
  // One layer of a transformer; `scores` and `probabilities` are remembered.
  ValueId layer(ValueId x, ValueId mask, int64_t count) {
    const Shape s = graph.type(x).shape;
    ValueId q = heads(dense(x, s[2]), count), k = heads(dense(x, s[2]), count),
            v = heads(dense(x, s[2]), count);
    scores =
        add("add", {product(q, k, 3, 3), spread(mask, {s[0], count, s[1], s[1]}, {0, 1, 2, 3})});
    probabilities = add("softmax", {scores});
    ValueId context = add("transpose", {product(probabilities, v, 3, 2)},
                          {{"permutation", Integers{0, 2, 1, 3}}});
    ValueId sum = add("add", {x, dense(add("reshape", {context}, {{"shape", s}}), s[2])});
    return add("layer_norm", {sum, weights({s[2]}), weights({s[2]})});
  }
  void output(ValueId v) {
    graph.outputs.push_back(v);
    graph.output_names.push_back("out" + std::to_string(graph.outputs.size()));
  }
  std::vector<double> expected() const {
    auto result = ops::evaluate(graph, inputs);
    EXPECT_TRUE(result.ok()) << result.status().to_string();
    return result.ok() ? (*result)[0].to_doubles() : std::vector<double>{};
  }

  Graph graph;
  std::vector<Tensor> inputs;
  ValueId scores = -1, probabilities = -1;

 private:
  std::mt19937_64 random_{7};
};

Model transformer(int64_t batch, int64_t tokens, int64_t width, int64_t count, int layers = 1) {
  Model m;
  ValueId x = m.input({batch, tokens, width}), mask = m.input({batch, 1, 1, tokens});
  mask = m.add("multiply", {mask, m.spread(m.weights({}), {batch, 1, 1, tokens}, {})});
  for (int i = 0; i < layers; ++i) x = m.layer(x, mask, count);
  m.output(x);
  return m;
}

std::map<std::string, int> count_ops(const Graph& graph, const std::vector<int>& nodes) {
  std::map<std::string, int> counts;
  for (int n : nodes) ++counts[graph.nodes[static_cast<size_t>(n)].op->name];
  return counts;
}

void expect_close(const std::vector<double>& actual, const std::vector<double>& expected,
                  double bound) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::isfinite(actual[i])) << "element " << i;
    worst = std::max(worst, std::fabs(actual[i] - expected[i]) / (1 + std::fabs(expected[i])));
  }
  EXPECT_LE(worst, bound);
}

TEST(Strips, ARegionWithoutWeightsIsTheAttentionOfOneLayer) {
  const Model m = transformer(4, 6, 128, 2, 2);
  // Of the last layer, though the mask connects both.
  const Region region = find_region(m.graph, m.scores, 0, 4, false);
  auto counts = count_ops(m.graph, region.nodes);
  EXPECT_EQ(counts["dot_general"], 2);
  EXPECT_EQ(counts["softmax"], 1);
  EXPECT_EQ(counts["layer_norm"], 0);
  EXPECT_EQ(region.cuts.at(m.probabilities), (Cut{0, 1}));
}

TEST(Strips, ByHeadsAsWell) {
  const Model m = transformer(1, 6, 128, 2);
  const Region region = find_region(m.graph, m.scores, 1, 2, false);
  EXPECT_EQ(count_ops(m.graph, region.nodes)["dot_general"], 2);
}

TEST(Strips, TheWidestRegionIsTheWholeModel) {
  const Model m = transformer(4, 6, 128, 2, 2);
  const Region region = find_region(m.graph, m.scores, 0, 4, true);
  EXPECT_EQ(count_ops(m.graph, region.nodes)["dot_general"], 12);
  EXPECT_EQ(count_ops(m.graph, region.nodes)["layer_norm"], 2);
}

TEST(Strips, NotOverADimensionThatAnOperatorNeedsWhole) {
  const Model m = transformer(4, 6, 8, 2);
  const Region region = find_region(m.graph, m.scores, 3, 6, false);
  EXPECT_EQ(count_ops(m.graph, region.nodes)["softmax"], 0);
}

TEST(Strips, PartsOfAMergedDimension) {
  Model m;
  const ValueId x = m.input({4, 6, 8});
  const ValueId rows = m.add("reshape", {m.add("tanh", {x})}, {{"shape", Shape{24, 8}}});
  const ValueId y = m.dense(rows, 10);
  m.output(m.add("reshape", {m.add("relu", {y})}, {{"shape", Shape{4, 6, 10}}}));
  Region region = find_region(m.graph, y, 0, 4, true);
  EXPECT_EQ(region.cuts.at(y), (Cut{0, 6}));
  EXPECT_EQ(count_ops(m.graph, region.nodes)["tanh"], 1);
}

// A region makes what it reads again through an operator that is not parallel: one end of it stays
// outside.
TEST(Strips, NoRoundTrips) {
  Model m;
  const ValueId x = m.add("tanh", {m.input({4, 6})});
  const ValueId all = m.add("reverse", {x}, {{"dimensions", Integers{0}}});
  const ValueId y = m.add("softmax", {m.add("add", {x, all})});
  m.output(y);
  for (ValueId seed : {x, y}) {
    Region region = find_region(m.graph, seed, 0, 4, true);
    ASSERT_FALSE(region.nodes.empty());
    region.strips = 2;
    auto split = split_into_strips(m.graph, {region});
    ASSERT_TRUE(split.ok()) << split.status().to_string();
    auto result = ops::evaluate(*split, m.inputs);
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    EXPECT_EQ((*result)[0].to_doubles(), m.expected());
  }
}

// Every value of the model as the seed, each of its dimensions, each number of strips: the graph
// means the same.
TEST(Strips, TheSplitGraphMeansTheSame) {
  Model m = transformer(4, 6, 8, 2);
  ValueId padded = m.add(
      "pad", {m.graph.outputs[0], m.weights({})},
      {{"low", Integers{0, 1, 0}}, {"high", Integers{0, 1, 0}}, {"interior", Integers{0, 0, 0}}});
  ValueId joined =
      m.add("concatenate", {padded, m.add("tanh", {padded})}, {{"dimension", int64_t{1}}});
  ValueId images = m.add("reshape", {joined}, {{"shape", Shape{4, 2, 8, 8}}});
  ValueId convolved = m.add("convolution", {images, m.weights({4, 2, 3, 3})});
  ValueId pooled =
      m.add("reduce_window", {convolved},
            {{"window_dimensions", Integers{1, 1, 2, 2}}, {"function", std::string("maximum")}});
  m.graph.outputs = {m.add("cumsum", {m.add("reduce", {pooled}, {{"dimensions", Integers{3}}})},
                           {{"axis", int64_t{1}}})};
  const std::vector<double> expected = m.expected();
  int splits = 0;
  for (size_t v = 0; v < m.graph.values.size(); ++v) {
    const auto seed = static_cast<ValueId>(v);
    const Shape shape = m.graph.type(seed).shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      for (bool weights : {false, true}) {
        Region region = find_region(m.graph, seed, static_cast<int>(d), shape[d], weights);
        if (region.nodes.empty()) continue;
        region.strips = shape[d] % 2 == 0 ? 2 : shape[d];
        auto split = split_into_strips(m.graph, {region});
        ASSERT_TRUE(split.ok()) << split.status().to_string();
        ASSERT_TRUE(ops::verify(*split).ok()) << ops::verify(*split).to_string();
        auto result = ops::evaluate(*split, m.inputs);
        ASSERT_TRUE(result.ok()) << result.status().to_string();
        ASSERT_EQ((*result)[0].to_doubles(), expected)
            << "seed " << seed << " dimension " << d << "\n"
            << ops::to_text(*split);
        ++splits;
      }
    }
  }
  EXPECT_GT(splits, 50);
}

int64_t scratch_traffic(const isa::Program& program) {
  int64_t elements = 0;
  for (const isa::Instruction& instruction : program.instructions) {
    for (int i = 0; i < isa::kMaxOperands; ++i) {
      if (!program.has_operand(instruction, i)) continue;
      const isa::AccessPattern& pattern = program.operand(instruction, i);
      const isa::Buffer& buffer = program.buffer(pattern);
      bool scratch = buffer.space == isa::Space::kHbm && buffer.role == isa::BufferRole::kScratch;
      if (scratch) elements += pattern.elements();
    }
  }
  return elements;
}

// How often the program comes back to an operator of that kind.
int stretches(const isa::Program& program, const std::string& op) {
  int count = 0;
  int32_t previous = -1;
  for (const isa::Instruction& instruction : program.instructions) {
    if (instruction.operator_index == previous) continue;
    previous = instruction.operator_index;
    count += previous >= 0 && program.operators[static_cast<size_t>(previous)].op == op;
  }
  return count;
}

// A batch that does not fit SBUF moves no more through HBM than its parts that do, and reports have
// one row an operator.
TEST(Strips, ModelsThatDoNotFitRunInStrips) {
  const TestChip chip{"24 KB a partition", "{sbuf.bytes_per_partition: 24576}"};
  const Model m = transformer(16, 64, 128, 4), part = transformer(2, 64, 128, 4);
  auto program = compile(m.graph, core_of(chip), {});
  auto small = compile(part.graph, core_of(chip), {});
  ASSERT_TRUE(program.ok() && small.ok());
  EXPECT_EQ(stretches(*small, "softmax"), 1);
  EXPECT_GT(stretches(*program, "softmax"), 1);
  EXPECT_LE(scratch_traffic(*program), 8 * scratch_traffic(*small));
  EXPECT_EQ(program->operators.size(), small->operators.size());
  double flops = 0, small_flops = 0;
  for (const isa::OperatorInfo& info : program->operators) flops += info.flops;
  for (const isa::OperatorInfo& info : small->operators) small_flops += info.flops;
  EXPECT_NEAR(flops, 8 * small_flops, 1);
  auto actual = run_on(core_of(chip), m.graph, m.inputs);
  ASSERT_TRUE(actual.ok()) << actual.status().to_string();
  expect_close((*actual)[0], m.expected(), 2e-4);
}

TEST(Strips, ModelsThatDoNotFitComputeTheSameOnOtherChips) {
  for (const char* bytes : {"8192", "12288", "20480"}) {
    const std::string changes = std::string("{sbuf.bytes_per_partition: ") + bytes + "}";
    const TestChip chip{bytes, changes.c_str()};
    for (auto [batch, tokens] : {std::pair<int64_t, int64_t>{6, 70}, {1, 160}}) {
      const Model m = transformer(batch, tokens, 64, 2);
      auto actual = run_on(core_of(chip), m.graph, m.inputs);
      ASSERT_TRUE(actual.ok()) << actual.status().to_string();
      expect_close((*actual)[0], m.expected(), 2e-4);
    }
  }
}

// A concatenate whose operands nobody else reads moves nothing.
TEST(Concatenate, OperandsAreWrittenIntoTheirPlaces) {
  const auto& core = core_of(testing::kChips[0]);
  for (int64_t dimension : {0, 1, 2}) {
    Model m;
    ValueId x = m.input({4, 128, 8});
    ValueId y =
        m.add("concatenate", {m.add("tanh", {x}), m.add("relu", {x}), m.add("exponential", {x})},
              {{"dimension", dimension}});
    m.output(m.add("softmax", {y}));
    auto program = compile(m.graph, core, {});
    ASSERT_TRUE(program.ok()) << program.status().to_string();
    for (const isa::Instruction& instruction : program->instructions)
      EXPECT_NE(instruction.queue, isa::Queue::kDmaMove);
    auto actual = run_on(core, m.graph, m.inputs);
    ASSERT_TRUE(actual.ok()) << actual.status().to_string();
    expect_close((*actual)[0], m.expected(), 1e-5);
  }
}

}  // namespace
}  // namespace thorong::compiler
