// SPDX-License-Identifier: Apache-2.0
// The terminal view: the answer in one line, then time, energy, cost and memory, engines, the
// operators that cost most, and what the figures rest on.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "thorong/report/lines.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/report.h"
#include "thorong/report/text_grid.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

using Align = TextGrid::Align;

constexpr size_t kOperatorRows = 12, kEngineRows = 16, kAssumedRows = 6;
constexpr size_t kTextWidth = 92, kBarWidth = 20;

std::string section(const Style& style, const std::string& title, const std::string& remark = {}) {
  std::string text = "\n" + style.bold + title + style.reset;
  if (!remark.empty()) text += "  " + style.dim + remark + style.reset;
  return text + "\n";
}

std::string of_capacity(int64_t capacity) {
  return capacity > 0 ? fmt::format("at its highest, of {}", human_bytes(capacity))
                      : "at its highest";
}

double share_of(double part, double whole) { return whole > 0 ? part / whole : 0; }

// How scattered what was free was, when most was in use.
std::string free_then(const Result& result, Memory memory) {
  const MemoryPeak peak = memory_peak(result, memory);
  if (peak.used_bytes == 0 || peak.free_bytes == 0) return {};
  return fmt::format("; largest free stretch {} of {} a partition",
                     human_bytes(peak.largest_free_bytes), human_bytes(peak.free_bytes));
}

std::string mfu_basis(const Result& result) {
  return fmt::format("of {} in {}{}", human(result.roofline.peak_flops_per_s, "FLOP/s"),
                     result.roofline.peak_format, result.cores_used > 1 ? " on each core" : "");
}

std::string summary(const Result& result, const Style& style) {
  TextGrid grid;
  grid.column("", Align::kLeft);
  grid.column("", Align::kRight);
  grid.column("", Align::kLeft);
  grid.row(
      {"Latency", human(result.latency_s, "s"),
       fmt::format("device {} + host {}", human(result.device_s, "s"), human(result.host_s, "s"))});
  grid.row({"Throughput", plain(result.throughput_per_s) + " /s", "whole chip, every core busy"});
  grid.row({"Energy", human(result.energy_j, "J"),
            fmt::format("a run; {} on average", human(result.average_power_w, "W"))});
  const Cost& cost = result.cost;
  std::string reason = cost_reason(cost), basis = cost_basis(cost);
  std::string basis_text = basis;
  if (!reason.empty()) basis_text += (basis.empty() ? "" : "; ") + reason;
  grid.row({"Cost", cost.usd_per_million ? dollars(*cost.usd_per_million) : "unknown",
            cost.usd_per_million ? "per million samples at full throughput; " + basis_text
                                 : basis_text});
  grid.row({"HBM", human_bytes(result.hbm_peak_bytes),
            fmt::format("{}; {} moved", of_capacity(result.hbm_capacity_bytes),
                        human_bytes(result.hbm_traffic_bytes))});
  grid.row({"SBUF", human_bytes(result.sbuf_peak_bytes),
            of_capacity(result.sbuf_capacity_bytes) + free_then(result, Memory::kSbuf)});
  grid.row({"PSUM", human_bytes(result.psum_peak_bytes),
            of_capacity(result.psum_capacity_bytes) + free_then(result, Memory::kPsum)});
  if (result.product_flops > 0) {
    grid.row({"MFU", percent(result.mfu), mfu_basis(result)});
  }
  return fmt::format("\n{}", grid.text(style));
}

std::string other_core(const CoreUse& use, size_t core) {
  std::string text = fmt::format("core {} ends at {}:", core, human(use.end_s, "s"));
  const char* separator = " ";
  for (const EngineUse& engine : use.engines) {
    if (engine.busy_s <= 0) continue;
    text += fmt::format("{}{} {}", separator, engine.name, percent(engine.utilization));
    separator = ", ";
  }
  return text;
}

