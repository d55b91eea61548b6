// SPDX-License-Identifier: Apache-2.0
// The page of `thorong compare`: a bar a chip for each figure, the energy's parts, and the figures
// in a table.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "thorong/report/html_page.h"
#include "thorong/report/html_text.h"
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

struct Figure {
  const char* title;
  const char* remark;
  double (*value)(const Result&);  // NaN where unknown
  std::string (*text)(double);
  bool less_is_better;
};

const Figure kFigures[] = {
    {"Latency", "of one run, host included; less is better",
     [](const Result& r) { return r.latency_s; }, [](double v) { return human(v, "s"); }, true},
    {"Throughput", "of the whole chip; more is better",
     [](const Result& r) { return r.throughput_per_s; }, [](double v) { return plain(v) + " /s"; },
     false},
    {"Energy", "of one run; less is better", [](const Result& r) { return r.energy_j; },
     [](double v) { return human(v, "J"); }, true},
    {"Cost", "per million samples at full throughput; less is better",
     [](const Result& r) {
       return r.cost.usd_per_million.value_or(std::numeric_limits<double>::quiet_NaN());
     },
     [](double v) { return dollars(v); }, true},
};

std::string series_class(size_t index) { return fmt::format("s-{}", index % 8); }

// The best known value of a figure and the largest, which sets the bars' scale.
struct Range {
  double best = std::numeric_limits<double>::quiet_NaN();
  double largest = 0;
};

Range range_of(const Figure& figure, std::span<const Result> results) {
  Range range;
  for (const Result& result : results) {
    const double value = figure.value(result);
    if (!std::isfinite(value)) continue;
    range.largest = std::max(range.largest, value);
    const bool better = figure.less_is_better ? value < range.best : value > range.best;
    if (std::isnan(range.best) || better) range.best = value;
  }
  return range;
}

// "best", "1.8x" of the best.
std::string against_best(const Figure& figure, double value, const Range& range) {
  if (value == range.best) return "best";
  const double ratio = figure.less_is_better ? value / range.best : range.best / value;
  return std::isfinite(ratio)
             ? fmt::format("{:.3g}× {}", ratio, figure.less_is_better ? "the best" : "less")
             : "";
}

std::string figure_section(const Figure& figure, std::span<const Result> results) {
  const Range range = range_of(figure, results);
  std::vector<BarRow> rows;
  for (size_t i = 0; i < results.size(); ++i) {
    const double value = figure.value(results[i]);
    const bool known = std::isfinite(value);
    rows.push_back(
        {chip_name(results[i]), "", known && range.largest > 0 ? value / range.largest : 0,
         known ? figure.text(value) : "unknown",
         known && results.size() > 1 ? against_best(figure, value, range) : "", series_class(i)});
  }
  return section_html("", figure.title, figure.remark, bar_chart(rows));
}

std::string energy_parts(std::span<const Result> results) {
  double largest = 0;
  for (const Result& result : results) largest = std::max(largest, result.energy_j);
  std::string out = "<div class=\"bars\">\n";
  for (const Result& result : results) {
    out += fmt::format(
        "<div class=\"bar\"><span class=\"label\">{}</span><span class=\"track stacked\">",
        escaped(chip_name(result)));
    for (size_t i = 0; i < kEnergyComponents && largest > 0; ++i) {
      const double share = result.energy_by[i] / largest * 100;
      if (!(share > 0)) continue;
      out += fmt::format("<i class=\"{}\" style=\"width:{:.2f}%\" title=\"{}: {}\"></i>",
                         color_class(kEnergyComponentNames[i]), share, kEnergyComponentNames[i],
                         human(result.energy_by[i], "J"));
    }
    out += "</span><span class=\"value\">" + human(result.energy_j, "J") + "</span></div>\n";
  }
  out += "</div>\n<p class=\"legend\">";
  for (const char* name : kEnergyComponentNames) {
    std::string text = name;
    std::replace(text.begin(), text.end(), '_', ' ');
    out += fmt::format("<span><i class=\"dot {}\"></i>{}</span> ", color_class(name), text);
  }
  return section_html("energy", "Where the energy goes", "Joules of one run by component.",
                      out + "</p>\n");
}

std::string table_row(std::string_view title, std::span<const Result> results,
                      std::string (*text)(const Result&)) {
  std::string out = fmt::format("<tr><th scope=\"row\">{}</th>", title);
  for (const Result& result : results) out += "<td class=\"n\">" + escaped(text(result)) + "</td>";
  return out + "</tr>\n";
}

std::string table_html(std::span<const Result> results) {
  std::string out = "<div class=\"scroll\"><table><thead><tr><th></th>";
  for (size_t i = 0; i < results.size(); ++i) {
    out += fmt::format("<th class=\"n\"><i class=\"dot {}\"></i>{}</th>", series_class(i),
                       escaped(chip_name(results[i])));
  }
  out += "</tr></thead><tbody>\n";
  out += table_row("Latency", results, [](const Result& r) { return human(r.latency_s, "s"); });
  out += table_row("Device", results, [](const Result& r) { return human(r.device_s, "s"); });
  out += table_row("Host", results, [](const Result& r) { return human(r.host_s, "s"); });
  out += table_row("Throughput", results,
                   [](const Result& r) { return plain(r.throughput_per_s) + " /s"; });
  out += table_row("Energy a run", results, [](const Result& r) { return human(r.energy_j, "J"); });
  out += table_row("Average power", results,
                   [](const Result& r) { return human(r.average_power_w, "W"); });
  out += table_row("Cost per million samples", results, [](const Result& r) {
    return r.cost.usd_per_million ? dollars(*r.cost.usd_per_million)
                                  : "unknown: " + cost_reason(r.cost);
  });
  out += table_row("Price", results, [](const Result& r) { return cost_basis(r.cost); });
  out += table_row("HBM at its highest", results,
                   [](const Result& r) { return human_bytes(r.hbm_peak_bytes); });
  out += table_row("HBM traffic", results,
                   [](const Result& r) { return human_bytes(r.hbm_traffic_bytes); });
  out += table_row("Cores used", results,
                   [](const Result& r) { return std::to_string(r.cores_used); });
  out += table_row("Expected error", results, [](const Result& r) {
    return r.expected_error ? "± " + percent(r.expected_error->median) : std::string("not known");
  });
  return section_html("figures", "Figures", "", out + "</tbody></table></div>\n");
}

std::string comparison_title(std::span<const Result> results) {
  if (results.empty()) return "Nothing to compare";
  const auto fastest =
      std::min_element(results.begin(), results.end(),
                       [](const Result& a, const Result& b) { return a.latency_s < b.latency_s; });
  return fmt::format("{} on {} chip{}: fastest on {}, {} a run.", model_name(results.front()),
                     results.size(), results.size() == 1 ? "" : "s", chip_name(*fastest),
                     human(fastest->latency_s, "s"));
}

}  // namespace

std::string to_comparison_html(std::span<const Result> results) {
  Page page;
  page.title = comparison_title(results);
  page.eyebrow = "Thorong";
  if (!results.empty()) page.eyebrow += "<span>" + escaped(results.front().model_path) + "</span>";
  page.body = "<div class=\"columns\">\n";
  for (const Figure& figure : kFigures) page.body += figure_section(figure, results);
  page.body += "</div>\n" + energy_parts(results) + table_html(results);
  page.data.emplace_back("thorong-result", to_comparison_json(results));
  page.script = kReadyScript;
  if (!results.empty()) page.version = results.front().thorong_version;
  return page_html(page);
}

}  // namespace thorong::report
