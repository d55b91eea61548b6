// SPDX-License-Identifier: Apache-2.0
// Weights in the order in which the program loads them, and how they are read from the file's.
#include <gtest/gtest.h>

#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/ops/operator_support.h"

namespace thorong::compiler {
namespace {

using numerics::Format;
using ops::ValueId;

TEST(Constants, ATransposedWeightIsReadStretchByStretch) {
  constexpr int64_t kOutputs = 150, kInputs = 200;
  std::vector<double> weights(kOutputs * kInputs);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<double>(i);
  ops::Graph graph;
  const ValueId x = graph.add_input("x", {Format::kFloat32, {4, kInputs}});
  const ValueId w = graph.add_constant(
      "w", ops::Tensor::from_doubles({Format::kFloat32, {kOutputs, kInputs}}, weights));
  graph.outputs = {
      *graph.add1("dot_general", {x, w},
                  ops::make_attributes({{"lhs_contracting_dimensions", std::vector<int64_t>{1}},
                                        {"rhs_contracting_dimensions", std::vector<int64_t>{1}}}))};
  graph.output_names = {"y"};
  int times = 0;
  CompileOptions options;
  options.constants_were_read = [&] { ++times; };
  const auto program = compile(graph, isa::core_parameters(*chip::load("trainium1")), options);
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  EXPECT_EQ(times, 3) << "64, 64 and 22 outputs";
  for (const isa::Buffer& buffer : program->buffers) {
    if (buffer.role != isa::BufferRole::kConstant) continue;
    const auto* cells = reinterpret_cast<const float*>(buffer.constant);
    for (int64_t k = 0; k < kInputs; ++k) {
      for (int64_t n = 0; n < kOutputs; ++n) {
        ASSERT_EQ(cells[k * kOutputs + n], static_cast<float>(n * kInputs + k)) << k << ", " << n;
      }
    }
  }
}

}  // namespace
}  // namespace thorong::compiler
