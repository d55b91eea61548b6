// SPDX-License-Identifier: Apache-2.0
// Look-ups in a chip.
#include "thorong/chip/chip.h"

#include <cstdio>

#include "thorong/base/check.h"

namespace thorong::chip {

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::kPublished:
      return "published";
    case Kind::kMeasured:
      return "measured";
    case Kind::kRecalled:
      return "recalled";
    case Kind::kDerived:
      return "derived";
    case Kind::kCalibrated:
      return "calibrated";
    case Kind::kAssumed:
      return "assumed";
    case Kind::kGiven:
      return "given";
  }
  return "assumed";
}

std::string value_text(const Figure& figure) {
  if (!figure.text.empty()) return figure.text;
  char number[40];
  std::snprintf(number, sizeof number, "%.6g", figure.value);
  std::string unit = figure.unit;  // figures state it in small letters
  if (unit == "hz") unit = "Hz";
  if (unit == "w") unit = "W";
  if (unit == "pj") unit = "pJ";
  return unit.empty() ? number : number + (" " + unit);
}

const Block* Chip::find_block(std::string_view block) const {
  for (const Block& candidate : blocks) {
    if (candidate.name == block) return &candidate;
  }
  return nullptr;
}

const Figure* Chip::find(std::string_view path) const {
  const size_t dot = path.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const Block* block = find_block(path.substr(0, dot));
  if (block == nullptr) return nullptr;
  const auto found = block->parameters.find(std::string(path.substr(dot + 1)));
  return found == block->parameters.end() ? nullptr : &found->second;
}

double Chip::at(std::string_view path) const {
  const Figure* figure = find(path);
  THORONG_CHECK(figure != nullptr, "chip '" + this->name + "' has no figure " + std::string(path));
  return figure->value;
}

double Chip::value_or(std::string_view path, double fallback) const {
  const Figure* figure = find(path);
  return figure == nullptr ? fallback : figure->value;
}

}  // namespace thorong::chip
