// SPDX-License-Identifier: Apache-2.0
// The page of one run. All of it but the zoomable charts is plain HTML, so it reads, prints and
// copies without a script.
#include <fmt/format.h>

#include "thorong/report/embedded.h"
#include "thorong/report/html_data.h"
#include "thorong/report/html_page.h"
#include "thorong/report/html_sections.h"
#include "thorong/report/html_text.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

constexpr size_t kMaxEvents = 1000000;

// Runs where the bundle is missing: the page is ready as it is.
constexpr std::string_view kPlainScript =
    "document.documentElement.setAttribute('data-thorong-ready','true')";

std::string chart(std::string_view name, std::string_view still = {}) {
  return fmt::format("<div class=\"chart {0}\" data-chart=\"{0}\">{1}</div>\n", name, still);
}

std::string bound_legend() {
  std::string out = "<p class=\"legend\">bound by ";
  for (const char* name :
       {"tensor", "vector", "scalar", "gpsimd", "dma", "hbm", "dependency", "host"}) {
    out += fmt::format("<span><i class=\"dot {}\"></i>{}</span> ", color_class(name), name);
  }
  return out + "</p>\n";
}

std::string missing_charts_note() {
  return "<p class=\"notice\">This copy of Thorong was built without npm. The timeline below is a "
         "still "
         "picture; the zoom down to single instructions, the roofline, the memory charts and "
         "sorting of the "
         "tables are missing. All figures are here and in the JSON.</p>\n";
}

std::string timeline_section(const Result& result, bool interactive) {
  const size_t events = result.timeline.size();
  std::string remark = fmt::format("Every engine and DMA queue, {} instructions over {}.",
                                   grouped(static_cast<int64_t>(events)),
                                   human(static_cast<double>(span_ps(result)) * 1e-12, "s"));
  if (interactive) {
    remark +=
        " <span class=\"screen\">Drag to pan, Ctrl + wheel or the slider to zoom, double-click a "
        "bar to "
        "zoom to it.</span>";
  }
  if (events > kMaxEvents) {
    remark += fmt::format(" More than {} bars: neighbours that stand close were merged.",
                          grouped(static_cast<int64_t>(kMaxEvents)));
  }
  return section_html("timeline", "Timeline", remark, chart("timeline", timeline_svg(result)));
}

std::string roofline_section(const Result& result) {
  std::string remark = fmt::format(
      "Each point is {}. Ceilings of one core: {}{} and {} of HBM.",
      result.model_format == "nki" ? "a line, or the whole kernel" : "an operator",
      human(result.roofline.peak_flops_per_s, "FLOP/s"),
      result.roofline.peak_format.empty() ? "" : " in " + escaped(result.roofline.peak_format),
      human(result.roofline.hbm_bytes_per_s, "B/s"));
  return section_html("roofline", "Roofline", remark, chart("roofline"), "interactive");
}

std::string map_remark(const Result& result, Memory memory, const MemoryShape& shape) {
  const MemoryPeak peak = memory_peak(result, memory);
  return fmt::format(
      "<h3>{}: at its fullest {} of {} a partition, at {}; largest free stretch {} of {} "
      "(fragmentation {})</h3>\n",
      memory == Memory::kSbuf ? "SBUF" : "PSUM", human_bytes(peak.used_bytes),
      human_bytes(shape.bytes), human(static_cast<double>(peak.time_ps) * 1e-12, "s"),
      human_bytes(peak.largest_free_bytes), human_bytes(peak.free_bytes),
      percent(peak.fragmentation()));
}

std::string maps_section(const Result& result) {
  std::string body;
  for (Memory memory : {Memory::kSbuf, Memory::kPsum}) {
    const MemoryShape& shape = memory == Memory::kSbuf ? result.sbuf : result.psum;
    if (shape.bytes <= 0) continue;
    body +=
        map_remark(result, memory, shape) +
        chart(memory == Memory::kSbuf ? "sbuf-map" : "psum-map", memory_map_svg(result, memory));
  }
  if (body.empty()) return {};
  return section_html("memory-maps", "Which tensor lies where",
                      "Bytes of a partition against time, from a tensor's first instruction to its "
                      "last one.",
                      body);
}

std::string basis_sections(const Result& result) {
  std::string out;
  if (!result.hints.empty())
    out += section_html("hints", "What to try", "", list_html(result.hints));
  out += section_html("not-modelled", "What is not modelled", "",
                      result.not_modelled.empty()
                          ? "<p class=\"remark\">Nothing of this run is known to be left out.</p>\n"
                          : list_html(result.not_modelled));
  std::string error = result.expected_error ? expected_error_text(*result.expected_error)
                                            : "not known, because no measured row is comparable";
  out += section_html("assumed", "Where each figure comes from",
                      "Assumed or calibrated facts of blocks that took part, by the block's share "
                      "of time or energy. Expected error: " +
                          escaped(error) + ".",
                      assumed_html(result));
  out += section_html("how", "How this was run", "", how_run_html(result));
  return out;
}

