// SPDX-License-Identifier: Apache-2.0
// What a block type is: its parameters with units and ranges, its ports, its peak figures and its
// own rules. One file per type in chip/blocks/ holds `inline BlockSpec block_spec_<file name>()`;
// the build collects them, so that a new type is a new file. Only the description lives here: times
// and energies are the simulator's.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thorong/chip/chip.h"

namespace thorong::chip {

inline constexpr double kNoLimit = std::numeric_limits<double>::max();

enum class Need { kRequired, kOptional };
enum class Values { kReal, kInteger, kWord };

struct ParameterSpec {
  std::string key = {};
  std::string unit = {};  // "" for counts, factors and words
  double min = 0;
  double max = kNoLimit;
  std::string meaning = {};  // one sentence
  Need need = Need::kRequired;
  Values values = Values::kReal;
  std::vector<std::string> words = {};  // the legal words; empty = any
  // True for energies of logic and on-chip memory: given at 7 nm, times package.energy_factor on
  // this chip.
  bool scales_with_node = false;
};

// The usual kinds of parameters, so that a table reads as one.
inline ParameterSpec real(const char* key, const char* unit, double min, double max,
                          const char* meaning) {
  return {.key = key, .unit = unit, .min = min, .max = max, .meaning = meaning};
}
inline ParameterSpec count(const char* key, const char* unit, double min, double max,
                           const char* meaning) {
  ParameterSpec spec = real(key, unit, min, max, meaning);
  spec.values = Values::kInteger;
  return spec;
}
inline ParameterSpec word(const char* key, std::vector<std::string> words, const char* meaning) {
  ParameterSpec spec = real(key, "", 0, kNoLimit, meaning);
  spec.values = Values::kWord;
  spec.words = std::move(words);
  return spec;
}
// Picojoules at 7 nm that scale with the node of the chip.
inline ParameterSpec node_energy(const char* key, double max, const char* meaning) {
  ParameterSpec spec = real(key, "pj", 0, max, meaning);
  spec.scales_with_node = true;
  return spec;
}
inline ParameterSpec optional(ParameterSpec spec) {
  spec.need = Need::kOptional;
  return spec;
}

enum class Direction { kUses, kOffers };
// How the width of a port that uses another must compare with the width of the port that is
// offered.
enum class Fit { kAny, kEqual, kAtMost };

struct PortSpec {
  std::string name = {};
  Direction direction = Direction::kUses;
  std::string kind = {};   // only ports of one kind fit together: "sbuf_port"
  std::string width = {};  // the parameter that is the port's width, "" if it has none
  Fit fit = Fit::kAny;
  std::string meaning = {};
};

// A rate that follows from a block's parameters.
struct Peak {
  std::string name;
  std::string unit;
  double value = 0;
};

// A broken rule: what is wrong and what to change. `parameter` gives the line, "" for the block's
// own.
struct Finding {
  std::string parameter;
  std::string message;
};

struct BlockSpec {
  std::string type = {};     // "systolic_array", the file's name
  std::string role = {};     // the block's name in a chip: "tensor"
  std::string meaning = {};  // one sentence
  bool required = true;
  bool per_core = true;  // every core has one; false: one per chip
  std::vector<ParameterSpec> parameters = {};
  std::vector<PortSpec> ports = {};
  std::vector<Peak> (*peaks)(const Block& block) = nullptr;
  // Rules that look beyond single parameters. Called only when every parameter of the chip is
  // present and in range.
  std::vector<Finding> (*rules)(const Chip& chip, const Block& block) = nullptr;

  const ParameterSpec* find_parameter(std::string_view key) const;
  const PortSpec* find_port(std::string_view port) const;
};

// All types, sorted by name.
const std::vector<BlockSpec>& block_specs();
const BlockSpec* find_block_spec(std::string_view type);

// The value of a block's parameter, 0 if it has none.
double parameter(const Block& block, std::string_view key);

// Empty if the figure fits the parameter, else a sentence that says what does.
std::string check_figure(const ParameterSpec& spec, const Figure& figure);

// 4.3333333 -> "4.33333", 2.4e9 -> "2400000000".
std::string format_number(double value);

// "'vector', 'tensor' and 'sbuf'".
std::string list_names(const std::vector<std::string>& names);
// "; did you mean 'vector'?" or "" if nothing is near.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& names);

}  // namespace thorong::chip
