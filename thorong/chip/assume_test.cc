// SPDX-License-Identifier: Apache-2.0
#include "thorong/chip/assume.h"

#include <gtest/gtest.h>

#include "thorong/chip/loader.h"

namespace thorong::chip {
namespace {

Result<Chip> with(std::vector<Assumption> assumptions) { return load("trainium2", assumptions); }

TEST(Assume, AFigureIsReplacedForOneLoadAndSaysWhatStoodThere) {
  const Result<Chip> chip = with({{"tensor.min_issue_cycles", "128"}});
  ASSERT_TRUE(chip.ok()) << chip.status().to_string();
  const Figure& figure = *chip->find("tensor.min_issue_cycles");
  EXPECT_EQ(figure.value, 128);
  EXPECT_EQ(figure.unit, "cycles");
  EXPECT_EQ(name(figure.kind), "given");
  EXPECT_NE(figure.source.find("in place of 64 cycles (assumed; "), std::string::npos)
      << figure.source;
  ASSERT_EQ(chip->given.size(), 1u);
  EXPECT_EQ(chip->given[0].fact, "tensor.min_issue_cycles");
  EXPECT_EQ(chip->given[0].value, "128 cycles");
  EXPECT_EQ(chip->given[0].chip_value, "64 cycles");
  EXPECT_EQ(chip->given[0].chip_kind, "assumed");
  EXPECT_EQ(load("trainium2")->find("tensor.min_issue_cycles")->value, 64);
}

TEST(Assume, ValuesAreWrittenAsInTheChipFile) {
  for (const char* value : {"96", "96 cycles", "9.6e1 cycles", "{value: 96, unit: cycles}",
                            "{value: 96}", "96  Cycles"}) {
    const Result<Chip> chip = with({{"tensor.min_issue_cycles", value}});
    ASSERT_TRUE(chip.ok()) << value << ": " << chip.status().to_string();
    EXPECT_EQ(chip->at("tensor.min_issue_cycles"), 96) << value;
  }
}

TEST(Assume, ADocumentedFigureMayBeReplacedAndIsNamedSo) {
  const Result<Chip> chip = with({{"tensor.clock_hz", "2.8e9 Hz"}});
  ASSERT_TRUE(chip.ok()) << chip.status().to_string();
  EXPECT_EQ(chip->given[0].chip_kind, "published");
}

TEST(Assume, BadInputNamesTheFactAndTheRemedy) {
  const struct {
    const char *fact, *value, *message;
  } rows[] = {
      {"tensor.min_issue_cycles", "many", "must be a number, found 'many'"},
      {"tensor.min_issue_cycles", "1 2 3", "needs 'unit: cycles', but has '2 3'"},
      {"tensor.min_issue_cycles", "64 ns", "needs 'unit: cycles', but has 'ns'"},
      {"tensor.min_issue_cycles", "-1", "is -1, but must be"},
      {"tensor.min_issue_cycles", "nan", "must be a number"},
      {"tensor.min_issue_cycles", "{value: [1]}", "must be a single value"},
      {"tensor.min_issue_cycles", "{value: 1", "is not YAML"},
      {"tensor.min_issue_cycles", " ", "is empty"},
      {"tensor.min_isue_cycles", "1", "did you mean 'tensor.min_issue_cycles'?"},
      {"min_issue_cycles", "1", "did you mean 'tensor.min_issue_cycles', "},
      {"vector.frobnicate_the_whole_engine", "1", "there are 'vector."},
      {"nothing.of.the.kind", "1", "it names figures of the blocks 'package', 'tensor'"},
      {"", "1", "has no figure ''"},
      {"tensor.rows", "64", "without what is assumed"},  // SBUF is wider: verify()
  };
  for (const auto& row : rows) {
    const Result<Chip> chip = with({{row.fact, row.value}});
    ASSERT_FALSE(chip.ok()) << row.fact << "=" << row.value;
    EXPECT_NE(chip.status().to_string().find(row.message), std::string::npos)
        << row.fact << "=" << row.value << ": " << chip.status().to_string();
    EXPECT_NE(chip.status().to_string().find("assume"), std::string::npos);
  }
  const Result<Chip> twice =
      with({{"tensor.min_issue_cycles", "1"}, {"tensor.min_issue_cycles", "2"}});
  ASSERT_FALSE(twice.ok());
  EXPECT_NE(twice.status().to_string().find("is given twice"), std::string::npos);
}

TEST(Assume, TheCommandsFormIsNameEqualsValue) {
  const std::vector<std::string> good = {"a.b=1", "c.d={value: 2, unit: x=y}"};
  const auto parsed = parse_assumptions(good);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ((*parsed)[1].fact, "c.d");
  EXPECT_EQ((*parsed)[1].value, "{value: 2, unit: x=y}");
  for (const std::string bad : {"a.b", "=1", "a.b="}) {
    const auto refused = parse_assumptions(std::span(&bad, 1));
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_NE(refused.status().to_string().find("is not NAME=VALUE"), std::string::npos);
  }
}

}  // namespace
}  // namespace thorong::chip