std::string engines(const Result& result, const Style& style) {
  if (result.engines.empty()) return {};
  TextGrid grid;
  grid.column("", Align::kLeft);
  grid.column("busy", Align::kRight);
  grid.column("share", Align::kRight);
  grid.column("", Align::kLeft);
  grid.column("instructions", Align::kRight);
  size_t shown = 0;
  for (const EngineUse& engine : result.engines) {
    if (shown == kEngineRows) break;
    if (engine.busy_s <= 0 && engine.instructions == 0) continue;
    std::string blocks = bar(engine.utilization, kBarWidth);
    blocks += std::string(kBarWidth - std::min(kBarWidth, display_width(blocks)), ' ');
    grid.row({engine.name, human(engine.busy_s, "s"), percent(engine.utilization), blocks,
              grouped(engine.instructions)});
    ++shown;
  }
  std::string remark = "share of the device time";
  if (result.cores.size() > 1)
    remark += fmt::format("; core {}, which ends last", result.shown_core);
  std::string text = section(style, "Engines", remark) + grid.text(style);
  for (size_t core = 0; core < result.cores.size(); ++core) {
    if (static_cast<int>(core) != result.shown_core)
      text += "  " + other_core(result.cores[core], core) + "\n";
  }
  return text;
}

std::string energy(const Result& result, const Style& style) {
  std::array<size_t, kEnergyComponents> order{};
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return result.energy_by[a] > result.energy_by[b]; });
  TextGrid grid;
  grid.column("", Align::kLeft);
  grid.column("", Align::kRight);
  grid.column("", Align::kRight);
  grid.column("", Align::kLeft);
  for (size_t i : order) {
    double share = share_of(result.energy_by[i], result.energy_j);
    if (share <= 0) continue;
    std::string name = kEnergyComponentNames[i];
    std::replace(name.begin(), name.end(), '_', ' ');
    grid.row({name, human(result.energy_by[i], "J"), percent(share), bar(share, kBarWidth)});
  }
  std::string text = grid.text(style);
  return text.empty() ? text : section(style, "Energy by component") + text;
}

std::string operators(const Result& result, const Style& style) {
  if (result.operators.empty()) return {};
  std::vector<size_t> order(result.operators.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t shown = std::min(kOperatorRows, order.size());
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return result.operators[a].time_s > result.operators[b].time_s;
  });
  TextGrid grid;
  for (const char* title : {"name", "operator"}) grid.column(title, Align::kLeft);
  for (const char* title : {"time", "share", "energy"}) grid.column(title, Align::kRight);
  for (const char* title : {"path", "bound by"}) grid.column(title, Align::kLeft);
  grid.column("x roofline", Align::kRight);
  const double total = operators_time(result);
  double shown_time = 0;
  for (size_t i = 0; i < shown; ++i) {
    const OperatorUse& use = result.operators[order[i]];
    shown_time += use.time_s;
    std::string bound = use.bound;
    if (use.bound_share > 0) bound += fmt::format(" {}", percent(use.bound_share));
    grid.row({shortened(printable(use.name), 30), shortened(printable(use.op), 22),
              human(use.time_s, "s"), percent(share_of(use.time_s, total)),
              human(use.energy_j, "J"), use.path, bound,
              use.roofline_s > 0 ? plain(use.time_s / use.roofline_s) : "-"});
  }
  std::string remark = fmt::format("{} of {}, {} of the operators' time", shown,
                                   result.operators.size(), percent(share_of(shown_time, total)));
  return section(style, "Operators that cost most", remark) + grid.text(style);
}

// What a kernel's lines cost; a model's operators have their energy in the table above.
std::string lines(const Result& result, const Style& style) {
  constexpr size_t kRows = 5;
  if (result.model_format != "nki" || result.energy_j <= 0) return {};
  const std::vector<LineUse> all = energy_by_line(result);
  TextGrid grid;
  for (const char* title : {"line", "instructions"}) grid.column(title, Align::kLeft);
  for (const char* title : {"count", "energy", "share"}) grid.column(title, Align::kRight);
  double sum = 0;
  for (const LineUse& line : all) sum += line.energy_j;
  for (size_t i = 0; i < std::min(kRows, all.size()); ++i) {
    grid.row({shortened(printable(all[i].name), 36), shortened(printable(all[i].ops), 30),
              grouped(all[i].instructions), human(all[i].energy_j, "J"),
              percent(share_of(all[i].energy_j, result.energy_j))});
  }
  return section(
             style, "Energy by line",
             fmt::format("{} of {} lines; all of them need {}, the rest is static and host link",
                         std::min(kRows, all.size()), all.size(),
                         percent(share_of(sum, result.energy_j)))) +
         grid.text(style);
}

std::string who(const std::string& op, const std::string& name) {
  return shortened(printable(op.empty() ? name : op + " " + name), 36);
}

