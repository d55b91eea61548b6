// SPDX-License-Identifier: Apache-2.0
// A convolution over a dilated input multiplies no zero: the multiply-adds of the program's matmuls
// are exactly those whose input exists, counted here by plain loops.
#include <gtest/gtest.h>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/ops/operator_support.h"
#include "thorong/ops/tensor_iteration.h"

namespace thorong::compiler {
namespace {

using numerics::Format;
using ops::Shape;
using ops::Tensor;

struct Case {
  Shape x, w;  // w: [O, C, kernel...]
  Shape spread, dilation, low, high;
};

int64_t useful_products(const Case& test, const Shape& out) {
  int64_t products = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    int64_t pairs = 0;  // of an output and a tap that read an element of the input
    for (int64_t o = 0; o < out[i]; ++o) {
      for (int64_t t = 0; t < test.w[i + 2]; ++t) {
        int64_t at = o + t * test.dilation[i] - test.low[i];
        pairs += at >= 0 && at % test.spread[i] == 0 && at / test.spread[i] < test.x[i + 2] ? 1 : 0;
      }
    }
    products *= pairs;
  }
  return products * test.x[0] * test.x[1] * test.w[0];
}

void expect_useful_products_only(const Case& test) {
  ops::Graph graph;
  graph.inputs = {graph.add_input("x", {Format::kFloat32, test.x})};
  std::vector<double> values(static_cast<size_t>(ops::element_count(test.w)), 0.5);
  ops::ValueId w =
      graph.add_constant("w", Tensor::from_doubles({Format::kFloat32, test.w}, values));
  auto y = graph.add1("convolution", {graph.inputs[0], w},
                      ops::make_attributes({{"strides", Shape(test.spread.size(), 1)},
                                            {"lhs_dilation", test.spread},
                                            {"rhs_dilation", test.dilation},
                                            {"padding_low", test.low},
                                            {"padding_high", test.high}}));
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  graph.outputs = {*y}, graph.output_names = {"y"};
  Shape out = graph.type(*y).shape;
  out.erase(out.begin(), out.begin() + 2);
  auto program = compile(graph, isa::core_parameters(*chip::load("trainium1")), {});
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  int64_t products = 0;
  for (const isa::Instruction& one : program->instructions) {
    if (static_cast<isa::Opcode>(one.opcode) != isa::Opcode::nc_matmul) continue;
    const isa::AccessPattern& stationary = program->operand(one, 1);
    products += stationary.elements() * program->operand(one, 2).free_elements();
  }
  EXPECT_EQ(products, useful_products(test, out));
}

TEST(TransposedConvolution, MultipliesNoZeros) {
  expect_useful_products_only({{1, 16, 12, 12}, {8, 16, 2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}});
  expect_useful_products_only({{2, 8, 7, 5}, {6, 8, 4, 4}, {2, 2}, {1, 1}, {2, 2}, {2, 2}});
  expect_useful_products_only({{1, 3, 50}, {4, 3, 3}, {4}, {1}, {2}, {3}});
  expect_useful_products_only({{1, 4, 6, 6}, {3, 4, 3, 2}, {2, 3}, {2, 3}, {4, 3}, {4, 5}});
  expect_useful_products_only(
      {{1, 4, 3, 4, 5}, {3, 4, 3, 2, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}});
  expect_useful_products_only({{1, 150, 40, 40}, {140, 150, 2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}});
}

}  // namespace
}  // namespace thorong::compiler
