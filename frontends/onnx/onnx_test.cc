// SPDX-License-Identifier: Apache-2.0
// The importer on models built here: what good ones mean, and that each kind of bad input ends in
// an error that says what is wrong. Values of whole operators are compared with the ONNX backend
// tests by thorong_onnx_eval.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "frontends/onnx/import_context.h"
#include "frontends/onnx/importer.h"
#include "frontends/onnx/model_writer.h"
#include "thorong/ops/operator.h"

namespace thorong::onnx {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

std::span<const std::byte> view(const std::string& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

Result<Model> import_text(const std::string& bytes, const ImportOptions& options = {},
                          const std::string& folder = {}) {
  auto owner = std::make_shared<const std::string>(bytes);
  return import_bytes(view(*owner), owner, folder, options);
}

std::string error_of(const Result<Model>& model) {
  return model.ok() ? "it was imported" : model.status().to_string();
}

// x [2, 3] -> nodes -> y
TestGraph simple(const std::vector<std::string>& nodes,
                 const std::vector<std::string>& initializers = {}) {
  return {nodes, initializers, {value_info("x", 1, {{2}, {3}})}, {value_info("y", 1, {})}};
}

std::vector<double> run(const Model& model, const std::vector<double>& x) {
  EXPECT_TRUE(ops::verify(model.graph).ok()) << ops::to_text(model.graph);
  std::vector<ops::Tensor> inputs;
  if (!model.inputs.empty()) inputs.push_back(ops::Tensor::from_doubles(model.inputs[0].second, x));
  auto outputs = ops::evaluate(model.graph, inputs);
  EXPECT_TRUE(outputs.ok()) << outputs.status().to_string();
  return outputs.ok() ? (*outputs)[0].to_doubles() : std::vector<double>();
}

std::vector<double> run_text(const std::string& bytes, const std::vector<double>& x) {
  auto imported = import_text(bytes);
  EXPECT_TRUE(imported.ok()) << error_of(imported);
  return imported.ok() ? run(*imported, x) : std::vector<double>();
}

const std::vector<double> kInput{1, 2, 3, 4, 5, 6};

// ---- Good models ----

TEST(Import, AddsAnInitializerByBroadcasting) {
  std::string bytes = model(
      simple({node("Add", {"x", "b"}, {"y"})}, {float_tensor("b", {3}, {10, 20, 30})}).bytes());
  EXPECT_EQ(run_text(bytes, kInput), (std::vector<double>{11, 22, 33, 14, 25, 36}));
}

TEST(Import, KeepsNamesAndFacts) {
  std::string bytes = model(
      simple({node("Neg", {"x"}, {"t"}, {}, {}, "first"), node("Exp", {"t"}, {"y"})}).bytes());
  auto imported = import_text(bytes);
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->graph.nodes[0].name, "first");
  EXPECT_EQ(imported->graph.nodes[1].name, "y");
  EXPECT_EQ(imported->graph.value(imported->graph.nodes[0].outputs[0]).name, "t");
  EXPECT_EQ(imported->graph.output_names, std::vector<std::string>{"y"});
  EXPECT_EQ(imported->inputs[0].first, "x");
  EXPECT_EQ(imported->producer, "thorong-test");
  EXPECT_EQ(imported->opset, 17);
  EXPECT_EQ(imported->sha256.get(), sha256_hex(view(bytes)));
}

TEST(Import, RawWeightsAreViewsOnTheFile) {
  std::string raw(24, '\0');
  auto bytes = std::make_shared<const std::string>(
      model(simple({node("Add", {"x", "w"}, {"y"})}, {raw_tensor("w", 1, {2, 3}, raw)}).bytes()));
  auto imported = import_bytes(view(*bytes), bytes, "", {});
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  bool is_view = false;
  for (const ops::Value& value : imported->graph.values) {
    auto* data = reinterpret_cast<const char*>(value.constant.data);
    is_view = is_view || (data >= bytes->data() && data < bytes->data() + bytes->size());
  }
  EXPECT_TRUE(is_view);
  EXPECT_EQ(imported->graph.initializer_bytes, 24U);
}

TEST(Import, SortsNodesAndDropsUnusedOnes) {
  std::string bytes = model(simple({node("Exp", {"t"}, {"y"}), node("Neg", {"x"}, {"t"}),
                                    node("Unheard", {"x"}, {"unused"})})
                                .bytes());
  auto imported = import_text(bytes);
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->graph.nodes.size(), 2U);
}