// What decides the latency: the instructions of which each held back the next.
std::string critical_path(const Result& result, const Style& style) {
  constexpr size_t kRows = 4;
  if (result.critical_path.empty()) return {};
  TextGrid grid;
  for (const char* title : {"instruction", "engine"}) grid.column(title, Align::kLeft);
  for (const char* title : {"count", "at work", "waits before", "share"})
    grid.column(title, Align::kRight);
  double busy = 0;
  for (const CriticalUse& use : result.critical_path) busy += use.busy_s;
  for (size_t i = 0; i < std::min(kRows, result.critical_path.size()); ++i) {
    const CriticalUse& use = result.critical_path[i];
    grid.row({who(use.op, use.name), use.engine, grouped(use.count), human(use.busy_s, "s"),
              human(use.wait_s, "s"), percent(share_of(use.busy_s + use.wait_s, result.device_s))});
  }
  return section(style, "Critical path",
                 fmt::format("{} of the device time at work, the rest waits",
                             percent(share_of(busy, result.device_s)))) +
         grid.text(style);
}

std::string waits(const Result& result, const Style& style) {
  constexpr size_t kRows = 3;
  TextGrid grid;
  for (const char* title : {"who waited", "engine", "for", "of"}) grid.column(title, Align::kLeft);
  for (const char* title : {"critical", "engine idle"}) grid.column(title, Align::kRight);
  size_t shown = 0;
  for (const WaitUse& use : result.waits) {
    if (shown == kRows || use.time_s <= 0) break;  // an engine that was busy did not wait
    grid.row({who(use.op, use.name), use.engine, use.waited_for, who(use.cause_op, use.cause_name),
              human(use.critical_s, "s"), human(use.time_s, "s")});
    ++shown;
  }
  if (shown == 0) return {};
  return section(style, "Most expensive waits", "those on the critical path first") +
         grid.text(style);
}

std::string outputs(const Result& result, const Style& style) {
  if (result.outputs.empty()) return {};
  TextGrid grid;
  grid.column("", Align::kLeft);
  grid.column("", Align::kLeft);
  grid.column("", Align::kLeft);
  for (const Output& output : result.outputs) {
    std::string remark = output.file;
    if (auto error = result.errors.find(output.name); error != result.errors.end()) {
      remark = fmt::format("largest error {:.2g} absolute, {:.2g} relative; rms {:.2g}  {}",
                           error->second.max_abs, error->second.max_rel, error->second.rms, remark);
    }
    grid.row({shortened(printable(output.name), 30),
              fmt::format("{} {}", numerics::name(output.type.format),
                          ops::to_string(output.type.shape)),
              remark});
  }
  return section(style, "Outputs") + grid.text(style);
}

std::string bullets(const Style& style, const std::string& title,
                    const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = section(style, title);
  for (const std::string& line : lines)
    text += "  - " + wrapped(printable(line), kTextWidth, 4) + "\n";
  return text;
}

std::string basis(const Result& result, const Style& style) {
  std::string text = bullets(style, "What to try", result.hints);
  if (!result.random_inputs.empty()) {
    std::string names;
    for (const std::string& name : result.random_inputs)
      names += (names.empty() ? "" : ", ") + name;
    text += bullets(style, "Inputs filled with random values", {names});
  }
  text += bullets(style, "Not modelled", result.not_modelled);
  std::vector<std::string> facts;
  for (const Assumed& fact : result.assumed) {
    if (facts.size() == kAssumedRows) {
      facts.push_back(fmt::format("and {} more; see --json or the page.",
                                  result.assumed.size() - facts.size()));
      break;
    }
    facts.push_back(fmt::format("{} = {} ({}): {}", fact.fact, fact.value, fact.kind, fact.source));
  }
  text += bullets(style, "Assumed or calibrated, by their block's share", facts);
  text += section(style, "Expected error");
  std::string error = result.expected_error ? expected_error_text(*result.expected_error)
                                            : "not known: no measured row is comparable";
  return text + "  " + wrapped(error + ".", kTextWidth, 2) + "\n";
}

std::string how_run(const Result& result) {
  std::string text =
      fmt::format("{} core{}, schedule {}, auto-cast {}", result.cores_used,
                  result.cores_used == 1 ? "" : "s", result.schedule, result.auto_cast);
  if (result.auto_cast != "none") text += " " + result.auto_cast_type;
  text += fmt::format(", rounding {}, seed {}", result.rounding, result.seed);
  if (result.timing_only) text += ", timing only";
  text += fmt::format("; import {}, compile {}, run {} here", human(result.import_s, "s"),
                      human(result.compile_s, "s"), human(result.run_s, "s"));
  return printable(text);
}

