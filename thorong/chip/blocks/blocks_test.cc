// SPDX-License-Identifier: Apache-2.0
// Rules that hold for every block type, and the peaks of each. A new type adds a row to
// `PeaksFollowFromParameters`.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "thorong/chip/block_spec.h"

namespace thorong::chip {
namespace {

const std::set<std::string> kUnits = {"",  "hz", "bytes", "bytes/s", "s",
                                      "w", "pj", "nm",    "mm2",     "cycles"};

Block with(const std::string& type, const std::map<std::string, double>& values) {
  Block block{.name = find_block_spec(type)->role,
              .type = type,
              .parameters = {},
              .connections = {},
              .line = 0};
  for (const auto& [key, value] : values) block.parameters[key].value = value;
  return block;
}

double peak(const Block& block, const std::string& name) {
  for (const Peak& candidate : find_block_spec(block.type)->peaks(block)) {
    if (candidate.name == name) return candidate.value;
  }
  return -1;
}

TEST(BlockSpecs, AreWellFormed) {
  std::set<std::string> roles;
  for (const BlockSpec& spec : block_specs()) {
    EXPECT_TRUE(roles.insert(spec.role).second) << spec.role;
    EXPECT_EQ(spec.meaning.back(), '.') << spec.type;
    std::set<std::string> keys;
    for (const ParameterSpec& parameter : spec.parameters) {
      const std::string path = spec.type + "." + parameter.key;
      EXPECT_TRUE(keys.insert(parameter.key).second) << path;
      EXPECT_TRUE(kUnits.contains(parameter.unit)) << path << " has the unit " << parameter.unit;
      EXPECT_LE(parameter.min, parameter.max) << path;
      EXPECT_EQ(parameter.meaning.back(), '.') << path;
      EXPECT_EQ(parameter.meaning.find('\n'), std::string::npos) << path;
      const bool word = parameter.values == Values::kWord;
      EXPECT_TRUE(word || parameter.words.empty()) << path;
    }
    for (const PortSpec& port : spec.ports) {
      EXPECT_TRUE(port.width.empty() || spec.find_parameter(port.width) != nullptr)
          << spec.type << "." << port.name;
    }
  }
}

TEST(BlockSpecs, EveryUsedPortKindIsOffered) {
  std::set<std::string> offered;
  for (const BlockSpec& spec : block_specs()) {
    for (const PortSpec& port : spec.ports) {
      if (port.direction == Direction::kOffers) offered.insert(port.kind);
    }
  }
  for (const BlockSpec& spec : block_specs()) {
    for (const PortSpec& port : spec.ports)
      EXPECT_TRUE(offered.contains(port.kind)) << spec.type << "." << port.name;
  }
}

TEST(BlockSpecs, OnlyEnergiesScaleWithTheNodeAndMemoriesOutsideTheChipDoNot) {
  for (const BlockSpec& spec : block_specs()) {
    for (const ParameterSpec& parameter : spec.parameters) {
      const bool outside = spec.type == "dram" || spec.type == "host_link";
      EXPECT_EQ(parameter.scales_with_node, parameter.unit == "pj" && !outside)
          << spec.type << "." << parameter.key;
    }
  }
}

TEST(BlockSpecs, PeaksFollowFromParameters) {
  const Block array = with("systolic_array", {{"rows", 128},
                                              {"columns", 64},
                                              {"columns_factor", 1},
                                              {"clock_hz", 1e9},
                                              {"passes_bfloat16", 1},
                                              {"passes_int8", 0.5}});
  EXPECT_DOUBLE_EQ(peak(array, "bfloat16"), 16.384e12);
  EXPECT_DOUBLE_EQ(peak(array, "int8"), 2 * 16.384e12);
  EXPECT_EQ(peak(array, "float32"), 0);
  EXPECT_DOUBLE_EQ(peak(with("vector_engine", {{"lanes", 128},
                                               {"clock_hz", 1e9},
                                               {"cycles_per_element_copy", 1},
                                               {"cycles_per_element_copy_16bit", 0.25}}),
                        "elements_16bit"),
                   512e9);
  EXPECT_DOUBLE_EQ(peak(with("scalar_engine", {{"lanes", 128}, {"clock_hz", 1e9}}), "elements"),
                   128e9);
  EXPECT_DOUBLE_EQ(peak(with("gpsimd_engine", {{"lanes", 64}, {"clock_hz", 1e9}}), "elements"),
                   64e9);
  EXPECT_DOUBLE_EQ(
      peak(with("scratchpad", {{"partitions", 128}, {"bytes_per_partition", 1024}}), "capacity"),
      131072);
  EXPECT_DOUBLE_EQ(
      peak(with("accumulator_memory",
                {{"partitions", 128}, {"banks", 8}, {"bank_bytes_per_partition", 2048}}),
           "capacity"),
      2097152);
  EXPECT_DOUBLE_EQ(
      peak(with("dma_engines", {{"engines", 16}, {"bytes_per_second_per_engine", 17e9}}),
           "transfer"),
      272e9);
  EXPECT_DOUBLE_EQ(peak(with("dram", {{"bytes", 5}, {"bytes_per_second", 7}}), "transfer"), 7);
}

TEST(Words, NearestNameAndLists) {
  EXPECT_EQ(did_you_mean("vektor", {"vector", "tensor"}), "; did you mean 'vector'?");
  EXPECT_EQ(did_you_mean("xyz", {"vector", "tensor"}), "");
  EXPECT_EQ(did_you_mean(std::string(1000, 'a'), {"vector"}), "");
  EXPECT_EQ(list_names({"a", "b", "c"}), "'a', 'b' and 'c'");
  EXPECT_EQ(list_names({}), "");
  EXPECT_EQ(format_number(512), "512");
  EXPECT_EQ(format_number(0.25), "0.25");
  EXPECT_EQ(format_number(13.0 / 3), "4.33333");
}

}  // namespace
}  // namespace thorong::chip