TEST(Import, InitializerThatIsAnInputIsNotRequired) {
  TestGraph graph = simple({node("Add", {"x", "b"}, {"y"})}, {float_tensor("b", {3}, {1, 1, 1})});
  graph.inputs.push_back(value_info("b", 1, {{3}}));
  auto imported = import_text(model(graph.bytes()));
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->inputs.size(), 1U);
}

TEST(Import, ShapeArithmeticFolds) {
  std::string bytes = model(simple({node("Shape", {"x"}, {"s"}), node("Gather", {"s", "i"}, {"d"}),
                                    node("Concat", {"d", "m"}, {"r"}, {int_attribute("axis", 0)}),
                                    node("Reshape", {"x", "r"}, {"y"})},
                                   {int64_tensor("i", {1}, {1}), int64_tensor("m", {1}, {-1})})
                                .bytes());
  auto imported = import_text(bytes);
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->graph.type(imported->graph.outputs[0]).shape, (ops::Shape{3, 2}));
  EXPECT_EQ(imported->graph.nodes.size(), 1U);
}

TEST(Import, OldSoftmaxFlattens) {
  TestGraph graph{{node("Softmax", {"x"}, {"y"}, {int_attribute("axis", 0)})},
                  {},
                  {value_info("x", 1, {{2}, {2}})},
                  {value_info("y", 1, {})}};
  for (double value : run_text(model(graph.bytes(), 11), {1, 1, 1, 1}))
    EXPECT_DOUBLE_EQ(value, 0.25);
  for (double value : run_text(model(graph.bytes(), 13), {1, 1, 1, 1}))
    EXPECT_DOUBLE_EQ(value, 0.5);
}

TEST(Import, FunctionsAreInlinedWithAttributes) {
  std::string body = node("LeakyRelu", {"a"}, {"b"}, {reference_attribute("alpha", "slope", 1)});
  std::string bytes =
      model(simple({node("Leak", {"x"}, {"y"}, {float_attribute("slope", 0.5F)}, "local")}).bytes(),
            17, {function("local", "Leak", {"a"}, {"b"}, {body})});
  EXPECT_EQ(run_text(bytes, {-2, 2, -4, 4, 0, 1}), (std::vector<double>{-1, 2, -2, 4, 0, 1}));
}

TEST(Import, KnownBranchIsTaken) {
  TestGraph then{{node("Neg", {"x"}, {"o"})}, {}, {}, {value_info("o", 1, {})}};
  TestGraph otherwise{{node("Exp", {"x"}, {"o"})}, {}, {}, {value_info("o", 1, {})}};
  std::string branches = node("If", {"c"}, {"y"},
                              {graph_attribute("then_branch", then.bytes()),
                               graph_attribute("else_branch", otherwise.bytes())});
  std::string bytes =
      model(simple({branches}, {raw_tensor("c", 9, {}, std::string(1, '\1'))}).bytes());
  EXPECT_EQ(run_text(bytes, kInput), (std::vector<double>{-1, -2, -3, -4, -5, -6}));
}

// ---- Symbolic dimensions ----

std::string symbolic_model() {
  TestGraph graph{{node("Add", {"a", "b"}, {"y"})},
                  {},
                  {value_info("a", 1, {{-1, "N"}, {3}}), value_info("b", 1, {{-1, "N"}, {-1}})},
                  {value_info("y", 1, {})}};
  return model(graph.bytes());
}

TEST(Dimensions, AreBoundByOptions) {
  ImportOptions options;
  options.dims = {{"N", 4}, {"b.1", 3}};
  auto imported = import_text(symbolic_model(), options);
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->inputs[0].second.shape, (ops::Shape{4, 3}));
  EXPECT_EQ(imported->inputs[1].second.shape, (ops::Shape{4, 3}));
}

TEST(Dimensions, AreBoundByGivenInputs) {
  ImportOptions options;
  options.input_types["b"] = {Format::kFloat32, {5, 3}};
  auto imported = import_text(symbolic_model(), options);
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(imported->inputs[0].second.shape, (ops::Shape{5, 3}));
}

TEST(Dimensions, UnboundOnesAreNamed) {
  std::string error = error_of(import_text(symbolic_model()));
  EXPECT_THAT(error, HasSubstr("\"N\" of input \"a\""));
  EXPECT_THAT(error, HasSubstr("--dim N=N"));
  EXPECT_THAT(error, HasSubstr("--dim b.1=N"));
}

