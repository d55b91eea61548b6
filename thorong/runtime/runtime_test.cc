// SPDX-License-Identifier: Apache-2.0
// Compile, load, execute: the same outputs for every run and thread count, the same times with and
// without values, and what is said of wrong inputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "frontends/onnx/model_writer.h"
#include "thorong/runtime/inputs.h"
#include "thorong/runtime/session.h"
#include "thorong/runtime/workload.h"

namespace thorong::runtime {
namespace {

using numerics::Format;
using ops::Tensor;

// y = softmax(relu(x W) + b), z = x W, with x [40, 64] and W [64, 96].
std::string small_model() {
  onnx::TestGraph graph;
  std::vector<float> weights(64 * 96), bias(96);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(static_cast<int>(i * 7919 % 1000) - 500) / 1000;
  }
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i) / 100;
  graph.initializers = {onnx::float_tensor("w", {64, 96}, weights),
                        onnx::float_tensor("b", {96}, bias)};
  graph.nodes = {onnx::node("MatMul", {"x", "w"}, {"z"}), onnx::node("Relu", {"z"}, {"r"}),
                 onnx::node("Add", {"r", "b"}, {"s"}), onnx::node("Softmax", {"s"}, {"y"})};
  graph.inputs = {onnx::value_info("x", 1, {{40}, {64}})};
  graph.outputs = {onnx::value_info("y", 1, {{40}, {96}}), onnx::value_info("z", 1, {{40}, {96}})};
  return onnx::model(graph.bytes());
}

Result<std::shared_ptr<const Program>> compiled(const Options& options = {}) {
  const std::string bytes = small_model();
  return compile_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), options);
}

report::Result run(const Options& options) {
  auto program = compiled(options);
  EXPECT_TRUE(program.ok()) << program.status().to_string();
  auto executable = Executable::load(*program);
  EXPECT_TRUE(executable.ok()) << executable.status().to_string();
  auto result = (*executable)->execute(options.inputs);
  EXPECT_TRUE(result.ok()) << result.status().to_string();
  return result.ok() ? *result : report::Result{};
}

std::vector<std::string> hashes(const report::Result& result) {
  std::vector<std::string> texts;
  for (const report::Output& output : result.outputs) texts.push_back(output.sha256);
  return texts;
}

TEST(Executable, TwoRunsGiveTheSameBits) {
  for (const bool stochastic : {false, true}) {
    SCOPED_TRACE(stochastic);
    Options options;
    options.seed = 7, options.auto_cast = compiler::AutoCast::kAll;
    options.stochastic_rounding = stochastic;
    auto program = compiled(options);
    ASSERT_TRUE(program.ok()) << program.status().to_string();
    auto executable = Executable::load(*program);
    ASSERT_TRUE(executable.ok());
    auto first = (*executable)->execute({}), second = (*executable)->execute({});
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(hashes(*first).size(), 2U);
    if (!stochastic) {
      EXPECT_EQ(hashes(*first), hashes(*second));
    }
    EXPECT_EQ(hashes(run(options)), hashes(*first)) << "another machine, the same seed";
    EXPECT_EQ(first->random_inputs, std::vector<std::string>{"x"});
  }
}

TEST(Executable, ThreadsDoNotShow) {
  for (const bool stochastic : {false, true}) {
    Options options;
    options.auto_cast = compiler::AutoCast::kMatmult, options.stochastic_rounding = stochastic;
    options.threads = 1;
    const std::vector<std::string> one = hashes(run(options));
    options.threads = 2;
    EXPECT_EQ(hashes(run(options)), one);
    options.threads = 5;
    EXPECT_EQ(hashes(run(options)), one);
  }
}

TEST(Executable, SeedsChangeRandomInputs) {
  Options options;
  const std::vector<std::string> zero = hashes(run(options));
  options.seed = 1;
  EXPECT_NE(hashes(run(options)), zero);
}

TEST(Executable, AgreesWithTheReference) {
  Options options;
  options.against_reference = true;
  const report::Result result = run(options);
  ASSERT_EQ(result.errors.size(), 2U);
  EXPECT_LT(result.errors.at("y").max_abs, 1e-6);
  EXPECT_LT(result.errors.at("z").max_abs, 1e-4);
  options.auto_cast = compiler::AutoCast::kMatmult;
  const double in_bf16 = run(options).errors.at("z").max_abs;
  EXPECT_GT(in_bf16, 1e-4);
  EXPECT_LT(in_bf16, 0.2);
}

