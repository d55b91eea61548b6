// SPDX-License-Identifier: Apache-2.0
#include "results.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string_view>

#include "errors.h"
#include "tensors.h"
#include "thorong/base/file.h"
#include "thorong/report/accuracy.h"
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;
using report::Result;
using Release = nb::call_guard<nb::gil_scoped_release>;

constexpr double kSeconds = 1e-12;  // a picosecond

void write_html(const Result& result, const std::string& path) {
  std::string html = report::to_html(result);
  std::string_view part = html;
  throw_if_error(write_file_atomically(path, {&part, 1}));
}

// Values of the outputs in the declared order; none with timing_only.
std::vector<ops::Tensor> outputs(const Result& result) {
  std::vector<ops::Tensor> tensors;
  for (const report::Output& output : result.outputs) {
    if (output.tensor) tensors.push_back(output.tensor);
  }
  return tensors;
}

template <typename T, typename Row, typename Function>
nb::object column(const std::vector<Row>& rows, Function value) {
  auto* data = new T[rows.size()];
  nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<T*>(pointer); });
  for (size_t i = 0; i < rows.size(); ++i) data[i] = static_cast<T>(value(rows[i]));
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {rows.size()}, owner));
}

// Columns of numbers; some are indices into the lists of timeline_names.
nb::dict timeline(const Result& result) {
  using Event = report::TimelineEvent;
  auto seconds = [](int64_t ps) { return static_cast<double>(ps) * kSeconds; };
  const std::vector<Event>& rows = result.timeline;
  nb::dict columns;
  columns["start_s"] = column<double>(rows, [&](const Event& e) { return seconds(e.start_ps); });
  columns["end_s"] = column<double>(rows, [&](const Event& e) { return seconds(e.end_ps); });
  columns["engine"] = column<int32_t>(rows, [](const Event& e) { return e.engine; });
  columns["instruction"] = column<int32_t>(rows, [](const Event& e) { return e.instruction; });
  columns["operator"] = column<int32_t>(rows, [](const Event& e) { return e.operator_index; });
  columns["waited_for"] = column<int32_t>(rows, [](const Event& e) { return e.hold; });
  columns["cause"] = column<int64_t>(rows, [](const Event& e) { return e.cause; });
  columns["hbm_bytes"] = column<double>(rows, [](const Event& e) { return e.hbm_bytes; });
  return columns;
}

// As timeline: a row for each stay of a tensor in a memory.
nb::dict tiles(const Result& result) {
  using Tile = report::TileUse;
  auto seconds = [](int64_t ps) { return static_cast<double>(ps) * kSeconds; };
  const std::vector<Tile>& rows = result.tiles;
  nb::dict columns;
  columns["memory"] =
      column<int32_t>(rows, [](const Tile& t) { return static_cast<int>(t.memory); });
  columns["name"] = column<int32_t>(rows, [](const Tile& t) { return t.name; });
  columns["at"] = column<int32_t>(rows, [](const Tile& t) { return t.operator_index; });
  columns["engine"] = column<int32_t>(rows, [](const Tile& t) { return t.engine; });
  columns["address"] = column<int64_t>(rows, [](const Tile& t) { return t.address; });
  columns["bytes"] = column<int64_t>(rows, [](const Tile& t) { return t.bytes; });
  columns["partitions"] = column<int64_t>(rows, [](const Tile& t) { return t.partitions; });
  columns["start_s"] = column<double>(rows, [&](const Tile& t) { return seconds(t.start_ps); });
  columns["end_s"] = column<double>(rows, [&](const Tile& t) { return seconds(t.end_ps); });
  return columns;
}

nb::dict tile_names(const Result& result) {
  std::vector<std::string> engines, operators;
  for (const report::EngineUse& use : result.engines) engines.push_back(use.name);
  for (const report::OperatorUse& use : result.operators) operators.push_back(use.name);
  nb::dict names;
  names["memory"] = std::vector<std::string>{"hbm", "sbuf", "psum"};
  names["name"] = result.tile_names;
  names["at"] = operators;
  names["engine"] = engines;
  return names;
}

nb::dict timeline_names(const Result& result) {
  std::vector<std::string> engines, operators;
  for (const report::EngineUse& use : result.engines) engines.push_back(use.name);
  for (const report::OperatorUse& use : result.operators) operators.push_back(use.name);
  nb::dict names;
  names["engine"] = engines;
  names["instruction"] = result.instruction_names;
  names["operator"] = operators;
  names["waited_for"] =
      std::vector<std::string>(report::kHoldNames.begin(), report::kHoldNames.end());
  return names;
}

// What a notebook shows first, as people read it.
std::vector<std::pair<std::string, std::string>> summary(const Result& result) {
  const report::Cost& cost = result.cost;
  std::string price = cost.usd_per_million
                          ? report::dollars(*cost.usd_per_million) + " per million samples"
                          : "unknown: " + report::cost_reason(cost);
  return {{"latency", report::human(result.latency_s, "s")},
          {"on the device", report::human(result.device_s, "s")},
          {"on the host", report::human(result.host_s, "s")},
          {"throughput", report::plain(result.throughput_per_s) + " /s, whole chip"},
          {"energy", report::human(result.energy_j, "J")},
          {"average power", report::human(result.average_power_w, "W")},
          {"cost", price},
          {"HBM at its highest", report::human_bytes(result.hbm_peak_bytes)}};
}

}  // namespace

void bind_results(nb::module_& module) {
  nb::class_<report::Accuracy>(module, "Accuracy")
      .def("to_json", &report::to_accuracy_json)
      .def("to_html", &report::to_accuracy_html)
      .def("to_table",
           [](const report::Accuracy& a) { return report::to_accuracy_table(a, 20, false); });
  nb::class_<Result>(module, "Result")
      .def("to_json", &report::to_json, Release())
      .def("to_html", &report::to_html, Release())
      .def("to_table", [](const Result& r) { return report::to_table(r, false); })
      .def("to_brief", [](const Result& r) { return report::to_brief(r, false); })
      .def("write_html", write_html, Release())
      .def(
          "write_trace",
          [](const Result& r, const std::string& path) {
            throw_if_error(report::write_trace(r, path));
          },
          Release())
      .def(
          "write_outputs",
          [](Result& r, const std::string& folder) {
            throw_if_error(report::write_outputs(r, folder));
          },
          Release())
      .def("headline", &report::headline)
      .def("summary", summary)
      .def("outputs", outputs)
      .def("output_structures",
           [](const Result& r) { return write_structures(r.output_structures); })
      .def("timeline", timeline)
      .def("tiles", tiles)
      .def("tile_names", tile_names)
      .def("timeline_names", timeline_names);
}

}  // namespace thorong::python
