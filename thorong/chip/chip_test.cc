// SPDX-License-Identifier: Apache-2.0
// The shipped chips against the published figures, variants, and where chips are looked for. Bad
// files are in bad_chip_test.cc.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "thorong/base/file.h"
#include "thorong/chip/block_spec.h"
#include "thorong/chip/loader.h"

namespace thorong::chip {
namespace {

namespace fs = std::filesystem;

Chip loaded(const std::string& name) {
  const Result<Chip> chip = load(name);
  EXPECT_TRUE(chip.ok()) << chip.status().to_string();
  return chip.ok() ? *chip : Chip();
}

Chip parsed(const std::string& yaml) {
  const Result<Chip> chip = parse(yaml, "mine.yaml", false);
  EXPECT_TRUE(chip.ok()) << chip.status().to_string();
  return chip.ok() ? *chip : Chip();
}

// A folder for files of one test.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(fs::temp_directory_path() / ("thorong_chip_test_" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

const std::vector<std::string> kShipped = {"inferentia1", "inferentia2", "trainium1", "trainium2",
                                           "trainium3"};

TEST(ShippedChips, AreTheseAndSorted) {
  const std::vector<std::string> names = shipped_chips();
  for (const std::string& name : kShipped) {
    EXPECT_TRUE(std::find(names.begin(), names.end(), name) != names.end()) << name;
  }
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST(ShippedChips, LoadAndVerify) {
  for (const std::string& name : shipped_chips()) {
    const Chip chip = loaded(name);
    EXPECT_EQ(chip.name, name);
    EXPECT_TRUE(verify(chip).empty());
    EXPECT_FALSE(chip.title.empty());
    EXPECT_FALSE(chip.generation.empty());
    EXPECT_FALSE(chip.not_modelled.empty());
  }
}

TEST(ShippedChips, EveryFigureHasASourceAndEveryEstimateAReason) {
  for (const std::string& name : kShipped) {
    for (const Block& block : loaded(name).blocks) {
      for (const auto& [key, figure] : block.parameters) {
        const std::string path = name + ": " + block.name + "." + key;
        EXPECT_GE(figure.source.size(), 25U) << path << " has the source '" << figure.source << "'";
        EXPECT_GT(figure.line, 0) << path;
        EXPECT_FALSE(figure.file.empty()) << path;
        const bool published = figure.kind == Kind::kPublished || figure.kind == Kind::kRecalled;
        EXPECT_TRUE(published || !figure.derivation.empty()) << path << " does not say why";
        if (figure.kind == Kind::kCalibrated) {
          EXPECT_NE(figure.source.find("bench/validation"), std::string::npos) << path;
        }
      }
    }
  }
}

TEST(ShippedChips, StateEveryParameterThatIsNotOptional) {
  for (const std::string& name : kShipped) {
    const Chip chip = loaded(name);
    for (const BlockSpec& spec : block_specs()) {
      const Block* block = chip.find_block(spec.role);
      if (block == nullptr) continue;
      for (const ParameterSpec& parameter : spec.parameters) {
        const bool present = block->parameters.contains(parameter.key);
        EXPECT_TRUE(present || parameter.need == Need::kOptional)
            << name << " " << spec.role << "." << parameter.key;
      }
    }
  }
}

struct Published {
  const char* chip;
  const char* peak;
  double per_core;  // operations per second, facts/neuroncore.yaml
};

TEST(ShippedChips, ReproduceThePublishedPeaksOfACoreWithinThreePercent) {
  const Published rows[] = {
      {"inferentia1", "bfloat16", 16e12}, {"inferentia1", "int8", 32e12},
      {"inferentia2", "bfloat16", 92e12}, {"inferentia2", "float32", 23e12},
      {"trainium1", "bfloat16", 92e12},   {"trainium1", "tfloat32", 92e12},
      {"trainium1", "float32", 23e12},    {"trainium1", "float8", 92e12},
      {"trainium2", "bfloat16", 79e12},   {"trainium2", "float32", 20e12},
      {"trainium2", "float8", 158e12},    {"trainium3", "bfloat16", 79e12},
      {"trainium3", "float32", 20e12},
  };
  for (const Published& row : rows) {
    const Chip chip = loaded(row.chip);
    const Block& tensor = *chip.find_block("tensor");
    double found = 0;
    for (const Peak& peak : find_block_spec(tensor.type)->peaks(tensor)) {
      if (peak.name == row.peak) found = peak.value;
    }
    EXPECT_NEAR(found / row.per_core, 1, 0.03) << row.chip << " " << row.peak;
  }
}

TEST(ShippedChips, RollUpGivesTheChipPage) {
  struct Row {
    const char* chip;
    int cores;
    double bf16, memory_gib, memory_gb_per_s, sbuf_mib, budget_w;
  };
  const Row rows[] = {{"inferentia1", 4, 64e12, 8, 53.7, 10, 60},
                      {"inferentia2", 2, 190e12, 32, 820, 24, 165},
                      {"trainium1", 2, 190e12, 32, 820, 24, 210},
                      {"trainium2", 8, 667e12, 96, 2900, 28, 500},
                      {"trainium3", 8, 671e12, 144, 4900, 32, 1000}};
  for (const Row& row : rows) {
    const RollUp total = roll_up(loaded(row.chip));
    EXPECT_EQ(total.cores, row.cores);
    // Chip pages add up to 7% that the arrays cannot deliver (facts: chip_total_versus_core_sum).
    EXPECT_NEAR(total.peak_bf16_flops / row.bf16, 1, 0.07) << row.chip;
    EXPECT_DOUBLE_EQ(total.memory_bytes, row.memory_gib * 1024 * 1024 * 1024);
    EXPECT_NEAR(total.memory_bytes_per_s / row.memory_gb_per_s / 1e9, 1, 0.001);
    EXPECT_DOUBLE_EQ(total.sbuf_bytes_per_core, row.sbuf_mib * 1024 * 1024);
    EXPECT_DOUBLE_EQ(total.psum_bytes_per_core, 2 * 1024 * 1024);
    EXPECT_DOUBLE_EQ(total.static_w, row.budget_w / 4);
  }
}

TEST(ShippedChips, PeakPowerOfTrainium1IsTheSanityCheckOfTheFacts) {
  const RollUp total = roll_up(loaded("trainium1"));
  EXPECT_NEAR(total.peak_dynamic_w, 74 + 39, 2);  // facts/energy.yaml: arrays 74 W, HBM 39 W
  EXPECT_LT(total.static_w + total.peak_dynamic_w, total.power_budget_w);
}

TEST(ShippedChips, Inferentia1MultipliesNoFloat32) {
  const Chip chip = loaded("inferentia1");
  EXPECT_EQ(chip.find("tensor.fp32_operands")->text, "bfloat16");
  EXPECT_EQ(roll_up(chip).peak_fp32_flops, 0);
  EXPECT_FALSE(chip.has_block("gpsimd"));
}

TEST(ShippedChips, CheapestInstanceComesFirst) {
  EXPECT_EQ(loaded("inferentia1").instances.at(0).name, "inf1.xlarge");
  EXPECT_EQ(loaded("inferentia2").instances.at(0).name, "inf2.xlarge");
  EXPECT_EQ(loaded("trainium1").instances.at(0).name, "trn1.2xlarge");
  const Instance trn2 = loaded("trainium2").instances.at(0);
  EXPECT_EQ(trn2.chips, 1);
  EXPECT_DOUBLE_EQ(trn2.usd_per_hour, 2.235);
  EXPECT_EQ(trn2.price_kind, "capacity_block");
  EXPECT_EQ(loaded("trainium3").instances.at(0).price_kind, "estimate");
}

TEST(ShippedChips, Inferentia2SharesTheCoreOfTrainium1) {
  const Chip inferentia2 = loaded("inferentia2");
  const Chip trainium1 = loaded("trainium1");
  EXPECT_EQ(inferentia2.generation, "v2");
  EXPECT_EQ(inferentia2.at("tensor.clock_hz"), trainium1.at("tensor.clock_hz"));
  EXPECT_EQ(inferentia2.at("package.power_budget_w"), 165);
  EXPECT_NE(inferentia2.find("package.power_budget_w")->file,
            inferentia2.find("tensor.clock_hz")->file);
}

TEST(Chip, LooksUpFiguresByPath) {
  const Chip chip = loaded("trainium1");
  EXPECT_EQ(chip.at("vector.clock_hz"), 1.12e9);
  EXPECT_EQ(chip.find("vector"), nullptr);
  EXPECT_EQ(chip.find("vector.no_such"), nullptr);
  EXPECT_EQ(chip.find("no_such.clock_hz"), nullptr);
  EXPECT_EQ(chip.value_or("vector.no_such", 7), 7);
  EXPECT_EQ(chip.find("vector.clock_hz")->unit, "hz");
  EXPECT_EQ(name(chip.find("vector.fixed_cycles")->kind), "calibrated");
  EXPECT_DEATH(chip.at("vector.no_such"), "no figure vector.no_such");
}

TEST(Variant, TwoLinesAreEnough) {
  const Chip chip = parsed("base: trainium2\nset: {package.cores: 4}\n");
  EXPECT_EQ(chip.name, "mine");
  EXPECT_EQ(chip.title, "variant of AWS Trainium2");
  EXPECT_EQ(chip.generation, "v3");
  EXPECT_EQ(roll_up(chip).cores, 4);
  const Figure& cores = *chip.find("package.cores");
  EXPECT_EQ(cores.kind, Kind::kAssumed);
  EXPECT_EQ(cores.source, "set in mine.yaml");
  EXPECT_EQ(cores.line, 2);
  EXPECT_TRUE(chip.instances.empty());
  EXPECT_NE(chip.price_reason.find("variant of trainium2"), std::string::npos);
  EXPECT_EQ(chip.not_modelled, loaded("trainium2").not_modelled);
}

TEST(Variant, LongFormKeepsKindAndSource) {
  const Chip chip = parsed(
      "base: trainium2\n"
      "sources: {sheet: \"supplier's data sheet, 2026\"}\n"
      "set:\n"
      "  hbm.bytes_per_second: {value: 5e12, kind: recalled, source: \"sheet, table 3; by hand\", "
      "uncertainty: 0.1}\n"
      "  dma.bytes_per_second_per_engine: {value: 30e9}\n"
      "instances: inherit\n");
  const Figure& figure = *chip.find("hbm.bytes_per_second");
  EXPECT_EQ(figure.value, 5e12);
  EXPECT_EQ(figure.unit, "bytes/s");
  EXPECT_EQ(figure.kind, Kind::kRecalled);
  EXPECT_EQ(figure.source, "supplier's data sheet, 2026, table 3; by hand");
  EXPECT_EQ(figure.uncertainty, 0.1);
  EXPECT_EQ(chip.find("dma.bytes_per_second_per_engine")->kind, Kind::kAssumed);
  EXPECT_EQ(chip.instances.at(0).name, "trn2.3xlarge");
}

TEST(Variant, OtherPartitionCountsAreMachinesToo) {
  for (const int partitions : {64, 256}) {
    std::string yaml = "base: trainium1\nset:\n";
    for (const char* path :
         {"sbuf.partitions", "psum.partitions", "tensor.rows", "vector.lanes", "scalar.lanes"}) {
      yaml += "  " + std::string(path) + ": " + std::to_string(partitions) + "\n";
    }
    yaml += "  tensor.columns: 64\n  gpsimd.lanes: 64\n";
    EXPECT_EQ(parsed(yaml).at("sbuf.partitions"), partitions);
  }
}

TEST(Variant, BlocksCanBeRemovedAndReplaced) {
  EXPECT_FALSE(parsed("base: trainium1\nremove: [gpsimd]\n").has_block("gpsimd"));
  const Chip chip = parsed(
      "base: trainium1\n"
      "remove: [psum]\n"
      "blocks:\n"
      "  - name: psum\n"
      "    type: accumulator_memory\n"
      "    parameters:\n"
      "      partitions: {value: 128, kind: assumed, source: what if}\n"
      "      banks: {value: 16, kind: assumed, source: what if}\n"
      "      bank_bytes_per_partition: {value: 2048, unit: bytes, kind: assumed, source: what if}\n"
      "      pj_per_byte: {value: 1, unit: pj, kind: assumed, source: what if}\n"
      "      pj_per_byte_accumulate: {value: 2, unit: pj, kind: assumed, source: what if}\n");
  EXPECT_EQ(chip.at("psum.banks"), 16);
}

TEST(Variant, BasesAreLookedUpBesideTheFile) {
  const TemporaryFolder folder;
  folder.write("half.yaml", "base: trainium2\nset: {package.cores: 4}\n");
  const Chip chip =
      loaded(folder.write("quarter.yaml", "base: half.yaml\nset: {package.cores: 2}\n"));
  EXPECT_EQ(chip.name, "quarter");
  EXPECT_EQ(chip.at("package.cores"), 2);
}

TEST(Variant, CannotBeItsOwnBase) {
  const TemporaryFolder folder;
  folder.write("a.yaml", "base: b.yaml\n");
  folder.write("b.yaml", "base: ./a.yaml\n");
  const Result<Chip> chip = load(folder.path() + "/a.yaml");
  EXPECT_EQ(chip.status().code(), Code::kInvalidArgument);
  EXPECT_NE(chip.status().message().find("a chip cannot be its own base"), std::string::npos)
      << chip.status().to_string();
}

TEST(Variant, BasesDoNotStackWithoutEnd) {
  const TemporaryFolder folder;
  const auto file = [](int i) {
    return std::string("c").append(std::to_string(i)).append(".yaml");
  };
  for (int i = 0; i < 20; ++i)
    folder.write(file(i), std::string("base: ").append(file(i + 1)).append("\n"));
  const Result<Chip> chip = load(folder.path() + "/c0.yaml");
  EXPECT_NE(chip.status().message().find("more than 8 bases"), std::string::npos)
      << chip.status().to_string();
}

TEST(Load, UnknownNamesGetTheNearest) {
  const Status status = load("trainum2").status();
  EXPECT_EQ(status.code(), Code::kNotFound);
  EXPECT_NE(status.message().find("there is no chip 'trainum2'; did you mean 'trainium2'?"),
            std::string::npos);
  EXPECT_NE(load("gpu").status().message().find("Shipped: 'inferentia1'"), std::string::npos);
  EXPECT_EQ(load("/no/such/file.yaml").status().code(), Code::kNotFound);
  EXPECT_EQ(load("../trainium1").status().code(), Code::kNotFound);
}

TEST(Load, SeesThatAFileOrItsBaseHasChanged) {
  const TemporaryFolder folder;
  std::string text = *read_text_file(chips_folder() + "/trainium1.yaml");
  const std::string base = folder.write("base.yaml", text);
  const std::string variant = folder.write("variant.yaml", "base: base.yaml\n");
  const double before = loaded(base).at("package.cores");
  EXPECT_EQ(loaded(variant).at("package.cores"), before);
  const std::string had = "cores: {value: 2,";
  ASSERT_NE(text.find(had), std::string::npos);
  folder.write("base.yaml", text.replace(text.find(had), had.size(), "cores: {value: 4,"));
  EXPECT_EQ(loaded(base).at("package.cores"), 4);
  EXPECT_EQ(loaded(variant).at("package.cores"), 4);
}

TEST(Load, RefusesWhatIsNotASmallRegularFile) {
  const TemporaryFolder folder;
  fs::create_directories(folder.path() + "/folder.yaml");
  EXPECT_NE(load(folder.path() + "/folder.yaml").status().message().find("is not a regular file"),
            std::string::npos);
  const std::string big = folder.write("big.yaml", std::string(600000, ' '));
  EXPECT_NE(load(big).status().message().find("a chip file has at most 524288"), std::string::npos);
}

TEST(ChipsFolder, IsTheOverrideThenTheEnvironmentThenTheSourceTree) {
  const std::string found = chips_folder();
  const TemporaryFolder folder;
  setenv("THORONG_CHIPS", folder.path().c_str(), 1);
  EXPECT_EQ(chips_folder(), folder.path());
  EXPECT_TRUE(shipped_chips().empty());
  EXPECT_NE(load("trainium1").status().message().find("set THORONG_CHIPS to their folder"),
            std::string::npos);
  set_chips_folder(found);
  EXPECT_EQ(chips_folder(), found);
  set_chips_folder("");
  unsetenv("THORONG_CHIPS");
  EXPECT_EQ(chips_folder(), found);
}

}  // namespace
}  // namespace thorong::chip
