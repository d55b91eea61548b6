// SPDX-License-Identifier: Apache-2.0
// Which operators run together, by exact counts on small graphs; the passes before; what reports
// say of fallbacks.
#include "thorong/compiler/groups.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/compiler/passes/passes.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler {
namespace {

using numerics::Format;
using ops::Graph;
using ops::make_attributes;
using ops::Shape;
using ops::Tensor;
using ops::ValueId;

class Builder {
 public:
  ValueId input(const Shape& shape, Format format = Format::kFloat32) {
    return graph.add_input("input" + std::to_string(graph.inputs.size()), {format, shape});
  }
  ValueId constant(const Shape& shape, double value = 0.5) {
    const std::vector<double> values(static_cast<size_t>(ops::element_count(shape)), value);
    return graph.add_constant("c", Tensor::from_doubles({Format::kFloat32, shape}, values));
  }
  ValueId add(const char* op, const std::vector<ValueId>& inputs,
              std::initializer_list<std::pair<const char*, ops::Attribute>> attributes = {}) {
    auto made = graph.add1(op, inputs, make_attributes(attributes), op);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? *made : 0;
  }
  ValueId dot(ValueId x, ValueId w) {
    return add("dot_general", {x, w},
               {{"lhs_contracting_dimensions", std::vector<int64_t>{1}},
                {"rhs_contracting_dimensions", std::vector<int64_t>{0}}});
  }
  void output(ValueId v) {
    graph.outputs.push_back(v);
    graph.output_names.push_back("out" + std::to_string(graph.outputs.size()));
  }
  // "anchor+op+op" of each group.
  std::vector<std::string> groups() const {
    std::vector<std::string> texts;
    for (const Group& group : form_groups(graph)) {
      const auto name = [&](int n) { return graph.nodes[static_cast<size_t>(n)].op->name; };
      std::string text = group.anchor >= 0 ? name(group.anchor) : "";
      for (const int n : group.elementwise) text += (text.empty() ? "" : "+") + name(n);
      texts.push_back(text + (group.by_reference ? " by reference" : ""));
    }
    return texts;
  }

