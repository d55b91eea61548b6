// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/accuracy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "thorong/report/html_page.h"
#include "thorong/report/html_text.h"
#include "thorong/report/text_grid.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

std::string error_text(double error) {
  if (std::isinf(error)) return "not finite";
  return error == 0 ? "0" : fmt::format("{:.1e}", error);
}

double largest_own(const AccuracyLayer& layer) {
  double largest = 0;
  for (const LayerError& error : layer.errors) largest = std::max(largest, error.own);
  return largest;
}

// Layers to show, in the order of the program.
std::vector<size_t> shown_layers(const Accuracy& accuracy, size_t most) {
  std::vector<size_t> order(accuracy.layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (most == 0 || most >= order.size()) return order;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return largest_own(accuracy.layers[a]) > largest_own(accuracy.layers[b]);
  });
  order.resize(most);
  std::sort(order.begin(), order.end());
  return order;
}

std::string ratio(double part, double whole) {
  return part > 0 && whole > 0 ? fmt::format("{:.2f} x", whole / part) : "-";
}

std::string modes_table(const Accuracy& accuracy, const Style& style) {
  TextGrid grid;
  grid.column("mode", TextGrid::Align::kLeft);
  for (const char* title : {"device", "faster", "energy"})
    grid.column(title, TextGrid::Align::kRight);
  for (const OutputAccuracy& output : accuracy.outputs)
    grid.column("error of " + shortened(printable(output.name), 24), TextGrid::Align::kRight);
  grid.row({"fp32", human(accuracy.fp32_device_s, "s"), "1", human(accuracy.fp32_energy_j, "J")});
  for (size_t m = 0; m < accuracy.modes.size(); ++m) {
    const AccuracyModeUse& mode = accuracy.modes[m];
    if (!mode.refused.empty()) continue;
    std::vector<std::string> row = {mode.name, human(mode.device_s, "s"),
                                    ratio(mode.device_s, accuracy.fp32_device_s),
                                    human(mode.energy_j, "J")};
    for (const OutputAccuracy& output : accuracy.outputs)
      row.push_back(error_text(output.errors[m].total));
    grid.row(std::move(row));
  }
  std::string text = grid.text(style);
  for (const AccuracyModeUse& mode : accuracy.modes) {
    if (!mode.refused.empty())
      text += "  " + wrapped(mode.name + " is not possible: " + mode.refused, 96, 2) + "\n";
  }
  return text;
}

std::string layers_table(const Accuracy& accuracy, size_t most, const Style& style) {
  TextGrid grid;
  grid.column("layer", TextGrid::Align::kLeft);
  grid.column("operator", TextGrid::Align::kLeft);
  for (const AccuracyModeUse& mode : accuracy.modes) {
    if (mode.refused.empty()) grid.column(mode.name, TextGrid::Align::kRight);
  }
  for (const size_t i : shown_layers(accuracy, most)) {
    const AccuracyLayer& layer = accuracy.layers[i];
    std::vector<std::string> row = {shortened(printable(layer.name), 28),
                                    shortened(printable(layer.op), 20)};
    for (size_t m = 0; m < accuracy.modes.size(); ++m) {
      if (!accuracy.modes[m].refused.empty()) continue;
      const LayerError& error = layer.errors[m];
      row.push_back(error_text(error.own) + " / " + error_text(error.total));
    }
    grid.row(std::move(row));
  }
  return grid.text(style);
}

std::string named(const Accuracy& accuracy, std::span<const size_t> layers) {
  constexpr size_t kNamed = 5;
  std::string names;
  for (size_t i = 0; i < std::min(kNamed, layers.size()); ++i)
    names += (i == 0 ? "" : ", ") + accuracy.layers[layers[i]].name;
  if (layers.size() > kNamed) names += fmt::format(" and {} more", layers.size() - kNamed);
  return names;
}

std::string advice(const Accuracy& accuracy, size_t m) {
  const AccuracyModeUse& mode = accuracy.modes[m];
  std::vector<size_t> beyond;  // layers that make what is not finite out of fp32's finite values
  for (size_t i = 0; i < accuracy.layers.size(); ++i) {
    if (!std::isfinite(accuracy.layers[i].errors[m].own)) beyond.push_back(i);
  }
  if (!beyond.empty()) {
    const bool short_reach =
        mode.name.find("fp16") != std::string::npos || mode.name.find("fp8") != std::string::npos;
    return fmt::format("{}: not finite where fp32 is, in {} of {} layers: {}{}", mode.name,
                       beyond.size(), accuracy.layers.size(), named(accuracy, beyond),
                       short_reach ? ". bf16 reaches as far as fp32" : "");
  }
  return fmt::format("{}: {} of {} layers add nine tenths of the squared error: {}", mode.name,
                     mode.keep_in_fp32.size(), accuracy.layers.size(),
                     named(accuracy, mode.keep_in_fp32));
}