TEST(Dimensions, ContradictionsAreErrors) {
  ImportOptions options;
  options.dims = {{"N", 4}, {"b.1", 3}};
  options.input_types["b"] = {Format::kFloat32, {5, 3}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)),
              HasSubstr("\"N\" is 4 by --dim N, but 5"));
  options.input_types["b"] = {Format::kFloat64, {4, 3}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)), HasSubstr("declares float32"));
  options.input_types = {{"a", {Format::kFloat32, {4, 2}}}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)),
              HasSubstr("declares dimension 1 as 3"));
  options.input_types = {{"a", {Format::kFloat32, {4}}}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)), HasSubstr("rank 2"));
  options.input_types = {{"z", {Format::kFloat32, {4}}}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)),
              HasSubstr("no such input; it has: a, b"));
}

TEST(Dimensions, UnknownNamesAreErrors) {
  ImportOptions options;
  options.dims = {{"M", 4}};
  EXPECT_THAT(error_of(import_text(symbolic_model(), options)),
              HasSubstr("no symbolic dimension \"M\"; they have: N, b.1"));
}

// ---- Damaged files ----

TEST(Damage, EmptyFile) { EXPECT_THAT(error_of(import_text("")), HasSubstr("empty")); }

TEST(Damage, MissingFile) {
  EXPECT_EQ(import_file("/nonexistent/m.onnx").status().code(), Code::kNotFound);
}

TEST(Damage, NotAModel) {
  EXPECT_THAT(error_of(import_text("this is a text file, not a model")),
              HasSubstr("not an ONNX model"));
  EXPECT_THAT(error_of(import_text(std::string("\x08\x08", 2))), HasSubstr("no graph"));
}

// Every prefix and every changed byte ends in a model or an error, never in a crash.
TEST(Damage, PrefixesAndChangedBytes) {
  std::string good =
      model(simple({node("Conv", {"x", "w"}, {"t"}, {int_attribute("group", 1)}),
                    node("Reshape", {"t", "s"}, {"y"})},
                   {float_tensor("w", {1, 1, 1}, {2}), int64_tensor("s", {2}, {2, 3})})
                .bytes());
  ImportOptions options;
  options.max_generated_elements = 1 << 16;
  for (size_t size = 0; size < good.size(); ++size) {
    auto imported = import_text(good.substr(0, size), options);
    if (size < good.size() / 2) {
      EXPECT_FALSE(imported.ok()) << size;
    }
  }
  for (size_t i = 0; i < good.size(); ++i) {
    for (int change : {1, 0x7f, 0x80, 0xff}) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ change);
      EXPECT_NE(error_of(import_text(changed, options)), "");
    }
  }
}

TEST(Damage, DeepGraphs) {
  TestGraph graph;
  for (int i = 0; i < 100; ++i) {
    std::string inner = graph.bytes();
    graph.nodes = {node("If", {"c"}, {"y"}, {graph_attribute("then_branch", inner)})};
  }
  EXPECT_THAT(error_of(import_text(model(graph.bytes()))), HasSubstr("nested deeper"));
}

// ---- Tensors ----

std::string with_weights(const std::string& tensor) {
  return model(simple({node("Add", {"x", "w"}, {"y"})}, {tensor}).bytes());
}

TEST(Tensors, SizesMustFit) {
  EXPECT_THAT(error_of(import_text(with_weights(float_tensor("w", {2, 3}, {1, 2})))),
              HasSubstr("needs 6 elements"));
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 1, {2, 3}, "abc")))),
              HasSubstr("needs 24 bytes"));
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 22, {3}, "a")))),
              HasSubstr("needs 2 bytes"));  // int4, packed
  int64_t huge = int64_t{1} << 40;
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 1, {huge, huge}, "")))),
              HasSubstr("too large"));
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 1, {-2}, "")))),
              HasSubstr("negative"));
}

TEST(Tensors, TypesMustBeKnown) {
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 99, {3}, "")))),
              HasSubstr("not an ONNX type"));
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 8, {3}, "")))),
              HasSubstr("holds 0 strings"));
  EXPECT_THAT(error_of(import_text(with_weights(raw_tensor("w", 14, {3}, "")))),
              HasSubstr("type complex64"));
}

