// SPDX-License-Identifier: Apache-2.0
// The still timeline: what the page shows before its script runs, without a script, and where the
// script was not built.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "thorong/report/html_data.h"
#include "thorong/report/html_text.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

constexpr size_t kSlices = 480, kLevels = 5;
constexpr size_t kRowHeight = 22, kBarHeight = 16, kLabelWidth = 80, kWidth = 1200, kTicks = 6;

using Busy = std::vector<std::array<double, kSlices>>;

// The share of every slice of time that each engine is busy.
Busy busy_shares(const Result& result) {
  Busy busy(result.engines.size());
  const double slice = static_cast<double>(span_ps(result)) / kSlices;
  for (const TimelineEvent& event : result.timeline) {
    if (event.engine >= busy.size() || event.end_ps <= event.start_ps) continue;
    const double from = static_cast<double>(std::max<int64_t>(0, event.start_ps)) / slice;
    const double to = static_cast<double>(event.end_ps) / slice;
    for (auto i = static_cast<size_t>(from); i < kSlices && static_cast<double>(i) < to; ++i) {
      const double low = std::max(from, static_cast<double>(i));
      const double high = std::min(to, static_cast<double>(i + 1));
      busy[event.engine][i] += high - low;
    }
  }
  return busy;
}

// One path a level of use: slices that are about equally busy are one rectangle.
std::string row_paths(const std::array<double, kSlices>& shares, size_t top,
                      const std::string& color) {
  std::array<std::string, kLevels + 1> paths;
  auto level_of = [&](size_t i) {
    const double share = std::min(1.0, shares[i]);
    return share <= 0 ? size_t{0} : std::min(kLevels, 1 + static_cast<size_t>(share * kLevels));
  };
  constexpr double kSlice = static_cast<double>(kWidth - kLabelWidth) / kSlices;
  for (size_t i = 0; i < kSlices;) {
    size_t end = i + 1;
    const size_t level = level_of(i);
    while (end < kSlices && level_of(end) == level) ++end;
    if (level > 0) {
      fmt::format_to(std::back_inserter(paths[level]), "M{:.1f} {}h{:.1f}v{}H{:.1f}z",
                     static_cast<double>(kLabelWidth) + kSlice * static_cast<double>(i), top,
                     kSlice * static_cast<double>(end - i), kBarHeight,
                     static_cast<double>(kLabelWidth) + kSlice * static_cast<double>(i));
    }
    i = end;
  }
  std::string out;
  for (size_t level = 1; level <= kLevels; ++level) {
    if (paths[level].empty()) continue;
    out += fmt::format("<path class=\"{}\" opacity=\"{:.2f}\" d=\"{}\"/>\n", color,
                       static_cast<double>(level) / kLevels, paths[level]);
  }
  return out;
}

}  // namespace

std::string timeline_svg(const Result& result) {
  const Busy busy = busy_shares(result);
  const size_t height = kRowHeight * busy.size() + 24;
  std::string out = fmt::format(
      "<svg class=\"still\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"How busy each engine "
      "is "
      "over time\">\n",
      kWidth, height);
  for (size_t row = 0; row < busy.size(); ++row) {
    const size_t top = row * kRowHeight + 3;
    out += fmt::format("<text x=\"0\" y=\"{}\">{}</text>\n", top + 13,
                       escaped(result.engines[row].name));
    out += row_paths(busy[row], top, color_class(result.engines[row].name));
  }
  const double span = static_cast<double>(span_ps(result)) * 1e-12;
  for (size_t tick = 0; tick <= kTicks; ++tick) {
    const char* anchor = tick == 0 ? "start" : tick == kTicks ? "end" : "middle";
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n",
                       kLabelWidth + (kWidth - kLabelWidth) * tick / kTicks, height - 4, anchor,
                       human(span * static_cast<double>(tick) / kTicks, "s"));
  }
  return out + "</svg>\n";
}

}  // namespace thorong::report