std::vector<std::string> all_advice(const Accuracy& accuracy) {
  std::vector<std::string> lines = accuracy.remarks;
  for (size_t m = 0; m < accuracy.modes.size(); ++m) {
    const AccuracyModeUse& mode = accuracy.modes[m];
    if (mode.refused.empty() && !mode.keep_in_fp32.empty()) lines.push_back(advice(accuracy, m));
  }
  return lines;
}

constexpr const char* kMeaning =
    "Errors are relative to fp32: root mean square of the difference over that of the values. Own "
    "is "
    "what a layer adds when it is run on fp32's values; total is what has come together there.";

// ---- The page ----

// Decades between which the picture is drawn.
constexpr double kLowest = -9, kHighest = 1;

double decade(double error) {
  return error > 0 ? std::clamp(std::log10(error), kLowest, kHighest) : kLowest;
}

// One row a mode, one cell a layer: the darker, the larger the error.
std::string heat_map(const Accuracy& accuracy, double LayerError::*which) {
  constexpr int kLeft = 150, kWidth = 1000, kRow = 22;
  const size_t count = accuracy.layers.size();
  const double cell =
      count == 0 ? 0 : static_cast<double>(kWidth - kLeft) / static_cast<double>(count);
  std::string cells;
  int y = 0;
  for (size_t m = 0; m < accuracy.modes.size(); ++m) {
    if (!accuracy.modes[m].refused.empty()) continue;
    cells +=
        fmt::format("<text x=\"0\" y=\"{}\" font-size=\"12\" fill=\"currentColor\">{}</text>\n",
                    y + 15, escaped(accuracy.modes[m].name));
    for (size_t i = 0; i < count; ++i) {
      const AccuracyLayer& layer = accuracy.layers[i];
      const double error = layer.errors[m].*which;
      const double share = (decade(error) - kLowest) / (kHighest - kLowest);
      cells += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{}\" width=\"{:.2f}\" height=\"{}\" fill=\"#b3202c\" "
          "fill-opacity=\"{:.2f}\"><title>{}: {} {}</title></rect>\n",
          kLeft + static_cast<double>(i) * cell, y, std::max(cell - 0.5, 0.5), kRow - 3, share,
          escaped(layer.name), escaped(accuracy.modes[m].name), error_text(error));
    }
    y += kRow;
  }
  return fmt::format(
      "<svg viewBox=\"0 0 {} {}\" width=\"100%\" role=\"img\" aria-label=\"errors by "
      "layer and mode\">\n{}</svg>\n",
      kWidth, std::max(y, kRow), cells);
}