TEST(Tensors, FormatsMustAgree) {
  EXPECT_THAT(error_of(import_text(with_weights(int64_tensor("w", {3}, {1, 2, 3})))),
              HasSubstr("equal formats"));
  TestGraph graph = simple({node("Neg", {"x"}, {"y"})});
  graph.outputs = {value_info("y", 7, {})};
  EXPECT_THAT(error_of(import_text(model(graph.bytes()))), HasSubstr("declares int64"));
}

class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    base_ = fs::temp_directory_path() / ("thorong_onnx_test_" + std::to_string(::getpid()));
    fs::create_directories(base_ / "model");
    write("model/data.bin", std::string(32, '\0'));
    write("outside.bin", std::string(32, '\0'));
  }
  void TearDown() override { fs::remove_all(base_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(base_ / name, std::ios::binary) << text;
  }

  Result<Model> import(const std::map<std::string, std::string>& entries) {
    return import_text(with_weights(external_tensor("w", {2, 3}, entries)), {},
                       (base_ / "model").string());
  }

  fs::path base_;
};

TEST_F(ExternalData, IsRead) {
  auto imported = import({{"location", "data.bin"}, {"offset", "8"}, {"length", "24"}});
  ASSERT_TRUE(imported.ok()) << error_of(imported);
  EXPECT_EQ(run(*imported, kInput), kInput);
  EXPECT_EQ(imported->external_files.size(), 1U);
}

TEST_F(ExternalData, MustStayInTheFolder) {
  fs::create_symlink(base_ / "outside.bin", base_ / "model" / "link.bin");
  for (const std::string location :
       {"../outside.bin", "/etc/passwd", "a/../../outside.bin", "", ".."}) {
    EXPECT_THAT(error_of(import({{"location", location}})), HasSubstr("does not lie inside"))
        << location;
  }
  EXPECT_THAT(error_of(import({{"location", "link.bin"}})), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error_of(import({{"location", "."}})), HasSubstr("not a regular file"));
}

TEST_F(ExternalData, MustBeThere) {
  EXPECT_THAT(error_of(import({{"location", "gone.bin"}})), HasSubstr("\"gone.bin\" is missing"));
  EXPECT_THAT(error_of(import({{"offset", "0"}})), HasSubstr("no \"location\""));
  auto bytes = with_weights(external_tensor("w", {2, 3}, {{"location", "data.bin"}}));
  EXPECT_THAT(error_of(import_text(bytes)), HasSubstr("without a folder"));
}

TEST_F(ExternalData, RangeMustFit) {
  for (const std::string offset : {"16", "9223372036854775807", "33"}) {
    EXPECT_THAT(error_of(import({{"location", "data.bin"}, {"offset", offset}})),
                HasSubstr("has 32 bytes"))
        << offset;
  }
  for (const std::string offset : {"-1", "x", "99999999999999999999", ""}) {
    EXPECT_THAT(error_of(import({{"location", "data.bin"}, {"offset", offset}})),
                HasSubstr("not a count"))
        << offset;
  }
  EXPECT_THAT(error_of(import({{"location", "data.bin"}, {"length", "20"}})),
              HasSubstr("length is 20"));
}

// ---- Graphs ----

TEST(Graphs, CyclesNameTheirNodes) {
  std::string bytes =
      model(simple({node("Add", {"x", "u"}, {"t"}, {}, {}, "left"),
                    node("Neg", {"t"}, {"u"}, {}, {}, "right"), node("Exp", {"u"}, {"y"})})
                .bytes());
  std::string error = error_of(import_text(bytes));
  EXPECT_THAT(error, HasSubstr("cycle"));
  EXPECT_THAT(error, HasSubstr("'left'"));
  EXPECT_THAT(error, HasSubstr("'right'"));
}

TEST(Graphs, NamesAreDefinedOnce) {
  EXPECT_THAT(error_of(import_text(
                  model(simple({node("Neg", {"x"}, {"y"}), node("Exp", {"x"}, {"y"})}).bytes()))),
              HasSubstr("'y' is defined twice"));
  EXPECT_THAT(error_of(import_text(model(simple({node("Neg", {"x"}, {"x"})}).bytes()))),
              HasSubstr("'x' is defined twice"));
  std::string b = float_tensor("b", {3}, {1, 1, 1});
  EXPECT_THAT(
      error_of(import_text(model(simple({node("Add", {"x", "b"}, {"y"})}, {b, b}).bytes()))),
      HasSubstr("two initializers"));
}

