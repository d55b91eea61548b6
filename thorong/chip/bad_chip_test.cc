// SPDX-License-Identifier: Apache-2.0
// Every message of the loader and of the composition check, with the smallest file that causes it.
// A row's `text` is a whole file, a line under set:, or an edit of a shipped chip.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "thorong/chip/block_spec.h"
#include "thorong/chip/loader.h"

namespace thorong::chip {
namespace {

struct Bad {
  const char* text;
  const char* message;  // part of "where: message"
};

std::string shipped_text() {
  std::ifstream file(chips_folder() + "/trainium1.yaml");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string rejection(const std::string& yaml) {
  const Result<Chip> chip = parse(yaml, "bad.yaml", false);
  if (chip.ok()) return "accepted";
  EXPECT_TRUE(chip.status().code() == Code::kInvalidArgument ||
              chip.status().code() == Code::kNotFound);
  return chip.status().to_string();
}

void expect_rejected(const std::string& yaml, const char* message) {
  EXPECT_NE(rejection(yaml).find(message), std::string::npos)
      << "expected: " << message << "\nfound:    " << rejection(yaml)
      << "\nfor: " << yaml.substr(0, 200);
}

// One line under set: of a variant of trainium1.
void expect_set_rejected(const Bad& bad) {
  expect_rejected("base: trainium1\nset:\n  " + std::string(bad.text) + "\n", bad.message);
}

// The shipped file with one text replaced by another.
void expect_edit_rejected(const std::string& from, const std::string& to, const char* message) {
  std::string text = shipped_text();
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  expect_rejected(text.replace(at, from.size(), to), message);
}

TEST(BadChip, Syntax) {
  const Bad rows[] = {
      {"base: [trainium1", "bad.yaml:1:"},
      {"base: [trainium1", "is not YAML"},
      {"a: \"unfinished", "is not YAML"},
      {"\t- x: {", "is not YAML"},
      {"", "a chip file must be a map, found nothing"},
      {"just words", "bad.yaml:1:1: a chip file must be a map, found a single value"},
      {"- a\n- b\n", "a chip file must be a map, found a list"},
      {"base: trainium1\nbase: trainium2\n",
       "bad.yaml:2:1: 'base' occurs twice, first in line 1; remove one"},
      {"base: &b trainium1\n", "anchors (&) and aliases (*) are not part of the chip format"},
      {"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "anchors (&) and aliases (*)"},
      {"base: trainium1\n---\nbase: trainium2\n", "a chip file is one document"},
      {"{[1]: 2}", "a key must be a word, not a list"},
      {"a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "nested more than 12 deep"},
  };
  for (const Bad& row : rows) expect_rejected(row.text, row.message);
}

TEST(BadChip, Size) {
  expect_rejected(std::string(600000, '#'), "has 600000 bytes; a chip file has at most 524288");
  std::string many = "a: [";
  for (int i = 0; i < 60000; ++i) many += "1,";
  expect_rejected(many + "1]", "more than 50000 values");
  expect_rejected(std::string(5000, '['), "bad.yaml:1:");
}

TEST(BadChip, Header) {
  const Bad rows[] = {
      {"base: trainium1\ntitel: x\n",
       "bad.yaml:2:1: a chip file has no key 'titel'; did you mean 'title'?"},
      {"base: trainium1\nzzzzzzzz: x\n", "has no key 'zzzzzzzz'; it has 'schema', "},
      {"base: trainium1\ntensor:\n  rows: 256\n", "go under set: {BLOCK.KEY: ...}"},
      {"base: trainum1\n", "bad.yaml:1:7: there is no chip 'trainum1'; did you mean 'trainium1'?"},
      {"base: other.yaml\n", "base 'other.yaml' is a file; only shipped chips are allowed here"},
      {"base: [trainium1]\n", "base must be a single value, found a list"},
      {"base:\n", "base must be a single value, found nothing"},
      {"base: \"\"\n", "base is empty"},
      {"base: trainium1\nschema: thorong-chip/9\n",
       "schema is 'thorong-chip/9'; this version reads 'thorong-chip/1'"},
      {"base: trainium1\nname: a/b\n", "name must be at most 64 letters, digits"},
      {"base: trainium1\ngeneration: v9\n",
       "generation cannot be 'v9'; did you mean 'v1'? Legal: 'v1', 'v2', 'v3' and 'v4'"},
      {"name: x\n", "lacks generation: v1, v2, v3 or v4"},
      {"name: x\ngeneration: v2\n",
       "lacks instances: list machines with their price, or say price_reason:"},
      {"name: x\ngeneration: v2\nprice_reason: none sold\n",
       "lacks a block 'psum' of type accumulator_memory"},
      {"base: trainium1\nsources: [a]\n", "sources must be a map, found a list"},
      {"base: trainium1\nsources: {a: [b]}\n", "sources.a must be a single value, found a list"},
      {"base: trainium1\nblocks: {}\n", "blocks must be a list, found a map"},
      {"base: trainium1\nremove: gpsimd\n", "remove must be a list, found a single value"},
      {"base: trainium1\nremove: [gpsmid]\n",
       "bad.yaml:2:10: no block 'gpsmid' to remove; did you mean 'gpsimd'?"},
      {"base: trainium1\nnot_modelled: [[x]]\n",
       "not_modelled must be a single value, found a list"},
      {"base: trainium1\nset: []\n", "set must be a map, found a list"},
      {"base: trainium1\nprediction_errors: 3\n",
       "prediction_errors must be a list, found a single value"},
      {"base: trainium1\nprediction_errors: [{kind: x}]\n",
       "a prediction error lacks median; it needs"},
  };
  for (const Bad& row : rows) expect_rejected(row.text, row.message);
  expect_rejected("base: trainium1\ntitle: \"" + std::string(3000, 'x') + "\"\n",
                  "title has 3000 bytes; shorten it to 2000");
}

TEST(BadChip, SetLines) {
  const Bad rows[] = {
      {"cores: 4", "bad.yaml:3:3: set: names figures as block.parameter, found 'cores'"},
      {"vektor.lanes: 4", "the chip has no block 'vektor'; did you mean 'vector'?"},
      {"zzzzzzzzzz.lanes: 4", "the chip has no block 'zzzzzzzzzz'; it has 'package', 'tensor'"},
      {"vector.clok_hz: 4", "block 'vector' has no parameter 'clok_hz'; did you mean 'clock_hz'?"},
      {"dma.zzzzzzzzzzzzz: 4", "block 'dma' has no parameter 'zzzzzzzzzzzzz'; it has 'engines'"},
      {"vector.clock_hz: fast", "bad.yaml:3:20: 'vector.clock_hz' must be a number, found 'fast'"},
      {"vector.clock_hz: nan", "'vector.clock_hz' must be a number, found 'nan'"},
      {"vector.clock_hz: 1e999", "'vector.clock_hz' must be a number, found '1e999'"},
      {"vector.clock_hz: 1.4",
       "'vector.clock_hz' is 1.4, but must be from 1000 to 100000000000 hz (Clock of the engine.)"},
      {"vector.clock_hz: []", "value of 'vector.clock_hz' must be a single value, found a list"},
      {"vector.clock_hz:", "value of 'vector.clock_hz' must be a single value, found nothing"},
      {"package.cores: 2.5", "'package.cores' must be a whole number, found 2.5"},
      {"package.cores: 0", "'package.cores' is 0, but must be from 1 to 4096"},
      {"tensor.fp32_operands: float31",
       "'tensor.fp32_operands' cannot be 'float31'; legal words: 'float32' and 'bfloat16'"},
      {"hbm.bytes: {value: 32, unit: gib}", "'hbm.bytes' needs 'unit: bytes', but has 'gib'"},
      {"package.cores: {value: 2, unit: hz}",
       "'package.cores' is a count or factor without a unit, but has 'hz'; remove unit:"},
      {"package.cores: {valeu: 2}",
       "figure 'package.cores' has no key 'valeu'; did you mean 'value'?"},
      {"package.cores: {unit: hz}", "figure 'package.cores' lacks value"},
      {"package.cores: {value: 2, kind: published}",
       "figure 'package.cores' lacks source: say which document"},
      {"package.cores: {value: 2, kind: publishd, source: x y}",
       "kind of 'package.cores' cannot be 'publishd'; did you mean 'published'?"},
      {"package.cores: {value: 2, kind: derived, source: x y}",
       "is derived and lacks derivation: state the arithmetic"},
      {"package.cores: {value: 2, kind: calibrated, source: x y}",
       "is calibrated and lacks derivation"},
      {"package.cores: {value: 2, uncertainty: 11}",
       "uncertainty of 'package.cores' is 11, but must be from 0 to 10"},
      {"package.cores: {value: 2, uncertainty: much}",
       "uncertainty of 'package.cores' must be a number, found 'much'"},
  };
  for (const Bad& row : rows) expect_set_rejected(row);
}

TEST(BadChip, Composition) {
  const Bad rows[] = {
      {"sbuf.partitions: 64", "tensor.rows is 128, but sbuf.partitions is 64; make them equal"},
      {"psum.partitions: 64",
       "tensor.columns is 128, but psum.partitions is 64; lower tensor.columns to at most 64"},
      {"psum.partitions: 256", "'psum' has 256 partitions, but SBUF has 128"},
      {"vector.lanes: 64",
       "bad.yaml:3: vector.lanes is 64, but sbuf.partitions is 128; make them equal"},
      {"gpsimd.lanes: 256",
       "gpsimd.lanes is 256, but sbuf.partitions is 128; lower gpsimd.lanes to at most 128"},
      {"gpsimd.processors: 512", "'gpsimd' has 512 processors for 128 lanes"},
      {"tensor.moving_max_columns: 1024",
       "a PSUM bank holds 512 float32 values a partition; lower tensor.moving_max_columns to 512 "
       "or raise "
       "psum.bank_bytes_per_partition to 4096"},
      {"tensor.moving_max_columns: 8192", "the PSUM holds 4096 float32 values a partition"},
      {"hbm.bytes_per_second_per_core: 1e12",
       "one core may use 1000000000000 bytes/s, but the memory gives 820000000000"},
      {"hbm.bytes: 1048576", "the microcode of all cores takes 192000000; raise hbm.bytes"},
      {"package.power_budget_w: 20",
       "more than 2 times package.power_budget_w of 20 W; raise the budget"},
      {"package.area_budget_mm2: 100",
       "package.die_mm2 is 700, more than package.area_budget_mm2 of 100"},
      {"tensor.area_mm2: 400",
       "the blocks take 800 mm2 together, more than the 700 mm2 of the package; raise "
       "package.die_mm2"},
  };
  for (const Bad& row : rows) expect_set_rejected(row);
  expect_rejected("base: trainium1\nset: {tensor.area_mm2: 400, package.area_budget_mm2: 790}\n",
                  "raise package.area_budget_mm2");
  expect_rejected("base: trainium1\nremove: [dma]\n", "lacks a block 'dma' of type dma_engines");
  expect_rejected("base: trainium1\nset: {vector.lanes: 64, scalar.lanes: 64}\n", "(and 1 more)");
}

TEST(BadChip, EditsOfAShippedChip) {
  expect_edit_rejected(
      "kind: published, source: chip_v2", "source: chip_v2",
      "figure 'package.cores' lacks kind: say how sure it is, one of 'published', 'measured'");
  expect_edit_rejected("kind: published, source: chip_v2", "kind: published",
                       "figure 'package.cores' lacks source");
  expect_edit_rejected("source: chip_v2", "source: chip_v3",
                       "source of 'package.cores' names 'chip_v3', which is not under sources:; "
                       "did you mean 'chip_v2'?");
  expect_edit_rejected("{value: 2, kind: published, source: chip_v2}", "2",
                       "figure 'package.cores' must be a map {value:, unit:, kind:, source:}; only "
                       "set: takes a bare value");
  expect_edit_rejected("value: 2.8e9, unit: hz,", "value: 2.8e9,",
                       "'tensor.clock_hz' needs 'unit: hz', but has none");
  expect_edit_rejected("      clock_hz: {", "      clok_hz: {",
                       "parameters of 'tensor' has no key 'clok_hz'; did you mean 'clock_hz'?");
  expect_edit_rejected("      cores: {value: 2, kind: published, source: chip_v2}", "",
                       "block 'package' lacks cores (Physical cores on the chip.)");
  expect_edit_rejected("type: scratchpad", "type: scratchpd",
                       "type of block 'sbuf' cannot be 'scratchpd'; did you mean 'scratchpad'?");
  expect_edit_rejected("    type: scratchpad\n", "", "block 'sbuf' lacks type");
  expect_edit_rejected("name: sbuf", "name: sram",
                       "a block of type scratchpad must be named 'sbuf', found 'sram'");
  expect_edit_rejected("  - name: sbuf\n    type", "  - type", "a block lacks name");
  expect_edit_rejected("    connect: {operands: sbuf.engines, results: psum.engines}\n", "",
                       "port 'tensor.operands' is not connected (Reads both tiles, a row for every "
                       "partition.); add connect: "
                       "{operands: BLOCK.PORT} with a sbuf_port");
  expect_edit_rejected("operands: sbuf.engines", "operand: sbuf.engines",
                       "connect of 'tensor' has no key 'operand'; did you mean 'operands'?");
  expect_edit_rejected("operands: sbuf.engines", "operands: sbuf",
                       "is connected to 'sbuf', which no block offers");
  expect_edit_rejected("operands: sbuf.engines", "operands: hbm.dma",
                       "needs a sbuf_port, but 'hbm.dma' is a memory_port; connect it to "
                       "'sbuf.engines'");
  expect_edit_rejected("operands: sbuf.engines", "operands: vector.sbuf",
                       "which no block offers; a sbuf_port is 'sbuf.engines'");
  expect_edit_rejected("technology: {value: HBM2E,", "technology: {value: 2, unit: bytes,",
                       "accepted");
}

TEST(BadChip, Blocks) {
  expect_rejected("base: trainium1\nblocks:\n  - {name: sbuf, type: scratchpad}\n",
                  "there is a block 'sbuf' already; change its figures under set:, or list it "
                  "under remove: to replace it");
  expect_rejected("base: trainium1\nblocks: [x]\n", "a block must be a map, found a single value");
  expect_rejected(
      "base: trainium1\nremove: [sbuf]\nblocks:\n  - {name: sbuf, type: scratchpad, parameters: "
      "[]}\n",
      "parameters of 'sbuf' must be a map, found a list");
}

TEST(BadChip, Instances) {
  const std::string good =
      "name: x, chips: 1, usd_per_hour: 1, price_kind: estimate, price_date: '2026', source: a b";
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string row = good;
    row.replace(row.find(from), from.size(), to);
    return "base: trainium1\ninstances: [{" + row + "}]\n";
  };
  EXPECT_EQ(rejection(with("name: x", "name: y")), "accepted");
  expect_rejected(with("chips: 1, ", ""), "an instance lacks chips; it needs 'name', 'chips'");
  expect_rejected(with("chips: 1", "chip: 1"),
                  "an instance has no key 'chip'; did you mean 'chips'?");
  expect_rejected(with("chips: 1", "chips: 1.5"), "chips of instance 'x' must be a whole number");
  expect_rejected(with("chips: 1", "chips: 0"),
                  "chips of instance 'x' is 0, but must be from 1 to 1000000");
  expect_rejected(with("hour: 1", "hour: free"),
                  "usd_per_hour of instance 'x' must be a number, found 'free'");
  expect_rejected(with("hour: 1", "hour: 0"),
                  "usd_per_hour of instance 'x' is 0, but must be from");
  expect_rejected(with("estimate", "guess"), "price_kind of instance 'x' cannot be 'guess'");
  expect_rejected("base: trainium1\ninstances: []\n",
                  "is an empty list; say price_reason: why no price is known");
  expect_rejected("base: trainium1\ninstances: none\n",
                  "instances must be a list, found a single value");
}

// A chip made in memory meets verify() without the loader's checks before it.
TEST(Verify, FindsWhatTheLoaderWouldHave) {
  Chip chip = *parse("base: trainium1\n", "good.yaml", false);
  chip.blocks[1].parameters["clock_hz"].value = -1;
  chip.blocks[1].parameters["clok"] = Figure{};
  chip.blocks[2].connections["extra"] = "sbuf.engines";
  std::vector<Status> findings = verify(chip);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_NE(findings[0].message().find("'tensor.clock_hz' is -1"), std::string::npos);
  EXPECT_NE(findings[1].message().find("block 'tensor' has no parameter 'clok'"),
            std::string::npos);
  chip.blocks[1] = *parse("base: trainium1\n", "good.yaml", false)->find_block("tensor");
  findings = verify(chip);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_NE(
      findings[0].message().find("block 'vector' has no port 'extra' to connect; remove the line"),
      std::string::npos);
  chip.blocks.push_back(chip.blocks[2]);
  EXPECT_NE(verify(chip).at(0).message().find("there are two blocks 'vector'; remove one"),
            std::string::npos);
  chip.blocks.back().type = "warp_engine";
  EXPECT_NE(verify(chip).at(0).message().find("has the unknown type 'warp_engine'"),
            std::string::npos);
  EXPECT_FALSE(verify(Chip()).empty());
}

}  // namespace
}  // namespace thorong::chip
