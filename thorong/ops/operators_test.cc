// SPDX-License-Identifier: Apache-2.0
// Runs the cases of ops/operators/*.test. A case is a block of lines between empty lines; `#`
// starts a comment.
//   op NAME                        the operator
//   attr KEY VALUE                 12, 1.5, [1, 2], [1.0, 2.5] or a word
//   in FORMAT[DIMS] VALUES         an operand: numbers, nan, inf, true, false; `iota`; `fill V`;
//   `in none`: absent const FORMAT[DIMS] VALUES      an operand that must be a constant out
//   FORMAT[DIMS] VALUES        a result, one line each tolerance T                    |found -
//   expected| <= T (1 + |expected|); absent: 1e-6 for floats, else exact error TEXT instead of
//   `out`: building or running fails with TEXT in the message no_folding                     runs
//   the case with inputs only
// Each case runs as a graph with inputs, by constant folding, and, where there is a decomposition,
// by that.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <sstream>

#include "thorong/base/text_cases.h"
#include "thorong/ops/operator.h"

namespace thorong::ops {
namespace {

struct Operand {
  Tensor tensor;
  bool constant = false;
};

struct Case {
  std::string where, op, error;
  Attributes attributes;
  std::vector<Operand> operands;
  std::vector<Tensor> expected;
  double tolerance = -1;
  bool folding = true;
};

// ---- Reading ----

// Exact for 64-bit integers, which doubles are not.
Tensor make_tensor(const TensorType& type, const std::vector<std::string>& words) {
  const bool integers = !numerics::is_float(type.format);
  std::vector<int64_t> whole;
  std::vector<double> numbers;
  for (const std::string& word : words) {
    const bool unsigned_word = type.format == Format::kUint64;
    if (integers && word != "true" && word != "false") {
      whole.push_back(unsigned_word ? static_cast<int64_t>(std::stoull(word)) : std::stoll(word));
    } else {
      whole.push_back(word == "true" ? 1 : 0);
      numbers.push_back(integers ? 0 : std::stod(word));
    }
  }
  if (!integers) return Tensor::from_doubles(type, numbers);
  std::byte* writable = nullptr;
  Tensor tensor = Tensor::allocate(type, &writable);
  const int bits = numerics::info(type.format).bits;
  for (size_t i = 0; i < whole.size(); ++i) {  // the low bits are the value in every integer format
    if (bits < 8) whole[i] &= (1 << bits) - 1;
    std::copy_n(reinterpret_cast<const std::byte*>(&whole[i]), numerics::byte_size(type.format),
                writable + i * numerics::byte_size(type.format));
  }
  return tensor;
}

TensorType parse_type(const std::string& text) {
  const size_t bracket = text.find('[');
  const std::optional<Format> format = numerics::parse_format(text.substr(0, bracket));
  EXPECT_TRUE(format && bracket != std::string::npos) << "not a type: " << text;
  TensorType type{format.value_or(Format::kFloat32), {}};
  std::stringstream dimensions(text.substr(bracket + 1, text.size() - bracket - 2));
  for (std::string d; std::getline(dimensions, d, ',');) type.shape.push_back(std::stoll(d));
  return type;
}

Tensor parse_tensor(std::istringstream& line) {
  std::string word;
  line >> word;
  if (word == "none") return {};
  const TensorType type = parse_type(word);
  const auto elements = static_cast<size_t>(type.elements());
  std::vector<std::string> words;
  while (line >> word) words.push_back(word);
  if (words.size() == 1 && words[0] == "iota") {
    words.clear();
    for (size_t i = 0; i < elements; ++i) words.push_back(std::to_string(i));
  } else if (words.size() == 2 && words[0] == "fill") {
    words = std::vector<std::string>(elements, std::string(words[1]));
  }
  EXPECT_EQ(words.size(), elements) << "number of values of " << to_string(type.shape);
  words.resize(elements, "0");
  return make_tensor(type, words);
}

Attribute parse_attribute(std::string text) {
  if (text.front() == '[') {
    std::vector<int64_t> list;
    std::vector<double> numbers;
    const bool fractions = text.find('.') != std::string::npos;
    std::stringstream entries(text.substr(1, text.size() - 2));
    if (fractions) {
      for (std::string entry; std::getline(entries, entry, ',');)
        numbers.push_back(std::stod(entry));
      return numbers;
    }
    for (std::string entry; std::getline(entries, entry, ',');) list.push_back(std::stoll(entry));
    return list;
  }
  int64_t integer = 0;
  const char* end = text.data() + text.size();
  if (std::from_chars(text.data(), end, integer).ptr == end) return integer;
  double number = 0;
  if (std::from_chars(text.data(), end, number).ptr == end) return number;
  return text;
}

void read_line(const std::string& text, Case& result) {
  std::istringstream line(text);
  std::string keyword, rest;
  line >> keyword;
  if (keyword == "op") {
    line >> result.op;
  } else if (keyword == "in" || keyword == "const") {
    result.operands.push_back({parse_tensor(line), keyword == "const"});
  } else if (keyword == "out") {
    result.expected.push_back(parse_tensor(line));
  } else if (keyword == "tolerance") {
    line >> result.tolerance;
  } else if (keyword == "no_folding") {
    result.folding = false;
  } else if (keyword == "error") {
    std::getline(line >> std::ws, result.error);
  } else if (keyword == "attr") {
    std::string key;
    line >> key;
    std::getline(line >> std::ws, rest);
    result.attributes.set(key, parse_attribute(rest));
  } else {
    ADD_FAILURE() << "unknown keyword '" << keyword << "'";
  }
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::vector<Case> cases;
  for_case_lines(path, [&](const std::string& where, const std::string& text, bool first) {
    if (first) cases.emplace_back().where = where;
    SCOPED_TRACE(where);
    read_line(text, cases.back());
    return true;
  });
  return cases;
}

// ---- Running ----

enum class Mode { kInputs, kFolded, kDecomposed };

struct Built {
  Graph graph;
  std::vector<Tensor> inputs;
};

Result<Built> build(const Case& test, Mode mode) {
  Built built;
  std::vector<ValueId> ids;
  for (const Operand& operand : test.operands) {
    if (!operand.tensor) {
      ids.push_back(kNoValue);
    } else if (operand.constant || mode == Mode::kFolded) {
      ids.push_back(built.graph.add_constant("constant", operand.tensor));
    } else {
      ids.push_back(built.graph.add_input("input", operand.tensor.type));
      built.inputs.push_back(operand.tensor);
    }
  }
  if (mode != Mode::kFolded) built.graph.fold_limit = -1;
  THORONG_TRY(built.graph.outputs, built.graph.add(test.op, ids, test.attributes, "case"));
  if (mode == Mode::kDecomposed) {
    built.graph.fold_limit = int64_t{1} << 20;
    const Node node = built.graph.nodes.back();
    THORONG_TRY(built.graph.outputs, node.op->decompose(built.graph, node));
    remove_dead_nodes(built.graph);
    for (const Node& part : built.graph.nodes)
      EXPECT_NE(part.op, node.op) << "decomposes into itself";
  }
  THORONG_RETURN_IF_ERROR(verify(built.graph));
  return built;
}

Result<std::vector<Tensor>> run(const Case& test, Mode mode) {
  THORONG_TRY(const Built built, build(test, mode));
  return evaluate(built.graph, built.inputs);
}

void expect_equal(const Tensor& found, const Tensor& expected, double tolerance) {
  ASSERT_EQ(numerics::name(found.type.format), numerics::name(expected.type.format));
  ASSERT_EQ(found.type.shape, expected.type.shape);
  const std::vector<double> a = found.to_doubles(), b = expected.to_doubles();
  const std::vector<int64_t> a_whole = found.to_int64s(), b_whole = expected.to_int64s();
  const bool exact = !numerics::is_float(found.type.format) && tolerance < 0;
  if (tolerance < 0) tolerance = 1e-6;
  for (size_t i = 0; i < a.size(); ++i) {
    if (exact) {
      EXPECT_EQ(a_whole[i], b_whole[i]) << "element " << i;
    } else if (std::isnan(b[i]) || std::isinf(b[i])) {
      EXPECT_TRUE((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i])
          << "element " << i << ": " << a[i] << ", expected " << b[i];
    } else {
      EXPECT_NEAR(a[i], b[i], tolerance * (1 + std::fabs(b[i]))) << "element " << i;
    }
  }
}

void run_case(const Case& test) {
  const OperatorSpec* op = find_operator(test.op);
  ASSERT_NE(op, nullptr) << test.op;
  std::vector<Mode> modes{Mode::kInputs};
  if (test.folding) modes.push_back(Mode::kFolded);
  if (op->decompose && test.error.empty()) modes.push_back(Mode::kDecomposed);
  for (const Mode mode : modes) {
    SCOPED_TRACE(mode == Mode::kInputs   ? "with inputs"
                 : mode == Mode::kFolded ? "folded"
                                         : "decomposed");
    const Result<std::vector<Tensor>> results = run(test, mode);
    if (!test.error.empty()) {
      ASSERT_FALSE(results.ok()) << "no error";
      EXPECT_NE(results.status().message().find(test.error), std::string::npos)
          << results.status().to_string();
      EXPECT_NE(results.status().where().find(test.op), std::string::npos)
          << results.status().to_string();
      continue;
    }
    ASSERT_TRUE(results.ok()) << results.status().to_string();
    ASSERT_EQ(results->size(), test.expected.size()) << "number of results";
    for (size_t i = 0; i < results->size(); ++i)
      expect_equal((*results)[i], test.expected[i], test.tolerance);
  }
}

TEST(Operators, CasesOfTheTestFiles) {
  std::set<std::string> with_result, with_error;
  for (const auto& entry :
       std::filesystem::directory_iterator(THORONG_SOURCE_DIR "/thorong/ops/operators")) {
    if (entry.path().extension() != ".test") continue;
    for (const Case& test : read_cases(entry.path())) {
      SCOPED_TRACE(test.where + " " + test.op);
      run_case(test);
      (test.error.empty() ? with_result : with_error).insert(test.op);
    }
  }
  for (const OperatorSpec& op : all_operators()) {
    EXPECT_TRUE(with_result.contains(op.name)) << op.name << " has no case in a .test file";
    if (op.category != Category::kElementwise) {
      EXPECT_TRUE(with_error.contains(op.name)) << op.name << " has no error case in a .test file";
    }
  }
}

TEST(Operators, EachSourceFileHasATestFile) {
  for (const auto& entry :
       std::filesystem::directory_iterator(THORONG_SOURCE_DIR "/thorong/ops/operators")) {
    if (entry.path().extension() != ".cc") continue;
    std::filesystem::path test = entry.path();
    EXPECT_TRUE(std::filesystem::exists(test.replace_extension(".test"))) << test;
  }
}

}  // namespace
}  // namespace thorong::ops