  Graph graph;
};

using Texts = std::vector<std::string>;

TEST(Groups, ElementwiseOperatorsJoinTheProductTheyRefine) {
  Builder b;
  const ValueId x = b.input({8, 16}), y = b.dot(x, b.constant({16, 32}));
  const ValueId bias = b.add("broadcast_in_dim", {b.input({32})},
                             {{"shape", Shape{8, 32}}, {"broadcast_dimensions", Shape{1}}});
  b.output(b.add("relu", {b.add("add", {y, bias})}));
  EXPECT_EQ(b.groups(), Texts{"dot_general+add+relu"});
}

TEST(Groups, AValueThatOthersReadEndsItsGroup) {
  Builder b;
  const ValueId y = b.dot(b.input({8, 16}), b.constant({16, 32}));
  const ValueId r = b.add("relu", {y});
  b.output(b.add("tanh", {r}));
  b.output(r);
  EXPECT_EQ(b.groups(), (Texts{"dot_general+relu", "tanh"}));
}

TEST(Groups, AnAnchorsOperandsComeFromOutside) {
  // The sum feeds the product and the residual: it cannot be inside the product's group.
  Builder b;
  const ValueId x = b.input({16, 16});
  const ValueId t = b.add("tanh", {x});
  const ValueId y = b.dot(t, b.constant({16, 16}));
  b.output(b.add("add", {y, t}));
  EXPECT_EQ(b.groups(), (Texts{"tanh", "dot_general+add"}));
}

TEST(Groups, OneAnchorAGroup) {
  Builder b;
  const ValueId x = b.input({8, 16});
  b.output(b.add("add", {b.dot(x, b.constant({16, 32})), b.dot(x, b.constant({16, 32}, 0.25))}));
  const Texts groups = b.groups();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(std::count(groups.begin(), groups.end(), "dot_general"), 1);
  EXPECT_EQ(std::count(groups.begin(), groups.end(), "dot_general+add"), 1);
}

TEST(Groups, AChainWithoutAnAnchorIsOneGroup) {
  Builder b;
  ValueId x = b.input({8, 16});
  for (const char* op : {"tanh", "negate", "relu", "abs"}) x = b.add(op, {x});
  b.output(b.add("multiply", {x, x}));
  EXPECT_EQ(b.groups(), Texts{"tanh+negate+relu+abs+multiply"});
}

TEST(Groups, LongChainsAreCut) {
  Builder b;
  ValueId x = b.input({8, 16});
  for (int i = 0; i < 40; ++i) x = b.add("tanh", {x});
  b.output(x);
  const std::vector<Group> groups = form_groups(b.graph);
  EXPECT_EQ(groups.size(), 3U);
  for (const Group& group : groups) EXPECT_LE(group.elementwise.size(), 16U);
}

TEST(Groups, ViewsAreNoGroups) {
  Builder b;
  ValueId x = b.input({8, 16});
  x = b.add("transpose", {x}, {{"permutation", Shape{1, 0}}});
  b.output(b.add("reshape", {x}, {{"shape", Shape{128}}}));
  EXPECT_EQ(b.groups(), Texts{});
}

TEST(Groups, IntegersRunByReference) {
  Builder b;
  const ValueId i = b.input({8}, Format::kInt32);
  b.output(b.add("add", {i, i}));
  EXPECT_EQ(b.groups(), Texts{"add by reference"});
}

TEST(Groups, GroupsStandWhereTheirLastNodeStands) {
  Builder b;
  const ValueId x = b.input({8, 16});
  const ValueId y = b.dot(x, b.constant({16, 32}));
  const ValueId z = b.add("tanh", {b.input({8, 32})});
  b.output(b.add("add", {y, z}));
  int last = -1;
  for (const Group& group : form_groups(b.graph)) {
    EXPECT_GT(group.last(), last);
    last = group.last();
  }
}

TEST(Passes, DecomposeLeavesWhatTheTilesKnow) {
  Builder b;
  const ValueId x = b.input({4, 8});
  b.output(b.add("hard_swish", {b.add("softmax", {x}, {{"axis", int64_t{-1}}})}));
  b.output(b.add("softmax", {x}, {{"axis", int64_t{0}}}));  // no lowering for this axis
  ASSERT_TRUE(decompose(b.graph).ok());
  int softmaxes = 0;
  for (const ops::Node& node : b.graph.nodes) {
    EXPECT_NE(node.op->name, "hard_swish");
    softmaxes += node.op->name == "softmax";
  }
  EXPECT_EQ(softmaxes, 1);
  EXPECT_TRUE(ops::verify(b.graph).ok());
}

TEST(Passes, ADilatedInputIsPaddedWhereTheLoweringDoesNotTakeIt) {
  Builder plain;
  plain.output(plain.add("convolution", {plain.input({1, 2, 5, 5}), plain.constant({3, 2, 2, 2})},
                         {{"lhs_dilation", Shape{2, 3}}}));
  ASSERT_TRUE(dilate_inputs(plain.graph).ok());
  EXPECT_EQ(plain.graph.nodes.size(), 1U);
  Builder b;
  const ValueId x = b.input({1, 2, 5, 5});
  b.output(b.add(
      "convolution", {x, b.constant({3, 2, 2, 2})},
      {{"lhs_dilation", Shape{2, 3}}, {"padding_low", Shape{1, 1}}, {"strides", Shape{2, 1}}}));
  const Shape shape = b.graph.type(b.graph.outputs[0]).shape;
  ASSERT_TRUE(dilate_inputs(b.graph).ok());
  ASSERT_EQ(b.graph.nodes.size(), 2U);
  EXPECT_EQ(b.graph.nodes[0].op->name, "pad");
  EXPECT_EQ(b.graph.nodes[0].attributes.integers("interior"), (Shape{0, 0, 1, 2}));
  EXPECT_EQ(b.graph.nodes[1].attributes.integers("lhs_dilation"), (Shape{1, 1}));
  EXPECT_EQ(b.graph.type(b.graph.outputs[0]).shape, shape);
  EXPECT_TRUE(ops::verify(b.graph).ok());
}

TEST(Compile, NamesThePathOfEachOperator) {
  Builder b;
  const ValueId x = b.add("relu", {b.input({8, 16})});
  b.output(b.add("cumsum", {x}, {{"axis", int64_t{0}}}));
  for (const char* changes : {"set: {}", "remove: [gpsimd]"}) {
    const auto chip = chip::parse(std::string("base: trainium1\n") + changes + "\n", "test");
    ASSERT_TRUE(chip.ok()) << chip.status().to_string();
    const isa::CoreParameters core = isa::core_parameters(*chip);
    const auto program = compile(b.graph, core, {});
    ASSERT_TRUE(program.ok()) << program.status().to_string();
    std::map<std::string, std::string> paths;
    for (const isa::OperatorInfo& info : program->operators) paths[info.op] = info.path;
    EXPECT_EQ(paths.at("relu"), "tile");
    EXPECT_EQ(paths.at("cumsum"), core.has_gpsimd ? "gpsimd" : "host");
  }
}

TEST(Compile, SaysHowMuchMemoryIsMissing) {
  Builder b;
  const ValueId x = b.input({1024, 16384});  // 67 MB, twice, and 96 MB of microcode
  b.output(b.add("tanh", {x}));
  const auto chip = chip::parse("base: trainium1\nset: {hbm.bytes: 200000000}\n", "test");
  ASSERT_TRUE(chip.ok()) << chip.status().to_string();
  const auto program = compile(b.graph, isa::core_parameters(*chip), {.timing_only = true});
  ASSERT_EQ(program.status().code(), Code::kResourceExhausted);
  EXPECT_NE(program.status().message().find("needs 0.23 GB"), std::string::npos)
      << program.status().message();
}

TEST(Compile, TimingOnlyGivesTheSameInstructions) {
  Builder b;
  ValueId x = b.dot(b.input({40, 200}), b.constant({200, 300}));
  x = b.add("softmax", {x}, {{"axis", int64_t{-1}}});
  b.output(b.add("add", {x, b.constant({40, 300})}));
  const isa::CoreParameters core = isa::core_parameters(*chip::load("trainium1"));
  const auto full = compile(b.graph, core, {});
  const auto timed = compile(b.graph, core, {.timing_only = true});
  ASSERT_TRUE(full.ok() && timed.ok());
  ASSERT_EQ(full->instructions.size(), timed->instructions.size());
  for (size_t i = 0; i < full->instructions.size(); ++i) {
    EXPECT_EQ(full->instructions[i].opcode, timed->instructions[i].opcode);
    EXPECT_EQ(full->instructions[i].waits, timed->instructions[i].waits);
  }
  EXPECT_EQ(full->hbm_bytes, timed->hbm_bytes);
}

}  // namespace
}  // namespace thorong::compiler
