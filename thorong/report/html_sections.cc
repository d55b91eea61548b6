// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/html_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <vector>

#include "thorong/report/html_text.h"
#include "thorong/report/lines.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

constexpr size_t kBars = 30, kTableRows = 100;

double share_of(double part, double whole) { return whole > 0 ? part / whole : 0; }

std::string spaced(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

// A key figure: what it is, the figure, a remark in HTML.
std::string card(std::string_view title, const std::string& figure, const std::string& remark,
                 std::string_view css_class = {}) {
  return fmt::format(
      "<div class=\"card {}\"><h3>{}</h3><div class=\"figure\">{}</div><div "
      "class=\"note\">{}</div></div>\n",
      css_class, title, escaped(figure), remark);
}

std::string memory_note(int64_t peak, int64_t capacity) {
  if (capacity <= 0) return "at its highest";
  const double share = static_cast<double>(peak) / static_cast<double>(capacity);
  return fmt::format("{} of {}<span class=\"gauge\"><i style=\"width:{:.1f}%\"></i></span>",
                     percent(share), human_bytes(capacity), std::clamp(share, 0.0, 1.0) * 100);
}

std::string cost_card(const Cost& cost) {
  std::string note = "per million samples at full throughput<br>" + escaped(cost_basis(cost));
  std::string reason = cost_reason(cost);
  if (!reason.empty()) note += "<br>" + escaped(reason);
  return card("Cost", cost.usd_per_million ? dollars(*cost.usd_per_million) : "unknown", note);
}

std::vector<size_t> sorted_operators(const Result& result, double OperatorUse::*figure) {
  std::vector<size_t> order(result.operators.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return result.operators[a].*figure > result.operators[b].*figure;
  });
  return order;
}

std::string error_cells(const Result& result, const std::string& name) {
  auto error = result.errors.find(name);
  if (error == result.errors.end()) return "<td></td><td></td><td></td>";
  return fmt::format(
      "<td class=\"n\">{:.3g}</td><td class=\"n\">{:.3g}</td><td class=\"n\">{:.3g}</td>",
      error->second.max_abs, error->second.max_rel, error->second.rms);
}

std::string table_head(std::initializer_list<const char*> texts,
                       std::initializer_list<const char*> numbers) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const char* title : texts) out += fmt::format("<th>{}</th>", title);
  for (const char* title : numbers) out += fmt::format("<th class=\"n\">{}</th>", title);
  return out + "</tr></thead><tbody>\n";
}

std::string table_row(std::initializer_list<std::string> texts,
                      std::initializer_list<std::string> numbers) {
  std::string out = "<tr>";
  for (const std::string& text : texts) out += fmt::format("<td>{}</td>", escaped(text));
  for (const std::string& number : numbers) out += fmt::format("<td class=\"n\">{}</td>", number);
  return out + "</tr>\n";
}

}  // namespace

std::string cards_html(const Result& result) {
  std::string out = "<div class=\"cards\">\n";
  const double device = std::clamp(share_of(result.device_s, result.latency_s), 0.0, 1.0) * 100;
  out += card(
      "Latency", human(result.latency_s, "s"),
      fmt::format(
          "device {} + host {}<span class=\"gauge split\"><i style=\"width:{:.1f}%\"></i></span>",
          human(result.device_s, "s"), human(result.host_s, "s"), device),
      "main");
  out += card("Throughput", plain(result.throughput_per_s) + " /s", "whole chip, every core busy");
  out += card("Energy", human(result.energy_j, "J"),
              fmt::format("a run, {} on average", human(result.average_power_w, "W")));
  out += cost_card(result.cost);
  out += card(
      "HBM", human_bytes(result.hbm_peak_bytes),
      memory_note(result.hbm_peak_bytes, result.hbm_capacity_bytes) +
          (result.hbm_traffic_bytes > 0 ? human_bytes(result.hbm_traffic_bytes) + " moved" : ""));
  out += card("SBUF", human_bytes(result.sbuf_peak_bytes),
              memory_note(result.sbuf_peak_bytes, result.sbuf_capacity_bytes));
  out += card("PSUM", human_bytes(result.psum_peak_bytes),
              memory_note(result.psum_peak_bytes, result.psum_capacity_bytes));
  if (result.expected_error) {
    out += card("Expected error", "± " + percent(result.expected_error->median),
                fmt::format("median; nine in ten within {}<br>{} measured row{}",
                            percent(result.expected_error->p90), result.expected_error->rows,
                            result.expected_error->rows == 1 ? "" : "s"));
  } else {
    out += card("Expected error", "not known", "no measured row is comparable");
  }
  return out + "</div>\n";
}

