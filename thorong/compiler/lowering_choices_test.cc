// SPDX-License-Identifier: Apache-2.0
// Which instructions some lowerings choose, counted in the program. That they compute the right
// values is the business of the random graphs in end_to_end_test.cc.
#include <gtest/gtest.h>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler {
namespace {

using isa::Opcode;
using numerics::Format;
using ops::Shape;
using ops::ValueId;

class Model {
 public:
  ValueId input(const Shape& shape) {
    return graph_.add_input("x" + std::to_string(graph_.inputs.size()), {Format::kFloat32, shape});
  }
  ValueId constant(const Shape& shape) {
    std::vector<double> values(static_cast<size_t>(ops::element_count(shape)), 0.25);
    return graph_.add_constant("w", ops::Tensor::from_doubles({Format::kFloat32, shape}, values));
  }
  template <typename... Rest>
  ValueId add(Rest&&... rest) {
    auto value = graph_.add1(std::forward<Rest>(rest)...);
    EXPECT_TRUE(value.ok()) << value.status().to_string();
    return value.ok() ? *value : -1;
  }
  isa::Program compiled(ValueId y, const CompileOptions& options = {}) {
    graph_.outputs = {y}, graph_.output_names = {"y"};
    auto program = compile(graph_, isa::core_parameters(*chip::load("trainium1")), options);
    EXPECT_TRUE(program.ok()) << program.status().to_string();
    return *std::move(program);
  }

