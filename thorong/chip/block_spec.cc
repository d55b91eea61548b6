// SPDX-License-Identifier: Apache-2.0
// The table of block types, made from chip/blocks/*.h, and the small helpers that messages about
// them need.
#include "thorong/chip/block_spec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "thorong/chip/blocks_includes.inc"

namespace thorong::chip {
namespace {

// Parameters that every type has.
std::vector<ParameterSpec> common_parameters() {
  return {{.key = "area_mm2",
           .unit = "mm2",
           .min = 0,
           .max = 1e5,
           .meaning = "Silicon area of the block, once for every core where each core has one.",
           .need = Need::kOptional}};
}

std::vector<BlockSpec> make_specs() {
  std::vector<BlockSpec> specs;
#define THORONG_ENTRY(stem) specs.push_back(block_spec_##stem());
#include "thorong/chip/blocks.inc"
#undef THORONG_ENTRY
  for (BlockSpec& spec : specs) {
    for (ParameterSpec& common : common_parameters()) spec.parameters.push_back(common);
  }
  return specs;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

}  // namespace

const ParameterSpec* BlockSpec::find_parameter(std::string_view key) const {
  for (const ParameterSpec& spec : parameters) {
    if (spec.key == key) return &spec;
  }
  return nullptr;
}

const PortSpec* BlockSpec::find_port(std::string_view port) const {
  for (const PortSpec& spec : ports) {
    if (spec.name == port) return &spec;
  }
  return nullptr;
}

const std::vector<BlockSpec>& block_specs() {
  static const std::vector<BlockSpec> specs = make_specs();
  return specs;
}

const BlockSpec* find_block_spec(std::string_view type) {
  for (const BlockSpec& spec : block_specs()) {
    if (spec.type == type) return &spec;
  }
  return nullptr;
}

double parameter(const Block& block, std::string_view key) {
  const auto found = block.parameters.find(std::string(key));
  return found == block.parameters.end() ? 0 : found->second.value;
}

std::string check_figure(const ParameterSpec& spec, const Figure& figure) {
  if (spec.values == Values::kWord) {
    if (figure.text.empty()) return "is a word, not a number: " + list_names(spec.words);
    const bool legal = spec.words.empty() || std::find(spec.words.begin(), spec.words.end(),
                                                       figure.text) != spec.words.end();
    return legal ? "" : "cannot be '" + figure.text + "'; legal words: " + list_names(spec.words);
  }
  if (!figure.text.empty()) return "must be a number, found '" + figure.text.substr(0, 60) + "'";
  if (figure.unit != spec.unit) {
    const std::string found = figure.unit.empty() ? "has none" : "has '" + figure.unit + "'";
    return spec.unit.empty()
               ? "is a count or factor without a unit, but " + found + "; remove unit:"
               : "needs 'unit: " + spec.unit + "', but " + found;
  }
  if (!std::isfinite(figure.value) || figure.value < spec.min || figure.value > spec.max) {
    const std::string range =
        spec.max == kNoLimit ? "at least " + format_number(spec.min)
                             : "from " + format_number(spec.min) + " to " + format_number(spec.max);
    return "is " + format_number(figure.value) + ", but must be " + range +
           (spec.unit.empty() ? "" : " " + spec.unit);
  }
  if (spec.values == Values::kInteger && figure.value != std::floor(figure.value)) {
    return "must be a whole number, found " + format_number(figure.value);
  }
  return "";
}

std::string format_number(double value) {
  char text[40];
  const bool exact = value == std::floor(value) && std::fabs(value) < 1e15;
  std::snprintf(text, sizeof text, exact ? "%.0f" : "%.6g", value);
  return text;
}

std::string list_names(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += "'" + names[i] + "'";
  }
  return text;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& names) {
  if (word.size() > 60) return "";
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = edit_distance(word, name);
    if (distance < best_distance) {
      best = &name;
      best_distance = distance;
    }
  }
  return best == nullptr ? "" : "; did you mean '" + *best + "'?";
}

}  // namespace thorong::chip