TEST(Graphs, NamesMustBeDefined) {
  EXPECT_THAT(error_of(import_text(model(simple({node("Neg", {"z"}, {"y"})}).bytes()))),
              HasSubstr("reads 'z'"));
  EXPECT_THAT(error_of(import_text(model(simple({node("Neg", {"x"}, {"z"})}).bytes()))),
              HasSubstr("output \"y\""));
  TestGraph graph = simple({node("Neg", {"x"}, {"y"})});
  graph.outputs.clear();
  EXPECT_THAT(error_of(import_text(model(graph.bytes()))), HasSubstr("no outputs"));
}

TEST(Graphs, UnknownOperatorsAreCollected) {
  std::string bytes = model(
      simple({node("Frobnicate", {"x"}, {"t"}, {}, {}, "n1"), node("Frobnicate", {"t"}, {"u"}),
              node("Twist", {"u"}, {"y"}, {}, "my.domain", "n3")})
          .bytes());
  auto imported = import_text(bytes);
  EXPECT_EQ(imported.status().code(), Code::kUnsupported);
  std::string error = error_of(imported);
  EXPECT_THAT(error, HasSubstr("Frobnicate (domain ai.onnx, version 17) at node 'n1' and 1 more"));
  EXPECT_THAT(error, HasSubstr("Twist (domain my.domain, version 1) at node 'n3'"));
}

// Before opset 7 only operators whose meaning has not changed since are done.
TEST(Graphs, OldMeaningsAreRefused) {
  EXPECT_TRUE(import_text(model(simple({node("Identity", {"x"}, {"y"})}).bytes(), 1)).ok());
  EXPECT_THAT(error_of(import_text(model(simple({node("Add", {"x", "x"}, {"y"})}).bytes(), 6))),
              HasSubstr("Add (domain ai.onnx, version 6)"));
  EXPECT_THAT(error_of(import_text(model(simple({node("Neg", {"x"}, {"y"})}).bytes(), 0))),
              HasSubstr("opset 0"));
}

TEST(Graphs, ShapesMustNotOverflow) {
  int64_t huge = int64_t{1} << 40;
  std::string bytes = model(
      simple({node("Expand", {"x", "s"}, {"y"})}, {int64_tensor("s", {4}, {huge, huge, 1, 1})})
          .bytes());
  EXPECT_THAT(error_of(import_text(bytes)), HasSubstr("2^63"));
  TestGraph graph = simple({node("Neg", {"x"}, {"y"})});
  graph.inputs = {value_info("x", 1, {{huge}, {huge}})};
  EXPECT_THAT(error_of(import_text(model(graph.bytes()))), HasSubstr("too large"));
}

TEST(Graphs, GeneratedConstantsAreBounded) {
  std::string bytes = model(simple({node("Range", {"a", "b", "c"}, {"y"})},
                                   {float_tensor("a", {}, {0}), float_tensor("b", {}, {1e30F}),
                                    float_tensor("c", {}, {1})})
                                .bytes());
  EXPECT_THAT(error_of(import_text(bytes)), HasSubstr("the limit is"));
}

std::string numbered(char letter, int number) {
  return std::string(1, letter).append(std::to_string(number));
}

TEST(Graphs, FunctionsMustEnd) {
  std::string bytes =
      model(simple({node("F", {"x"}, {"y"}, {}, "local")}).bytes(), 17,
            {function("local", "F", {"a"}, {"b"}, {node("F", {"a"}, {"b"}, {}, "local")})});
  EXPECT_THAT(error_of(import_text(bytes)), HasSubstr("must not call themselves"));
  std::vector<std::string> functions;  // each calls the next one twice
  for (int i = 0; i < 40; ++i) {
    std::string next = i == 39 ? "Neg" : numbered('F', i + 1), domain = i == 39 ? "" : "local";
    functions.push_back(
        function("local", numbered('F', i), {"a"}, {"c"},
                 {node(next, {"a"}, {"b"}, {}, domain), node(next, {"b"}, {"c"}, {}, domain)}));
  }
  ImportOptions options;
  options.max_nodes = 10000;
  EXPECT_THAT(
      error_of(import_text(
          model(simple({node("F0", {"x"}, {"y"}, {}, "local")}).bytes(), 17, functions), options)),
      HasSubstr("more than 10000 nodes"));
}