TEST(Executable, ANotANumberIsNoAgreement) {
  // y = x a + x b, which fp16 operands make infinity minus infinity; z is NaN in both.
  onnx::TestGraph graph;
  graph.initializers = {onnx::float_tensor("a", {2, 1}, {1e6F, 0}),
                        onnx::float_tensor("b", {2, 1}, {0, -1e6F})};
  graph.nodes = {onnx::node("MatMul", {"x", "a"}, {"p"}), onnx::node("MatMul", {"x", "b"}, {"q"}),
                 onnx::node("Add", {"p", "q"}, {"y"}), onnx::node("Log", {"x"}, {"z"})};
  graph.inputs = {onnx::value_info("x", 1, {{1}, {2}})};
  graph.outputs = {onnx::value_info("y", 1, {{1}, {1}}), onnx::value_info("z", 1, {{1}, {2}})};
  const std::string bytes = onnx::model(graph.bytes());
  Options options;
  options.auto_cast = compiler::AutoCast::kMatmult;
  options.auto_cast_type = Format::kFloat16;
  options.against_reference = true;
  auto program = compile_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), options);
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  auto executable = Executable::load(*program);
  ASSERT_TRUE(executable.ok()) << executable.status().to_string();
  auto result =
      (*executable)->execute({{"x", Tensor::from_doubles({Format::kFloat32, {1, 2}}, {-1, -2})}});
  ASSERT_TRUE(result.ok()) << result.status().to_string();
  ASSERT_TRUE(std::isnan(result->outputs[0].tensor.to_doubles()[0]));
  EXPECT_TRUE(std::isinf(result->errors.at("y").max_abs));
  EXPECT_TRUE(std::isinf(result->errors.at("y").max_rel));
  EXPECT_TRUE(std::isinf(result->errors.at("y").rms));
  ASSERT_TRUE(std::isnan(result->outputs[1].tensor.to_doubles()[0]));
  EXPECT_EQ(result->errors.at("z").max_abs, 0);
  EXPECT_EQ(result->errors.at("z").rms, 0);
}

TEST(Executable, TimesDoNotDependOnValues) {
  for (const auto schedule : {sim::Schedule::kVendor, sim::Schedule::kBest}) {
    Options options;
    options.schedule = schedule;
    auto full = compiled(options);
    options.timing_only = true;
    auto timed = compiled(options);
    ASSERT_TRUE(full.ok() && timed.ok());
    const sim::Timing &a = (*full)->timing, &b = (*timed)->timing;
    EXPECT_EQ(a.end_ps, b.end_ps);
    EXPECT_EQ(a.busy_ps, b.busy_ps);
    ASSERT_EQ(a.instructions.size(), b.instructions.size());
    for (size_t i = 0; i < a.instructions.size(); ++i) {
      ASSERT_EQ(a.instructions[i].start_ps, b.instructions[i].start_ps) << i;
      ASSERT_EQ(a.instructions[i].end_ps, b.instructions[i].end_ps) << i;
    }
    auto executable = Executable::load(*timed);
    ASSERT_TRUE(executable.ok());
    auto result = (*executable)->execute({});
    ASSERT_TRUE(result.ok()) << result.status().to_string();
    for (const report::Output& output : result->outputs) EXPECT_TRUE(output.sha256.empty());
  }
}

TEST(Describe, FiguresOfHiddenLoadsAreNotModelledAndMoveNothing) {
  Options options;
  options.chip = "trainium2", options.timing_only = true;  // where they are assumed
  auto program = compiled(options);
  ASSERT_TRUE(program.ok()) << program.status().to_string();
  const report::Result result = describe(**program);
  const auto hidden = [](const std::string& text) {
    return text.find("taken as hidden") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(result.not_modelled.begin(), result.not_modelled.end(), hidden), 1);
  EXPECT_FALSE(result.assumed.empty());
  for (const auto& fact : result.assumed) {
    EXPECT_NE(fact.fact, "tensor.load_speedup");
    EXPECT_NE(fact.fact, "tensor.hidden_load_min_columns");
  }
}

TEST(Executable, RepeatsGiveTheBitsOfOneRun) {
  Options options;
  const std::vector<std::string> once = hashes(run(options));
  options.repeat = 3;
  EXPECT_EQ(hashes(run(options)), once);
}

TEST(Executable, StopsWhenInterrupted) {
  const std::atomic<bool> now{true};
  Options options;
  options.interrupted = &now;
  auto program = compiled(options);
  ASSERT_TRUE(program.ok());
  auto executable = Executable::load(*program);
  ASSERT_TRUE(executable.ok());
  EXPECT_EQ((*executable)->execute({}).status().code(), Code::kInterrupted);
}

TEST(Compile, AnUnknownChipOrBrokenModelIsAnError) {
  Options options;
  options.chip = "trainium99";
  EXPECT_EQ(compiled(options).status().code(), Code::kNotFound);
  const std::string bytes = "not a model";
  EXPECT_FALSE(compile_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), {}).ok());
  EXPECT_EQ(compile_file("/no/such/model.onnx", {}).status().code(), Code::kNotFound);
}

// ---- Inputs ----

const std::vector<Signature> kDeclared = {{"ids", {Format::kInt64, {2, 3}}},
                                          {"mask", {Format::kBfloat16, {4}}}};

Status inputs_status(const std::map<std::string, Tensor>& given) {
  std::vector<std::string> random;
  return complete_inputs(kDeclared, given, 0, false, &random).status();
}