std::string energy_by_component_html(const Result& result) {
  std::array<size_t, kEnergyComponents> order{};
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return result.energy_by[a] > result.energy_by[b]; });
  std::vector<BarRow> rows;
  for (size_t i : order) {
    const double joules = result.energy_by[i];
    if (joules <= 0) continue;
    rows.push_back({spaced(kEnergyComponentNames[i]), "",
                    share_of(joules, result.energy_by[order[0]]), human(joules, "J"),
                    percent(share_of(joules, result.energy_j)),
                    color_class(kEnergyComponentNames[i])});
  }
  return rows.empty() ? "<p class=\"remark\">No energy was counted.</p>\n" : bar_chart(rows);
}

std::string engines_html(const Result& result) {
  std::vector<BarRow> rows;
  for (const EngineUse& engine : result.engines) {
    if (engine.busy_s <= 0 && engine.instructions == 0) continue;
    rows.push_back({engine.name, grouped(engine.instructions) + " instr.", engine.utilization,
                    percent(engine.utilization), human(engine.busy_s, "s"),
                    color_class(engine.name)});
  }
  return rows.empty() ? "<p class=\"remark\">No engine was busy.</p>\n" : bar_chart(rows);
}

std::string operator_bars_html(const Result& result, double OperatorUse::*figure,
                               const char* unit) {
  const std::vector<size_t> order = sorted_operators(result, figure);
  double total = 0, rest = 0;
  for (const OperatorUse& use : result.operators) total += use.*figure;
  const double largest = order.empty() ? 0 : result.operators[order[0]].*figure;
  std::vector<BarRow> rows;
  for (size_t i = 0; i < order.size(); ++i) {
    const OperatorUse& use = result.operators[order[i]];
    if (i >= kBars) {
      rest += use.*figure;
      continue;
    }
    if (use.*figure <= 0) break;
    rows.push_back({use.name, use.op, share_of(use.*figure, largest), human(use.*figure, unit),
                    percent(share_of(use.*figure, total)), color_class(use.bound)});
  }
  if (rest > 0) {
    rows.push_back({fmt::format("{} more", grouped(static_cast<int64_t>(order.size() - kBars))), "",
                    std::min(1.0, share_of(rest, largest)), human(rest, unit),
                    percent(share_of(rest, total)), "c-rest"});
  }
  return rows.empty() ? "<p class=\"remark\">There is no operator to show.</p>\n" : bar_chart(rows);
}

std::string line_bars_html(const Result& result) {
  const std::vector<LineUse> lines = energy_by_line(result);
  std::vector<BarRow> rows;
  for (size_t i = 0; i < std::min(kBars, lines.size()); ++i) {
    const auto most = std::max_element(lines[i].energy_by.begin(), lines[i].energy_by.end());
    const char* component =
        kEnergyComponentNames[static_cast<size_t>(most - lines[i].energy_by.begin())];
    rows.push_back({lines[i].name, lines[i].ops, share_of(lines[i].energy_j, lines[0].energy_j),
                    human(lines[i].energy_j, "J"),
                    percent(share_of(lines[i].energy_j, result.energy_j)), color_class(component)});
  }
  return rows.empty() ? "<p class=\"remark\">There is no line to show.</p>\n" : bar_chart(rows);
}