// x -> Loop of 100,000 iterations -> y, whose body makes `w` from the carried `v`.
std::string loop_of(const std::vector<std::string>& before, const std::string& first,
                    const std::vector<std::string>& body_nodes, const std::string& last) {
  TestGraph body{body_nodes,
                 {},
                 {value_info("i", 7, {}), value_info("c", 9, {}), value_info("v", 1, {})},
                 {value_info("c", 9, {}), value_info(last, 1, {})}};
  std::vector<std::string> nodes = before;
  nodes.push_back(node("Loop", {"m", "", first}, {"y"}, {graph_attribute("body", body.bytes())}));
  return model(simple(nodes, {int64_tensor("m", {}, {100'000})}).bytes(), 20);
}

TEST(Graphs, IterationsAreBounded) {
  ImportOptions options;
  options.max_nodes = 10000;
  const std::string error =
      error_of(import_text(loop_of({}, "x", {node("Neg", {"v"}, {"w"})}, "w"), options));
  EXPECT_THAT(error, HasSubstr("more than 10000 nodes"));
  TestGraph empty{{},
                  {},
                  {value_info("i", 7, {}), value_info("c", 9, {}), value_info("v", 1, {})},
                  {value_info("c", 9, {}), value_info("v", 1, {})}};
  const std::string inner =
      node("Loop", {"m", "", "v"}, {"w"}, {graph_attribute("body", empty.bytes())});
  EXPECT_THAT(error_of(import_text(loop_of({}, "x", {inner}, "w"), options)),
              HasSubstr("more than 10000 nodes"));
  std::vector<std::string> doubling{node("SequenceConstruct", {"x", "x"}, {"s0"})};
  for (int i = 0; i < 40; ++i) {
    const std::string whole = numbered('s', i), twice = i == 39 ? "y" : numbered('s', i + 1);
    doubling.push_back(node("SequenceConstruct", {whole, whole}, {twice}));
  }
  EXPECT_THAT(error_of(import_text(model(simple(doubling).bytes(), 20), options)),
              HasSubstr("nodes"));
}

TEST(Graphs, SequencesAndTextsAreBounded) {
  ImportOptions options;
  options.max_object_bytes = size_t{1} << 20;
  const std::string sequence = loop_of({node("SequenceEmpty", {}, {"s"})}, "s",
                                       {node("SequenceInsert", {"v", "x"}, {"w"})}, "w");
  EXPECT_THAT(error_of(import_text(sequence, options)), HasSubstr("more than 1 MiB"));
  const std::string text =
      loop_of({node("Constant", {}, {"s"}, {text_attribute("value_string", "text")})}, "s",
              {node("StringConcat", {"v", "v"}, {"w"})}, "w");
  EXPECT_THAT(error_of(import_text(text, options)), HasSubstr("more than 1 MiB"));
}

TEST(Graphs, AttributesMustHaveTheirType) {
  std::string bytes =
      model(simple({node("Softmax", {"x"}, {"y"}, {float_attribute("axis", 1)})}).bytes());
  EXPECT_THAT(error_of(import_text(bytes)), HasSubstr("attribute \"axis\""));
}

TEST(Graphs, MissingOperandsAreErrors) {
  const std::set<std::string> needs_none = {"Constant", "SequenceEmpty", "Optional", "RandomNormal",
                                            "RandomUniform"};
  for (const ImportRule& rule : all_rules()) {
    if (needs_none.contains(rule.op_type)) continue;
    std::string bytes = model(simple({node(rule.op_type, {}, {"y"}, {}, rule.domain)}).bytes(),
                              std::max<int64_t>(rule.since_version, 7));
    EXPECT_FALSE(import_text(bytes).ok()) << rule.op_type;
  }
}

TEST(Graphs, UnusableOperandsAreErrorsOrModels) {
  for (const ImportRule& rule : all_rules()) {
    for (int64_t version : {7, 10, 13, 18, 22}) {
      for (size_t count : {1U, 2U, 3U, 5U, 9U}) {
        std::vector<std::string> operands(count, "x");
        std::string bytes =
            model(simple({node(rule.op_type, operands, {"y", "z", "u"}, {}, rule.domain)}).bytes(),
                  version);
        EXPECT_NE(error_of(import_text(bytes)), "") << rule.op_type;
      }
    }
  }
}

}  // namespace
}  // namespace thorong::onnx