std::string layers_html(const Accuracy& accuracy) {
  std::string out = "<div class=\"scroll\"><table><thead><tr><th>layer</th><th>operator</th>";
  for (const AccuracyModeUse& mode : accuracy.modes) {
    if (mode.refused.empty()) out += "<th class=\"n\">" + escaped(mode.name) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const AccuracyLayer& layer : accuracy.layers) {
    out +=
        "<tr><th scope=\"row\">" + escaped(layer.name) + "</th><td>" + escaped(layer.op) + "</td>";
    for (size_t m = 0; m < accuracy.modes.size(); ++m) {
      if (!accuracy.modes[m].refused.empty()) continue;
      out += fmt::format("<td class=\"n\">{} / {}</td>", error_text(layer.errors[m].own),
                         error_text(layer.errors[m].total));
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string modes_html(const Accuracy& accuracy) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th>mode</th><th class=\"n\">device</th>"
      "<th class=\"n\">faster</th><th class=\"n\">energy</th>";
  for (const OutputAccuracy& output : accuracy.outputs)
    out += "<th class=\"n\">error of " + escaped(output.name) + "</th>";
  out += fmt::format(
      "</tr></thead><tbody>\n<tr><th scope=\"row\">fp32</th><td class=\"n\">{}</td>"
      "<td class=\"n\">1</td><td class=\"n\">{}</td></tr>\n",
      human(accuracy.fp32_device_s, "s"), human(accuracy.fp32_energy_j, "J"));
  for (size_t m = 0; m < accuracy.modes.size(); ++m) {
    const AccuracyModeUse& mode = accuracy.modes[m];
    out += "<tr><th scope=\"row\">" + escaped(mode.name) + "</th>";
    if (!mode.refused.empty()) {
      out += "<td colspan=\"4\">not possible: " + escaped(mode.refused) + "</td></tr>\n";
      continue;
    }
    out += fmt::format("<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
                       human(mode.device_s, "s"), ratio(mode.device_s, accuracy.fp32_device_s),
                       human(mode.energy_j, "J"));
    for (const OutputAccuracy& output : accuracy.outputs)
      out += "<td class=\"n\">" + error_text(output.errors[m].total) + "</td>";
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace

std::string to_accuracy_table(const Accuracy& accuracy, size_t most, bool color) {
  const Style style(color);
  std::string text = style.bold + style.accent +
                     printable(accuracy.model_path + " on " + accuracy.chip) + style.reset + "\n\n";
  text += modes_table(accuracy, style) + "\n" + layers_table(accuracy, most, style);
  const size_t shown = shown_layers(accuracy, most).size();
  if (shown < accuracy.layers.size()) {
    text += fmt::format("  {}the {} layers of the largest own errors of {}; --top 0 shows all{}\n",
                        style.dim, shown, accuracy.layers.size(), style.reset);
  }
  text += "\n  " + wrapped(std::string("own / total. ") + kMeaning, 96, 2) + "\n";
  for (const std::string& line : all_advice(accuracy)) text += "  - " + wrapped(line, 96, 4) + "\n";
  if (!accuracy.random_inputs.empty())
    text += "  - inputs that were not given are random; errors of real data may differ\n";
  return text;
}

std::string to_accuracy_json(const Accuracy& accuracy) {
  auto errors = [&](const std::vector<LayerError>& list, bool own) {
    Json json = Json::object();
    for (size_t m = 0; m < list.size(); ++m) {
      if (!accuracy.modes[m].refused.empty()) continue;
      auto number = [](double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); };
      Json& entry = json[accuracy.modes[m].name];
      if (own) entry["own"] = number(list[m].own);
      entry["total"] = number(list[m].total);
      entry["max_abs"] = number(list[m].max_abs);
    }
    return json;
  };
  Json modes = Json::array(), layers = Json::array(), outputs = Json::object();
  for (const AccuracyModeUse& mode : accuracy.modes) {
    Json keep = Json::array();
    for (const size_t i : mode.keep_in_fp32) keep.push_back(accuracy.layers[i].name);
    modes.push_back({{"mode", mode.name},
                     {"device_s", mode.device_s},
                     {"energy_j", mode.energy_j},
                     {"refused", mode.refused.empty() ? Json(nullptr) : Json(mode.refused)},
                     {"keep_in_fp32", keep}});
  }
  for (const AccuracyLayer& layer : accuracy.layers) {
    layers.push_back({{"name", layer.name},
                      {"op", layer.op},
                      {"elements", layer.elements},
                      {"errors", errors(layer.errors, true)}});
  }
  for (const OutputAccuracy& output : accuracy.outputs)
    outputs[output.name] = errors(output.errors, false);
  const Json json = {
      {"thorong", accuracy.thorong_version},
      {"model", accuracy.model_path},
      {"chip", accuracy.chip},
      {"fp32", {{"device_s", accuracy.fp32_device_s}, {"energy_j", accuracy.fp32_energy_j}}},
      {"modes", modes},
      {"outputs", outputs},
      {"layers", layers},
      {"random_inputs", accuracy.random_inputs},
      {"remarks", accuracy.remarks},
      {"not_modelled", accuracy.notes}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string to_accuracy_html(const Accuracy& accuracy) {
  Page page;
  page.title = "Accuracy on " + accuracy.chip;
  page.eyebrow = "Thorong<span>" + escaped(accuracy.model_path) + "</span>";
  page.body = section_html("modes", "Modes", "Time and energy of a run, errors of the outputs.",
                           modes_html(accuracy));
  page.body +=
      section_html("own", "Where the error enters",
                   "Each layer alone, on fp32's values; from 1e-9 (white) to 10 (full), by "
                   "decades; the program runs from left to right.",
                   heat_map(accuracy, &LayerError::own));
  page.body += section_html("total", "What has come together", "The layers' results in each mode.",
                            heat_map(accuracy, &LayerError::total));
  page.body +=
      section_html("advice", "Which layers to keep in fp32", "", list_html(all_advice(accuracy)));
  page.body += section_html("layers", "Layers", std::string("Own / total. ") + kMeaning,
                            layers_html(accuracy));
  page.data.emplace_back("thorong-accuracy", to_accuracy_json(accuracy));
  page.script = kReadyScript;
  page.version = accuracy.thorong_version;
  return page_html(page);
}

}  // namespace thorong::report