std::string energy_by_line_html(const Result& result) {
  const std::vector<LineUse> lines = energy_by_line(result);
  std::vector<size_t> parts;  // that any line needs
  for (size_t part = 0; part < kEnergyComponents; ++part) {
    if (std::any_of(lines.begin(), lines.end(),
                    [&](const LineUse& line) { return line.energy_by[part] > 0; }))
      parts.push_back(part);
  }
  std::string out = table_head({"Line", "Instructions"}, {"Count", "Energy", "Share"});
  std::string heads;
  for (size_t part : parts)
    heads += fmt::format("<th class=\"n\">{}</th>", spaced(kEnergyComponentNames[part]));
  out.insert(out.rfind("</tr></thead>"), heads);
  const size_t shown = std::min(kTableRows, lines.size());
  for (size_t i = 0; i < shown; ++i) {
    const LineUse& line = lines[i];
    std::string row =
        table_row({line.name, line.ops}, {grouped(line.instructions), human(line.energy_j, "J"),
                                          percent(share_of(line.energy_j, result.energy_j))});
    std::string cells;
    for (size_t part : parts)
      cells += fmt::format("<td class=\"n\">{}</td>", human(line.energy_by[part], "J"));
    row.insert(row.rfind("</tr>"), cells);
    out += row;
  }
  out += "</tbody></table></div>\n";
  if (shown < lines.size()) {
    out += fmt::format("<p class=\"remark\">The {} that need most of {}.</p>\n", shown,
                       grouped(static_cast<int64_t>(lines.size())));
  }
  return out;
}

std::string operator_table_html(const Result& result) {
  const std::vector<size_t> order = sorted_operators(result, &OperatorUse::time_s);
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>Name</th><th>Operator</th><th "
      "class=\"n\">Start</th>"
      "<th class=\"n\">Time</th><th class=\"n\">Energy</th><th>Engine</th><th>Path</th><th>Bound "
      "by</th>"
      "<th class=\"n\">Busy</th><th class=\"n\">Roofline</th><th class=\"n\">Times "
      "roofline</th></tr></thead>"
      "<tbody>\n";
  const size_t shown = std::min(kTableRows, order.size());
  for (size_t i = 0; i < shown; ++i) {
    const OperatorUse& use = result.operators[order[i]];
    fmt::format_to(
        std::back_inserter(out),
        "<tr><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td>"
        "<td>{}</td><td>{}</td><td><i class=\"dot {}\"></i>{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        escaped(use.name), escaped(use.op), human(use.start_s, "s"), human(use.time_s, "s"),
        human(use.energy_j, "J"), escaped(use.engine), escaped(use.path), color_class(use.bound),
        escaped(use.bound), percent(use.bound_share), human(use.roofline_s, "s"),
        use.roofline_s > 0 ? plain(use.time_s / use.roofline_s) : "–");
  }
  out += "</tbody></table></div>\n";
  if (shown < order.size()) {
    out += fmt::format(
        "<p class=\"remark\">The {} that take longest of {}; all of them are in the JSON.</p>\n",
        shown, grouped(static_cast<int64_t>(order.size())));
  }
  return out;
}

std::string critical_path_html(const Result& result) {
  std::string out =
      table_head({"Instruction", "Of", "Engine"}, {"Count", "At work", "Waits before", "Share"});
  for (size_t i = 0; i < std::min(kTableRows, result.critical_path.size()); ++i) {
    const CriticalUse& use = result.critical_path[i];
    out += table_row({use.op, use.name, use.engine},
                     {grouped(use.count), human(use.busy_s, "s"), human(use.wait_s, "s"),
                      percent(share_of(use.busy_s + use.wait_s, result.device_s))});
  }
  return out + "</tbody></table></div>\n";
}

