// SPDX-License-Identifier: Apache-2.0
#include "thorong/chip/assume.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "thorong/chip/block_spec.h"
#include "thorong/chip/figure_reader.h"
#include "thorong/chip/yaml_tree.h"

namespace thorong::chip {
namespace {

constexpr size_t kMostText = 60;  // of a user's word in a message

std::string at(const std::string& fact) { return "assume " + fact.substr(0, kMostText); }

// Every fact that the chip has or could have.
std::vector<std::string> facts_of(const Chip& chip) {
  std::vector<std::string> facts;
  for (const Block& block : chip.blocks) {
    for (const ParameterSpec& parameter : find_block_spec(block.type)->parameters)
      facts.push_back(block.name + "." + parameter.key);
  }
  return facts;
}

// A parameter without its block, or the nearest in spelling, or those of the block.
std::string nearest(const std::string& fact, const Chip& chip) {
  const std::vector<std::string> facts = facts_of(chip);
  std::vector<std::string> some;
  for (const std::string& known : facts) {
    if (known.ends_with("." + fact)) some.push_back(known);
  }
  if (!some.empty()) return "; did you mean " + list_names(some) + "?";
  if (std::string hint = did_you_mean(fact, facts); !hint.empty()) return hint;
  for (const std::string& known : facts) {
    if (known.starts_with(fact.substr(0, fact.find('.')) + ".")) some.push_back(known);
  }
  if (!some.empty()) return "; there are " + list_names(some);
  for (const Block& block : chip.blocks) some.push_back(block.name);
  return "; it names figures of the blocks " + list_names(some) + " as BLOCK.PARAMETER";
}

// "128", "128 cycles" (units in small or, as `thorong chip` prints them, capital letters), or the
// chip file's {value: 128, unit: cycles}.
Result<YamlNode> read_value(const Assumption& assumption) {
  const std::string& text = assumption.value;
  if (text.starts_with("{")) return parse_yaml(text, at(assumption.fact));
  YamlNode value;
  value.type = YamlNode::Type::kScalar, value.text = text;
  const size_t space = text.find_first_of(" \t");
  const size_t unit = text.find_first_not_of(" \t", space);
  if (unit == std::string::npos) return value;
  YamlNode map;
  map.type = YamlNode::Type::kMap;
  map.keys = {{"value", 1, 1}, {"unit", 1, static_cast<int>(unit) + 1}};
  map.items = {value, value};
  map.items[0].text = text.substr(0, space);
  map.items[1].text = text.substr(unit);
  for (char& c : map.items[1].text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return map;
}

Status set(const Assumption& assumption, Chip& chip) {
  const std::string& fact = assumption.fact;
  const size_t dot = std::min(fact.find('.'), fact.size());
  const auto block = std::find_if(chip.blocks.begin(), chip.blocks.end(), [&](const Block& b) {
    return b.name == std::string_view(fact).substr(0, dot);
  });
  const std::string key = dot < fact.size() ? fact.substr(dot + 1) : "";
  const ParameterSpec* spec =
      block == chip.blocks.end() ? nullptr : find_block_spec(block->type)->find_parameter(key);
  if (spec == nullptr) {
    return not_found("the chip '" + chip.name + "' has no figure '" + fact.substr(0, kMostText) +
                         "'" + nearest(fact, chip),
                     at(fact));
  }
  THORONG_TRY(const YamlNode value, read_value(assumption));
  const FileContext context{.where = at(fact), .sources = {}};
  Result<Figure> read = read_figure(value, *spec, fact, FigureForm::kShort, context);
  if (!read.ok()) return invalid_argument(read.status().message(), at(fact));
  Figure figure = std::move(read).value();
  figure.kind = Kind::kGiven, figure.line = 0, figure.derivation.clear();
  GivenFact given{fact, value_text(figure), "", ""};
  const auto own = block->parameters.find(key);
  figure.source = "given for this run; the chip file states none";
  if (own != block->parameters.end()) {
    given.chip_value = value_text(own->second), given.chip_kind = name(own->second.kind);
    figure.source = "given for this run in place of " + given.chip_value + " (" + given.chip_kind +
                    "; " + own->second.source + ")";
  }
  block->parameters[key] = std::move(figure);
  chip.given.push_back(std::move(given));
  return ok_status();
}

}  // namespace

Result<std::vector<Assumption>> parse_assumptions(std::span<const std::string> texts) {
  std::vector<Assumption> all;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
      return invalid_argument("'" + text.substr(0, kMostText) +
                                  "' is not NAME=VALUE, as in tensor.min_issue_cycles=128.",
                              "assume");
    }
    all.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return all;
}

Status assume(std::span<const Assumption> assumptions, Chip& chip) {
  for (const Assumption& assumption : assumptions) {
    const bool twice = std::any_of(chip.given.begin(), chip.given.end(),
                                   [&](const GivenFact& g) { return g.fact == assumption.fact; });
    if (twice) {
      return invalid_argument("'" + assumption.fact + "' is given twice. Give it once.",
                              at(assumption.fact));
    }
    THORONG_RETURN_IF_ERROR(set(assumption, chip));
  }
  return ok_status();
}

}  // namespace thorong::chip