TEST(Inputs, WrongOnesAreNamedWithTheRemedy) {
  const Tensor ids = Tensor::from_doubles({Format::kInt64, {2, 3}}, {0, 1, 2, 3, 4, 5});
  const Status unknown = inputs_status({{"idz", ids}});
  EXPECT_EQ(unknown.to_string(),
            "--input: the model has no input 'idz'. Its inputs are 'ids' int64 [2, 3], 'mask' "
            "bfloat16 [4].");
  const Status shape =
      inputs_status({{"ids", Tensor::from_doubles({Format::kInt64, {3}}, {0, 1, 2})}});
  EXPECT_EQ(shape.to_string(),
            "--input: input 'ids' has shape [3] and the model declares [2, 3]. Give an array of "
            "that shape, or bind symbolic dimensions with --dim.");
  const Status type = inputs_status(
      {{"ids", Tensor::from_doubles({Format::kFloat32, {2, 3}}, {0, 1, 2, 3, 4, 5})}});
  EXPECT_EQ(type.to_string(),
            "--input: input 'ids' is float32 and the model declares int64. Convert the array "
            "(NumPy: array.astype(...)).");
  EXPECT_TRUE(inputs_status({{"ids", ids}}).ok());
}

TEST(Inputs, RawWordsStandForNarrowFloats) {
  const Tensor raw = Tensor::from_doubles({Format::kUint16, {4}}, {0x3f80, 0x4000, 0, 0xbf80});
  std::vector<std::string> random;
  auto tensors = complete_inputs(kDeclared, {{"mask", raw}}, 0, false, &random);
  ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
  EXPECT_EQ((*tensors)[1].to_doubles(), (std::vector<double>{1, 2, 0, -1}));
  EXPECT_EQ(random, std::vector<std::string>{"ids"});
}

TEST(Inputs, RandomOnesDependOnSeedAndNameOnly) {
  const auto make = [](std::vector<Signature> declared, uint64_t seed) {
    std::vector<std::string> random;
    return *complete_inputs(declared, {}, seed, false, &random);
  };
  const Signature x{"x", {Format::kFloat32, {2000}}}, y{"y", {Format::kFloat32, {2000}}};
  const std::vector<double> values = make({x}, 3)[0].to_doubles();
  EXPECT_EQ(make({y, x}, 3)[1].to_doubles(), values);
  EXPECT_NE(make({y}, 3)[0].to_doubles(), values);
  EXPECT_NE(make({x}, 4)[0].to_doubles(), values);
  double sum = 0, squares = 0;
  for (const double v : values) sum += v, squares += v * v;
  EXPECT_NEAR(sum / 2000, 0, 0.1);
  EXPECT_NEAR(squares / 2000, 1, 0.15);
  for (const double v : make({{"i", {Format::kInt32, {50}}}}, 0)[0].to_doubles()) {
    EXPECT_TRUE(v == 0 || v == 1);
  }
  std::vector<std::string> random;
  EXPECT_FALSE(static_cast<bool>((*complete_inputs({x}, {}, 0, true, &random))[0]))
      << "no values where only times are asked for";
}

TEST(Workload, IsNamedAfterWhatItsProductsAre) {
  using ops::Graph;
  const auto graph = [](bool attention, bool convolution) {
    Graph g;
    ops::ValueId x = g.add_input("x", {Format::kFloat32, {4, 8}});
    ops::Attributes contract;
    contract.set("lhs_contracting_dimensions", std::vector<int64_t>{1});
    contract.set("rhs_contracting_dimensions", std::vector<int64_t>{1});
    if (attention) {
      ops::ValueId scores = *g.add1("dot_general", {x, x}, contract);
      EXPECT_TRUE(g.add1("softmax", {scores}).ok());
    } else {
      ops::ValueId w = g.add_constant(
          "w", ops::Tensor::from_doubles({Format::kFloat32, {8, 8}}, std::vector<double>(64)));
      EXPECT_TRUE(g.add1("dot_general", {x, w}, contract).ok());
    }
    if (convolution) {
      ops::ValueId image = g.add_input("image", {Format::kFloat32, {1, 3, 16, 16}});
      ops::ValueId w = g.add_constant(
          "f",
          ops::Tensor::from_doubles({Format::kFloat32, {8, 3, 3, 3}}, std::vector<double>(216)));
      EXPECT_TRUE(g.add1("convolution", {image, w}).ok());
    }
    return workload_kind(g);
  };
  EXPECT_EQ(graph(true, false), "inference-encoder");
  EXPECT_EQ(graph(true, true), "inference-vit");
  EXPECT_EQ(graph(false, true), "inference-cnn");
  EXPECT_EQ(graph(false, false), "");
}

TEST(Options, NamesOfCastsGoBothWays) {
  for (const char* text : {"none", "matmult", "all"}) {
    EXPECT_EQ(auto_cast_name(*parse_auto_cast(text)), text);
  }
  for (const char* text : {"bf16", "fp16", "tf32", "fp8_e4m3"}) {
    EXPECT_EQ(auto_cast_type_name(*parse_auto_cast_type(text)), text);
  }
  EXPECT_EQ(parse_auto_cast("some").status().to_string(),
            "--auto-cast: 'some' is not one of none, matmult, all.");
  EXPECT_FALSE(parse_auto_cast_type("fp4").ok());
}

}  // namespace
}  // namespace thorong::runtime