std::string mfu_text(const Result& result) {
  if (result.product_flops <= 0) return {};
  return fmt::format(" MFU {}: matrix products against {} in {}{}.", percent(result.mfu),
                     human(result.roofline.peak_flops_per_s, "FLOP/s"),
                     escaped(result.roofline.peak_format),
                     result.cores_used > 1 ? " on each core" : "");
}

// A pair's page shows one core; what the others' engines did stands in a line each.
std::string cores_text(const Result& result) {
  std::string out;
  for (size_t core = 0; core < result.cores.size(); ++core) {
    if (static_cast<int>(core) == result.shown_core) {
      out += fmt::format(" Core {}, which ends last, is shown.", core);
      continue;
    }
    out += fmt::format(" Core {} ends at {}:", core, human(result.cores[core].end_s, "s"));
    const char* separator = " ";
    for (const EngineUse& engine : result.cores[core].engines) {
      if (engine.busy_s <= 0) continue;
      out += fmt::format("{}{} {}", separator, escaped(engine.name), percent(engine.utilization));
      separator = ", ";
    }
    out += ".";
  }
  return out;
}

std::string energy_by_operator_section(const Result& result) {
  if (result.model_format == "nki") {
    return section_html("energy-by-line", "Energy by line",
                        "Static energy and copies over the host link belong to no line.",
                        line_bars_html(result));
  }
  return section_html("energy-by-operator", "Energy by operator", "",
                      bound_legend() + operator_bars_html(result, &OperatorUse::energy_j, "J"));
}

std::string body_html(const Result& result, bool interactive) {
  std::string out = interactive ? "" : missing_charts_note();
  out += cards_html(result);
  out += timeline_section(result, interactive);
  out += "<div class=\"columns\">\n";
  // The two stand below each other beside the roofline, or beside each other where there is none.
  if (interactive) out += roofline_section(result) + "<div class=\"stack\">\n";
  out += section_html(
             "engines", "Engines",
             "Share of the device time that each is busy." + mfu_text(result) + cores_text(result),
             engines_html(result)) +
         section_html("energy", "Energy by component",
                      fmt::format("{} a run.", human(result.energy_j, "J")),
                      energy_by_component_html(result)) +
         (interactive ? "</div>\n" : "") + "</div>\n<div class=\"columns\">\n" +
         section_html("time-by-operator", "Time by operator", "",
                      bound_legend() + operator_bars_html(result, &OperatorUse::time_s, "s")) +
         energy_by_operator_section(result) + "</div>\n";
  if (interactive) {
    out += section_html(
        "memory", "Memory over time",
        "Bytes in use; the dashed line is the capacity. The time follows the timeline's zoom.",
        "<div class=\"thirds\">" + chart("sbuf") + chart("psum") + chart("hbm") + "</div>\n",
        "interactive");
  }
  out += maps_section(result);
  out += section_html(
      "operators", "Operators",
      "What bounds each, how busy the bound is, and the least time that peak and HBM allow.",
      "<div data-table=\"operators\">" + operator_table_html(result) + "</div>\n");
  if (result.model_format == "nki") {
    out += section_html("energy-of-lines", "Energy of each line by component",
                        "Of all cores; static energy and copies over the host link are the rest of "
                        "the " +
                            human(result.energy_j, "J") + ".",
                        energy_by_line_html(result));
  }
  if (!result.critical_path.empty()) {
    out += section_html("critical-path", "Critical path",
                        "What decides the latency: instructions of which each held back the next.",
                        critical_path_html(result));
    out += section_html(
        "waits", "Waits",
        "An engine or queue was free, and its next instruction could not begin: what "
        "it waited for. First those in which nothing on the critical path was at work. Of the "
        "engine's idle time, in flight: the result was on its way through a pipeline or the DMA "
        "engines; signal: the semaphore was.",
        waits_html(result));
  }
  if (!result.outputs.empty()) out += section_html("outputs", "Outputs", "", outputs_html(result));
  return out + basis_sections(result);
}

}  // namespace

std::string to_html(const Result& result) {
  const bool interactive = !page_script().empty();
  Page page;
  page.title = headline(result);
  page.eyebrow = "Thorong<span>" + escaped(result.model_path) + "</span><span>" +
                 escaped(result.chip) + "</span>";
  page.body = body_html(result, interactive);
  page.data.emplace_back("thorong-result", to_json(result));
  if (interactive) page.data.emplace_back("thorong-charts", chart_data_json(result, kMaxEvents));
  page.script = interactive ? page_script() : kPlainScript;
  page.version = result.thorong_version;
  return page_html(page);
}

}  // namespace thorong::report
