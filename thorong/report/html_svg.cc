// SPDX-License-Identifier: Apache-2.0
// The still timeline and maps: what the page shows before its script runs, without a script, and
// where the script was not built.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "thorong/report/html_data.h"
#include "thorong/report/html_text.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

constexpr size_t kSlices = 480, kLevels = 5;
constexpr size_t kRowHeight = 22, kBarHeight = 16, kLabelWidth = 80, kWidth = 1200, kTicks = 6;

constexpr size_t kMapRows = 48, kMapHeight = 216;

using Slices = std::array<double, kSlices>;
using Busy = std::vector<Slices>;

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
std::string row_paths(const Slices& shares, double top, double height, const std::string& color) {
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
      fmt::format_to(std::back_inserter(paths[level]), "M{:.1f} {:.1f}h{:.1f}v{:.1f}H{:.1f}z",
                     static_cast<double>(kLabelWidth) + kSlice * static_cast<double>(i), top,
                     kSlice * static_cast<double>(end - i), height,
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

std::string time_axis(const Result& result, size_t height) {
  const double span = static_cast<double>(span_ps(result)) * 1e-12;
  std::string out;
  for (size_t tick = 0; tick <= kTicks; ++tick) {
    const char* anchor = tick == 0 ? "start" : tick == kTicks ? "end" : "middle";
    out += fmt::format("<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n",
                       kLabelWidth + (kWidth - kLabelWidth) * tick / kTicks, height - 4, anchor,
                       human(span * static_cast<double>(tick) / kTicks, "s"));
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
    out += row_paths(busy[row], static_cast<double>(top), kBarHeight,
                     color_class(result.engines[row].name));
  }
  return out + time_axis(result, height) + "</svg>\n";
}

std::string memory_map_svg(const Result& result, Memory memory) {
  const size_t height = kMapHeight + 24;
  std::string out = fmt::format(
      "<svg class=\"still\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Which addresses of {} "
      "are "
      "in use over time\">\n",
      kWidth, height, name(memory));
  const std::vector<float> grid = memory_grid(result, memory, kMapRows, kSlices);
  constexpr double kRow = static_cast<double>(kMapHeight) / kMapRows;
  for (size_t row = 0; row < kMapRows; ++row) {
    Slices shares{};
    std::copy_n(grid.begin() + static_cast<std::ptrdiff_t>(row * kSlices), kSlices, shares.begin());
    out += row_paths(shares, kRow * static_cast<double>(kMapRows - 1 - row), kRow,
                     color_class(name(memory)));
  }
  const int64_t top = map_top(result, memory);
  const int64_t bank = memory == Memory::kPsum ? result.psum.bank_bytes : 0;
  int64_t step = bank > 0 ? bank : 1;
  while (bank == 0 && step * 6 < top) step *= 2;
  for (int64_t at = 0; at < top; at += step) {
    const double y =
        static_cast<double>(kMapHeight) * (1 - static_cast<double>(at) / static_cast<double>(top));
    out += fmt::format(
        "<line x1=\"{}\" x2=\"{}\" y1=\"{:.1f}\" y2=\"{:.1f}\"/><text x=\"0\" "
        "y=\"{:.1f}\">{}</text>\n",
        kLabelWidth, kWidth, y, y, y - 4,
        bank > 0 ? fmt::format("bank {}", at / bank) : human_bytes(at));
  }
  return out + time_axis(result, height) + "</svg>\n";
}

}  // namespace thorong::report
