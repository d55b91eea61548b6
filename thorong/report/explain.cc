// SPDX-License-Identifier: Apache-2.0
// For each operator: what was chosen, what bounds it, what the roofline would allow.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "thorong/report/json.h"
#include "thorong/report/report.h"
#include "thorong/report/text_grid.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

double time_of_all(const Result& result) {
  double total = 0;
  for (const OperatorUse& use : result.operators) total += use.time_s;
  return total;
}

std::string percent_of(double part, double whole) {
  return whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "-";
}

std::vector<size_t> ordered(const Result& result, bool program_order) {
  std::vector<size_t> order(result.operators.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (!program_order) {
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return result.operators[a].time_s > result.operators[b].time_s;
    });
  }
  return order;
}

// "tensor 84 % busy", or that nothing was.
std::string bound_text(const OperatorUse& use) {
  if (use.bound == "dependency")
    return fmt::format("waiting; {} {}", use.engine, percent_of(use.bound_share, 1));
  return fmt::format("{} {}", use.bound, percent_of(use.bound_share, 1));
}

std::string by_bound(const Result& result, const Style& style) {
  std::map<std::string, std::pair<double, size_t>> sums;
  for (const OperatorUse& use : result.operators) {
    sums[use.bound].first += use.time_s;
    ++sums[use.bound].second;
  }
  std::vector<std::pair<std::string, std::pair<double, size_t>>> rows(sums.begin(), sums.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second.first > b.second.first; });
  TextGrid grid;
  grid.column("bound by", TextGrid::Align::kLeft);
  grid.column("time", TextGrid::Align::kRight);
  grid.column("share", TextGrid::Align::kRight);
  grid.column("operators", TextGrid::Align::kRight);
  for (const auto& [name, sum] : rows) {
    grid.row({name == "dependency" ? "waiting for operands" : name, human(sum.first, "s"),
              percent_of(sum.first, time_of_all(result)), std::to_string(sum.second)});
  }
  return grid.text(style);
}

}  // namespace

std::string to_explanation(const Result& result, const ExplainOptions& options, bool color) {
  constexpr size_t kTextWidth = 96;
  const Style style(color);
  double least = 0;
  for (const OperatorUse& use : result.operators) least += use.roofline_s;
  std::string text = style.bold + style.accent + printable(headline(result)) + style.reset + "\n";
  text += fmt::format("\nDevice {}; the operators' rooflines add up to {} ({} of it).\n\n",
                      human(result.device_s, "s"), human(least, "s"),
                      percent_of(least, result.device_s));
  text += by_bound(result, style);
  const std::vector<size_t> order = ordered(result, options.program_order);
  const size_t shown = options.most == 0 ? order.size() : std::min(options.most, order.size());
  const double total = time_of_all(result);
  for (size_t i = 0; i < shown; ++i) {
    const OperatorUse& use = result.operators[order[i]];
    text += fmt::format("\n{}{}{}  {}\n", style.bold, shortened(printable(use.name), 60),
                        style.reset, shortened(printable(use.op), 60));
    text +=
        fmt::format("  {} ({}) on {}, bound by {}; roofline {}{}\n", human(use.time_s, "s"),
                    percent_of(use.time_s, total), use.path == "tile" ? "the engines" : use.path,
                    bound_text(use), human(use.roofline_s, "s"),
                    use.roofline_s > 0 ? " (" + plain(use.time_s / use.roofline_s) + " x)" : "");
    if (!use.choice.empty())
      text += style.dim + "  " + wrapped(use.choice, kTextWidth, 2) + style.reset + "\n";
  }
  if (shown < order.size()) {
    text += fmt::format("\n{}{} operators more; --top 0 shows all.{}\n", style.dim,
                        order.size() - shown, style.reset);
  }
  return text;
}

std::string to_explanation_json(const Result& result, const ExplainOptions& options) {
  Json operators = Json::array();
  const std::vector<size_t> order = ordered(result, options.program_order);
  const size_t shown = options.most == 0 ? order.size() : std::min(options.most, order.size());
  for (size_t i = 0; i < shown; ++i) operators.push_back(operator_json(result.operators[order[i]]));
  Json json = {
      {"thorong", result.thorong_version}, {"model", result.model_path},  {"chip", result.chip},
      {"schedule", result.schedule},       {"device_s", result.device_s}, {"operators", operators}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace thorong::report