using Figure = std::string (*)(const Result&);

// The row of a comparison; the best chip is starred where less, or more, is better.
struct ComparisonRow {
  const char* title;
  Figure text;
  double (*value)(const Result&);  // NaN: unknown
  int better;                      // -1 less, 1 more, 0 no such thing
};

double unknown_if_empty(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

const ComparisonRow kComparison[] = {
    {"latency", [](const Result& r) { return human(r.latency_s, "s"); },
     [](const Result& r) { return r.latency_s; }, -1},
    {"  device", [](const Result& r) { return human(r.device_s, "s"); }, nullptr, 0},
    {"  host", [](const Result& r) { return human(r.host_s, "s"); }, nullptr, 0},
    {"throughput", [](const Result& r) { return plain(r.throughput_per_s) + " /s"; },
     [](const Result& r) { return r.throughput_per_s; }, 1},
    {"energy a run", [](const Result& r) { return human(r.energy_j, "J"); },
     [](const Result& r) { return r.energy_j; }, -1},
    {"average power", [](const Result& r) { return human(r.average_power_w, "W"); }, nullptr, 0},
    {"cost per million samples",
     [](const Result& r) {
       return r.cost.usd_per_million ? dollars(*r.cost.usd_per_million) : std::string("unknown");
     },
     [](const Result& r) { return unknown_if_empty(r.cost.usd_per_million); }, -1},
    {"instance", [](const Result& r) { return r.cost.instance.value_or("unknown"); }, nullptr, 0},
    {"HBM at its highest", [](const Result& r) { return human_bytes(r.hbm_peak_bytes); }, nullptr,
     0},
    {"cores", [](const Result& r) { return std::to_string(r.cores_used); }, nullptr, 0},
};

// The best value of a row; none where no result is better than another.
std::optional<double> best_of(const ComparisonRow& row, std::span<const Result> results) {
  std::optional<double> best, worst;
  for (size_t i = 0; row.value != nullptr && i < results.size(); ++i) {
    double value = row.value(results[i]);
    if (!(value == value)) continue;
    if (!best || value * row.better > *best * row.better) best = value;
    if (!worst || value * row.better < *worst * row.better) worst = value;
  }
  return best == worst ? std::nullopt : best;
}

}  // namespace

std::string to_table(const Result& result, bool color) {
  Style style(color);
  std::string text = style.bold + style.accent + printable(headline(result)) + style.reset + "\n";
  text += summary(result, style) + engines(result, style) + energy(result, style) +
          bullets(style, "Assumed for this run", assumption_texts(result)) +
          operators(result, style) + lines(result, style) + critical_path(result, style) +
          waits(result, style) + outputs(result, style) + basis(result, style);
  return text + "\n" + style.dim + how_run(result) + style.reset + "\n";
}

std::string to_brief(const Result& result, bool color) {
  Style style(color);
  std::string text = style.bold + style.accent + printable(headline(result)) + style.reset + "\n";
  if (result.product_flops > 0)
    text += fmt::format("\nMFU {} {}\n", percent(result.mfu), mfu_basis(result));
  return text + engines(result, style) + waits(result, style);
}

std::string to_comparison_table(std::span<const Result> results, bool color) {
  if (results.empty()) return "Nothing to compare.\n";
  Style style(color);
  TextGrid grid;
  grid.column(printable(model_name(results.front())), Align::kLeft);
  for (const Result& result : results) grid.column(printable(result.chip), Align::kRight);
  for (const ComparisonRow& row : kComparison) {
    std::vector<std::string> cells = {row.title};
    std::optional<double> best = best_of(row, results);
    for (const Result& result : results) {
      bool is_best = best && row.value(result) == *best;
      cells.push_back((is_best ? "* " : "") + row.text(result));
    }
    grid.row(std::move(cells));
  }
  std::string text = grid.text(style);
  if (results.size() > 1) text += style.dim + "  * best of the row" + style.reset + "\n";
  std::vector<std::string> unknown, assumed;
  for (const Result& result : results) {
    std::string reason = cost_reason(result.cost);
    if (!reason.empty()) unknown.push_back(chip_name(result) + ": " + reason);
    for (const std::string& line : assumption_texts(result))
      assumed.push_back(chip_name(result) + ": " + line);
  }
  text += bullets(style, "Assumed for this run", assumed);
  return text + bullets(style, "Why a cost is unknown", unknown);
}

}  // namespace thorong::report