std::string waits_html(const Result& result) {
  std::string out = table_head({"Who waited", "Of", "Engine", "For", "Instruction", "Of"},
                               {"Count", "Critical", "Engine idle", "In flight", "Signal"});
  std::string queued =
      table_head({"Ready", "Of", "Engine", "Which was busy with", "Of"}, {"Count", "Waited"});
  size_t rows = 0, queued_rows = 0;
  for (const WaitUse& use : result.waits) {
    if (use.queued_s > 0 && queued_rows < kTableRows) {
      ++queued_rows;
      queued += table_row({use.op, use.name, use.engine, use.cause_op, use.cause_name},
                          {grouped(use.count), human(use.queued_s, "s")});
    } else if (use.queued_s <= 0 && rows < kTableRows) {
      ++rows;
      out += table_row({use.op, use.name, use.engine, use.waited_for, use.cause_op, use.cause_name},
                       {grouped(use.count), human(use.critical_s, "s"), human(use.time_s, "s"),
                        human(use.latency_s, "s"), human(use.semaphore_s, "s")});
    }
  }
  out += "</tbody></table></div>\n";
  if (queued_rows == 0) return out;
  return out +
         "<p class=\"remark\">Engine busy: operands were there, and the engine or queue was at "
         "work "
         "on the instruction before.</p>\n" +
         queued + "</tbody></table></div>\n";
}

std::string outputs_html(const Result& result) {
  const bool errors = !result.errors.empty();
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>Name</th><th>Type</th><th>Shape</th>";
  if (errors) {
    out +=
        "<th class=\"n\">Largest error</th><th class=\"n\">Relative</th><th class=\"n\">RMS</th>";
  }
  out += "<th>SHA-256</th><th>File</th></tr></thead><tbody>\n";
  for (const Output& output : result.outputs) {
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td>{}<td><code>{}</code></td><td>{}</td></tr>\n",
        escaped(output.name), numerics::name(output.type.format), ops::to_string(output.type.shape),
        errors ? error_cells(result, output.name) : "",
        escaped(output.sha256.empty() ? "not computed" : output.sha256.substr(0, 16) + "…"),
        escaped(output.file));
  }
  return out + "</tbody></table></div>\n";
}

std::string assumed_html(const Result& result) {
  if (result.assumed.empty()) {
    return "<p class=\"remark\">No assumed or calibrated fact moved this result.</p>\n";
  }
  std::string out;
  for (const std::string& line : assumption_texts(result))
    out += "<p class=\"remark\">" + escaped(line) + ".</p>\n";
  out +=
      "<div class=\"scroll\"><table "
      "class=\"wrap\"><thead><tr><th>Fact</th><th>Value</th><th>Kind</th>"
      "<th class=\"n\">Effect of 10 %</th><th>Source</th></tr></thead><tbody>\n";
  for (const Assumed& fact : result.assumed) {
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>\n",
        escaped(fact.fact), escaped(fact.value), escaped(fact.kind),
        fact.effect != 0 ? percent(fact.effect) : "–", escaped(fact.source));
  }
  return out + "</tbody></table></div>\n";
}

std::string how_run_html(const Result& result) {
  std::string out = "<dl>\n";
  auto add = [&](const char* key, const std::string& value) {
    if (!value.empty()) out += fmt::format("<dt>{}</dt><dd>{}</dd>\n", key, escaped(value));
  };
  add("Model", result.model_path);
  add("Format", result.model_format);
  add("SHA-256 of the model", result.model_sha256);
  add("Chip",
      chip_name(result) + (result.chip == chip_name(result) ? "" : " (" + result.chip + ")"));
  add("Cores used", std::to_string(result.cores_used));
  add("Schedule", result.schedule);
  add("Auto-cast",
      result.auto_cast + (result.auto_cast_type.empty() ? "" : " to " + result.auto_cast_type));
  add("Rounding", result.rounding);
  add("Seed", std::to_string(result.seed));
  add("Values", result.timing_only ? "not computed (timing only)" : "computed");
  std::string random;
  for (const std::string& name : result.random_inputs)
    random += (random.empty() ? "" : ", ") + name;
  add("Inputs filled with random values", random);
  add("Time on this computer",
      fmt::format("import {}, compile {}, run {}", human(result.import_s, "s"),
                  human(result.compile_s, "s"), human(result.run_s, "s")));
  add("Memory on this computer",
      result.host_overhead_bytes > 0
          ? human_bytes(result.host_overhead_bytes) + " besides the tensors"
          : "");
  add("Thorong", result.thorong_version);
  return out + "</dl>\n";
}

}  // namespace thorong::report