 private:
  ops::Graph graph_;
};

template <typename Visit>
int64_t count(const isa::Program& program, Opcode opcode, Visit visit) {
  int64_t found = 0;
  for (const isa::Instruction& one : program.instructions) {
    found += static_cast<Opcode>(one.opcode) == opcode && visit(one) ? 1 : 0;
  }
  return found;
}

int64_t count(const isa::Program& program, Opcode opcode) {
  return count(program, opcode, [](const isa::Instruction&) { return true; });
}

ValueId max_pool(Model& model, ValueId x, int64_t size, int64_t stride, int64_t padding) {
  return model.add("reduce_window", std::vector<ValueId>{x},
                   ops::make_attributes({{"function", std::string("maximum")},
                                         {"window_dimensions", Shape{1, 1, size, size}},
                                         {"window_strides", Shape{1, 1, stride, stride}},
                                         {"padding_low", Shape{0, 0, padding, padding}},
                                         {"padding_high", Shape{0, 0, padding, padding}}}));
}

ValueId convolution(Model& model, ValueId x, const Shape& w) {
  return model.add(
      "convolution", std::vector<ValueId>{x, model.constant(w)},
      ops::make_attributes(
          {{"strides", Shape{1, 1}}, {"padding_low", Shape{0, 0}}, {"padding_high", Shape{0, 0}}}));
}

TEST(LoweringChoices, PoolingCopiesNoPaddingWhereFewWindowsReachIt) {
  Model model;
  auto program = model.compiled(max_pool(model, model.input({1, 16, 32, 32}), 3, 2, 1));
  EXPECT_EQ(count(program, Opcode::tensor_reduce), 4);  // inside, first row, first column, corner
  EXPECT_EQ(count(program, Opcode::memset), 0);
}

TEST(LoweringChoices, PoolingCopiesPaddingWhereManyWindowsReachIt) {
  Model model;
  auto program = model.compiled(max_pool(model, model.input({1, 16, 19, 19}), 13, 1, 6));
  EXPECT_EQ(count(program, Opcode::tensor_reduce), 1);
  EXPECT_EQ(count(program, Opcode::memset), 1);
}

TEST(LoweringChoices, AMaximumIsTakenInTheFormatOfItsReaders) {
  Model model;
  ValueId first = convolution(model, model.input({1, 16, 16, 16}), {16, 16, 1, 1});
  ValueId last = convolution(model, max_pool(model, first, 2, 2, 0), {8, 16, 1, 1});
  auto program = model.compiled(last, {.auto_cast = AutoCast::kMatmult});
  EXPECT_EQ(count(program, Opcode::tensor_reduce,
                  [&](const isa::Instruction& one) {
                    return program.operand(one, 0).format == Format::kBfloat16 &&
                           program.operand(one, 1).format == Format::kBfloat16;
                  }),
            1);
}

TEST(LoweringChoices, ShortRowsOfASoftmaxAreDoneTogether) {
  Model model;
  auto attributes = ops::make_attributes({{"axis", int64_t{-1}}});
  auto program = model.compiled(
      model.add("softmax", std::vector<ValueId>{model.input({128, 64, 8})}, attributes));
  EXPECT_LE(count(program, Opcode::activation), 4);
  Model wide;
  auto rows = wide.compiled(
      wide.add("softmax", std::vector<ValueId>{wide.input({128, 4, 512})}, attributes));
  EXPECT_GE(count(rows, Opcode::activation), 4);  // one a row: they find the sum on the way
}

TEST(LoweringChoices, WeightsTimesTheirBroadcastScaleAreWeights) {
  Model model;
  ValueId scale = model.add(
      "broadcast_in_dim", std::vector<ValueId>{model.constant({32})},
      ops::make_attributes({{"shape", Shape{32, 16, 3, 3}}, {"broadcast_dimensions", Shape{0}}}));
  ValueId w = model.add("multiply", std::vector<ValueId>{model.constant({32, 16, 3, 3}), scale});
  ValueId y = model.add(
      "convolution", std::vector<ValueId>{model.input({1, 16, 8, 8}), w},
      ops::make_attributes(
          {{"strides", Shape{1, 1}}, {"padding_low", Shape{1, 1}}, {"padding_high", Shape{1, 1}}}));
  auto program = model.compiled(y);
  EXPECT_EQ(count(program, Opcode::custom_op), 0);
  EXPECT_EQ(count(program, Opcode::tensor_tensor), 0);
  EXPECT_GT(count(program, Opcode::nc_matmul), 0);
}

TEST(LoweringChoices, SmallProductsShareBanksOverAllBatchDimensions) {
  Model model;
  ValueId a = model.input({16, 8, 64, 8}), b = model.input({16, 8, 64, 8});
  Shape batch{0, 1}, contracting{2};
  auto product = model.add("dot_general", std::vector<ValueId>{a, b},
                           ops::make_attributes({{"lhs_batching_dimensions", batch},
                                                 {"rhs_batching_dimensions", batch},
                                                 {"lhs_contracting_dimensions", contracting},
                                                 {"rhs_contracting_dimensions", contracting}}));
  auto program = model.compiled(product);
  int64_t passes = count(program, Opcode::tensor_copy) + count(program, Opcode::activation);
  EXPECT_EQ(count(program, Opcode::nc_matmul), 128);
  EXPECT_LE(passes, 4);
}

// Bytes that are loaded from constants.
int64_t weight_traffic(const isa::Program& program) {
  int64_t bytes = 0;
  for (const isa::Instruction& one : program.instructions) {
    if (static_cast<Opcode>(one.opcode) != Opcode::dma_copy) continue;
    const isa::AccessPattern& from = program.operand(one, 1);
    if (program.buffer(from).role == isa::BufferRole::kConstant) bytes += from.bytes();
  }
  return bytes;
}

ValueId product(Model& model, ValueId x, ValueId w) {
  return model.add("dot_general", std::vector<ValueId>{x, w},
                   ops::make_attributes({{"lhs_batching_dimensions", Shape{}},
                                         {"rhs_batching_dimensions", Shape{}},
                                         {"lhs_contracting_dimensions", Shape{1}},
                                         {"rhs_contracting_dimensions", Shape{0}}}));
}

TEST(LoweringChoices, WeightsOfARecurrenceAreLoadedOnce) {
  Model model;
  ValueId w = model.constant({256, 256}), x = model.input({8, 256});
  for (int step = 0; step < 6; ++step)
    x = model.add("tanh", std::vector<ValueId>{product(model, x, w)});
  EXPECT_EQ(weight_traffic(model.compiled(x)), 256 * 256 * 4);
}

TEST(LoweringChoices, WeightsOfARecurrenceThatAreTooLargeToStayAreLoadedWithEachStep) {
  Model model;
  ValueId w = model.constant({2048, 2048}), x = model.input({8, 2048});  // 16 of SBUF's 24 MiB
  for (int step = 0; step < 4; ++step)
    x = model.add("tanh", std::vector<ValueId>{product(model, x, w)});
  EXPECT_EQ(weight_traffic(model.compiled(x)), int64_t{4} * 2048 * 2048 * 4);
}

TEST(LoweringChoices, WeightsOfARecurrenceDoNotStayWhereWhatItMakesNeedsTheRoom) {
  Model model;  // two states of 8 MiB beside 9 MiB of weights: more than residents may take
  ValueId w = model.constant({1536, 1536}), x = model.input({1408, 1536});
  for (int step = 0; step < 4; ++step)
    x = model.add("tanh", std::vector<ValueId>{product(model, x, w)});
  EXPECT_GE(weight_traffic(model.compiled(x)), int64_t{4} * 1536 * 1536 * 4);
}

TEST(LoweringChoices, WeightsThatIndependentProductsShareDoNotStay) {
  Model model;
  ValueId w = model.constant({256, 256}), sum = -1;
  for (int i = 0; i < 4; ++i) {
    ValueId y =
        model.add("tanh", std::vector<ValueId>{product(model, model.input({2048, 256}), w)});
    sum = sum < 0 ? y : model.add("add", std::vector<ValueId>{sum, y});
  }
  EXPECT_GE(weight_traffic(model.compiled(sum)), int64_t{4} * 256 * 256 * 4);
}

}  // namespace
}  // namespace thorong::compiler
