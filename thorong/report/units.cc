// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace thorong::report {
namespace {

// Three significant digits, trailing zeros kept as measured figures are ("1.80"), but no fraction
// above 99.95.
std::string three_digits(double value) {
  double size = std::fabs(value);
  if (size == 0) return "0";
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::string group_digits(const std::string& digits) {
  size_t first = digits.starts_with('-') ? 1 : 0;
  std::string out = digits.substr(0, first);
  for (size_t i = first; i < digits.size(); ++i) {
    if (i > first && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string with_spaces(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

}  // namespace

std::string human(double value, std::string_view unit) {
  if (!std::isfinite(value)) return "n/a";
  if (value == 0) return fmt::format("0 {}", unit);
  constexpr std::array<std::string_view, 11> kPrefixes = {"a", "f", "p", "n", "µ", "m",
                                                          "",  "k", "M", "G", "T"};
  constexpr int kUnity = 6;
  int step = static_cast<int>(std::floor(std::log10(std::fabs(value)) / 3));
  step = std::clamp(step, -kUnity, static_cast<int>(kPrefixes.size()) - 1 - kUnity);
  double scaled = value / std::pow(1000.0, step);
  if (std::fabs(scaled) >= 999.5 && step + kUnity + 1 < static_cast<int>(kPrefixes.size())) {
    scaled /= 1000;
    ++step;
  }
  if (step > 0 && unit == "s") return fmt::format("{} s", plain(value));  // no kiloseconds
  return fmt::format("{} {}{}", three_digits(scaled), kPrefixes[static_cast<size_t>(step + kUnity)],
                     unit);
}

std::string human_bytes(int64_t bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (std::fabs(value) >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  bool whole = value == std::floor(value);
  return fmt::format("{} {}", whole ? fmt::format("{:.0f}", value) : three_digits(value),
                     kUnits[unit]);
}

std::string grouped(int64_t value) { return group_digits(fmt::format("{}", value)); }

std::string plain(double value) {
  if (!std::isfinite(value)) return "n/a";
  if (std::fabs(value) >= 99.95) return group_digits(fmt::format("{:.0f}", value));
  if (value != 0 && std::fabs(value) < 0.01) return fmt::format("{:.2g}", value);
  return three_digits(value);
}

std::string dollars(double usd) {
  if (!std::isfinite(usd)) return "n/a";
  if (std::fabs(usd) >= 99.95) return fmt::format("${}", group_digits(fmt::format("{:.0f}", usd)));
  if (usd == 0 || std::fabs(usd) >= 0.0995) return fmt::format("${:.2f}", usd);
  int digits = std::min(12, 1 - static_cast<int>(std::floor(std::log10(std::fabs(usd)))));
  return fmt::format("${:.{}f}", usd, digits);
}

std::string percent(double share) {
  if (!std::isfinite(share)) return "n/a";
  double value = share * 100;
  if (value != 0 && std::fabs(value) < 0.05)
    return value > 0 ? "<0.1 %" : fmt::format("{:.1g} %", value);
  return std::fabs(value) < 9.95 ? fmt::format("{:.1f} %", value) : fmt::format("{:.0f} %", value);
}

std::string model_name(const Result& result) {
  if (result.model_path == kBytesPath && !result.graph_name.empty()) return result.graph_name;
  std::string name = result.model_path.substr(result.model_path.find_last_of('/') + 1);
  size_t dot = name.find_last_of('.');
  if (dot != std::string::npos && dot > 0) name.resize(dot);
  return name.empty() ? "the model" : name;
}

std::string chip_name(const Result& result) {
  return result.chip_title.empty() ? result.chip : result.chip_title;
}

std::string headline(const Result& result) {
  std::string text = fmt::format("{} on {}: {} a run, {}", model_name(result), chip_name(result),
                                 human(result.latency_s, "s"), human(result.energy_j, "J"));
  if (result.cost.usd_per_million) {
    text += fmt::format(", {} per million samples", dollars(*result.cost.usd_per_million));
  } else {
    text += ", price unknown";
  }
  return text + ".";
}

std::string cost_reason(const Cost& cost) {
  if (cost.instance && cost.usd_per_hour && cost.price_kind && cost.usd_per_million) return {};
  return cost.reason.empty() ? "no price is known for an instance with this chip" : cost.reason;
}

std::string cost_basis(const Cost& cost) {
  std::string text = cost.instance.value_or("");
  auto append = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (cost.usd_per_hour) append(dollars(*cost.usd_per_hour) + " an hour");
  if (cost.price_kind) append(with_spaces(*cost.price_kind));
  return text;
}

std::string expected_error_text(const ExpectedError& error) {
  return fmt::format(
      "half of comparable predictions are within {}, nine in ten within {} ({} measured row{}{}{})",
      percent(error.median), percent(error.p90), error.rows, error.rows == 1 ? "" : "s",
      error.kind.empty() ? "" : ", ", with_spaces(error.kind));
}

std::vector<std::string> assumption_texts(const Result& result) {
  if (!result.assumptions) return {};
  const Assumptions& given = *result.assumptions;
  std::vector<std::string> texts;
  for (const auto& fact : given.facts) {
    std::string place = fact.chip_value.empty()
                            ? "; the chip file states none"
                            : fmt::format(" in place of {} ({})", fact.chip_value, fact.chip_kind);
    texts.push_back(fmt::format("{}: {}{}", fact.fact, fact.value, place));
  }
  if (!given.not_timed_because.empty()) {
    texts.push_back("time on the device with the chip's own: not known, " +
                    given.not_timed_because);
    return texts;
  }
  double own = given.device_s_of_chip, now = result.device_s;
  std::string change = "no change";
  if (now != own && own > 0) change = fmt::format("{:+.3g} %", 100 * (now / own - 1));
  texts.push_back(fmt::format("time on the device: {} with the chip's own, {} with {} ({})",
                              human(own, "s"), human(now, "s"),
                              given.facts.size() == 1 ? "this" : "these", change));
  return texts;
}

double operators_time(const Result& result) {
  double sum = 0;
  for (const OperatorUse& use : result.operators) sum += use.time_s;
  return sum;
}

}  // namespace thorong::report
