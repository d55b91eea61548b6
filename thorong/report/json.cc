// SPDX-License-Identifier: Apache-2.0
// The contract's JSON object of a run. Numbers that JSON cannot hold (NaN, infinity) become null.
#include "thorong/report/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "thorong/report/lines.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kPicosecond = 1e-12;

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// An unused key: JSON objects cannot hold one name twice.
std::string unused_key(const Json& object, const std::string& name) {
  std::string key = name;
  for (int number = 2; object.contains(key); ++number) key = name + "_" + std::to_string(number);
  return key;
}

Json cost_json(const Cost& cost) {
  Json json = {{"instance", or_null(cost.instance)},
               {"usd_per_hour", or_null(cost.usd_per_hour)},
               {"price_kind", or_null(cost.price_kind)},
               {"usd_per_million", or_null(cost.usd_per_million)}};
  std::string reason = cost_reason(cost);
  if (!reason.empty()) json["reason"] = reason;
  return json;
}

Json energy_json(const std::array<double, kEnergyComponents>& energy_by) {
  Json json = Json::object();
  for (size_t i = 0; i < kEnergyComponents; ++i) json[kEnergyComponentNames[i]] = energy_by[i];
  return json;
}

Json lines_json(const Result& result) {
  Json json = Json::array();
  for (const LineUse& line : energy_by_line(result)) {
    json.push_back({{"name", line.name},
                    {"op", line.ops},
                    {"instructions", line.instructions},
                    {"energy_j", line.energy_j},
                    {"share", result.energy_j > 0 ? line.energy_j / result.energy_j : 0},
                    {"energy_by", energy_json(line.energy_by)}});
  }
  return json;
}

Json tile_json(const Result& result, const TileUse& tile) {
  auto text = [](int32_t i, auto&& name_of) {
    return i < 0 ? Json(nullptr) : Json(name_of(static_cast<size_t>(i)));
  };
  return {{"name", text(tile.name, [&](size_t i) { return result.tile_names[i]; })},
          {"at", text(tile.operator_index, [&](size_t i) { return result.operators[i].name; })},
          {"engine", tile.engine < result.engines.size() ? result.engines[tile.engine].name : ""},
          {"address", tile.address},
          {"bytes", tile.bytes},
          {"partitions", tile.partitions},
          {"from_s", static_cast<double>(tile.start_ps) * kPicosecond},
          {"to_s", static_cast<double>(tile.end_ps) * kPicosecond}};
}

Json memory_map_json(const Result& result) {
  constexpr size_t kMostTiles = 1024;  // Python's Result.tiles has all
  Json json = Json::object();
  for (Memory memory : {Memory::kSbuf, Memory::kPsum}) {
    const MemoryShape& shape = memory == Memory::kSbuf ? result.sbuf : result.psum;
    const MemoryPeak peak = memory_peak(result, memory);
    Json tiles = Json::array();
    for (const TileUse& tile : largest_tiles(result, memory, kMostTiles))
      tiles.push_back(tile_json(result, tile));
    auto total = std::count_if(result.tiles.begin(), result.tiles.end(),
                               [&](const TileUse& tile) { return tile.memory == memory; });
    json[std::string(name(memory))] = {
        {"partitions", shape.partitions},
        {"bytes_per_partition", shape.bytes},
        {"bank_bytes", shape.bank_bytes > 0 ? Json(shape.bank_bytes) : Json(nullptr)},
        {"peak",
         {{"time_s", static_cast<double>(peak.time_ps) * kPicosecond},
          {"used_bytes", peak.used_bytes},
          {"free_bytes", peak.free_bytes},
          {"largest_free_bytes", peak.largest_free_bytes},
          {"fragmentation", peak.fragmentation()},
          {"highest_byte", peak.highest_byte}}},
        {"tiles_total", total},
        {"tiles", std::move(tiles)}};
  }
  return json;
}

Json engines_json(const std::vector<EngineUse>& engines) {
  Json json = Json::object();
  for (const EngineUse& engine : engines) {
    json[unused_key(json, engine.name)] = {{"busy_s", engine.busy_s},
                                           {"utilization", engine.utilization},
                                           {"instructions", engine.instructions}};
  }
  return json;
}

Json cores_json(const Result& result) {
  Json json = Json::array();
  for (const CoreUse& core : result.cores)
    json.push_back({{"end_s", core.end_s}, {"engines", engines_json(core.engines)}});
  return json;
}

Json memory_json(const Result& result) {
  return {{"hbm_peak_bytes", result.hbm_peak_bytes},
          {"hbm_traffic_bytes", result.hbm_traffic_bytes},
          {"sbuf_peak_bytes", result.sbuf_peak_bytes},
          {"psum_peak_bytes", result.psum_peak_bytes},
          {"host_overhead_bytes", result.host_overhead_bytes},
          {"hbm_capacity_bytes", result.hbm_capacity_bytes},
          {"sbuf_capacity_bytes", result.sbuf_capacity_bytes},
          {"psum_capacity_bytes", result.psum_capacity_bytes}};
}

Json operators_json(const Result& result) {
  Json json = Json::array();
  for (const OperatorUse& use : result.operators) json.push_back(operator_json(use));
  return json;
}

Json waits_json(const Result& result) {
  Json json = Json::array();
  for (const WaitUse& use : result.waits) {
    json.push_back({{"name", use.name},
                    {"op", use.op},
                    {"engine", use.engine},
                    {"waited_for", use.waited_for},
                    {"cause_name", use.cause_name},
                    {"cause_op", use.cause_op},
                    {"cause_engine", use.cause_engine},
                    {"count", use.count},
                    {"time_s", use.time_s},
                    {"critical_s", use.critical_s},
                    {"latency_s", use.latency_s},
                    {"semaphore_s", use.semaphore_s},
                    {"queued_s", use.queued_s}});
  }
  return json;
}

Json critical_path_json(const Result& result) {
  Json json = Json::array();
  for (const CriticalUse& use : result.critical_path) {
    json.push_back({{"name", use.name},
                    {"op", use.op},
                    {"engine", use.engine},
                    {"count", use.count},
                    {"busy_s", use.busy_s},
                    {"wait_s", use.wait_s}});
  }
  return json;
}

// Null for what --timing-only did not compute, or what was not written.
Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json outputs_json(const Result& result) {
  Json json = Json::object();
  for (const Output& output : result.outputs) {
    json[unused_key(json, output.name)] = {
        {"shape", output.type.shape},
        {"dtype", std::string(numerics::name(output.type.format))},
        {"sha256", text_or_null(output.sha256)},
        {"file", text_or_null(output.file)}};
  }
  for (const auto& [name, structure] : result.output_structures) {
    Json& entry = json[unused_key(json, name)];
    if (structure.kind == ops::Structure::Kind::kSequence)
      entry = {{"sequence", structure.count}};
    else if (structure.kind == ops::Structure::Kind::kText)
      entry = {{"shape", structure.text.shape},
               {"dtype", "string"},
               {"strings", structure.text.strings}};
    else
      entry = {{"absent", true}};
  }
  return json;
}

Json errors_json(const Result& result) {
  Json json = Json::object();
  for (const auto& [name, error] : result.errors) {
    json[name] = {{"max_abs", error.max_abs}, {"max_rel", error.max_rel}, {"rms", error.rms}};
  }
  return json;
}

Json assumed_json(const Result& result) {
  Json json = Json::array();
  for (const Assumed& fact : result.assumed) {
    json.push_back({{"fact", fact.fact},
                    {"value", fact.value},
                    {"kind", fact.kind},
                    {"source", fact.source},
                    {"effect", fact.effect}});
  }
  return json;
}

// Null where the time with the chip's own figures is not known.
Json assumptions_json(const Result& result) {
  const Assumptions& given = *result.assumptions;
  Json facts = Json::array();
  for (const auto& fact : given.facts) {
    facts.push_back({{"fact", fact.fact},
                     {"value", fact.value},
                     {"chip_value", fact.chip_value},
                     {"chip_kind", fact.chip_kind}});
  }
  Json json = {{"facts", facts}, {"device_s", result.device_s}, {"device_s_of_chip", nullptr}};
  if (given.not_timed_because.empty())
    json["device_s_of_chip"] = given.device_s_of_chip;
  else
    json["not_timed_because"] = given.not_timed_because;
  return json;
}

Json expected_error_json(const std::optional<ExpectedError>& error) {
  if (!error) return nullptr;
  return {
      {"median", error->median}, {"p90", error->p90}, {"rows", error->rows}, {"kind", error->kind}};
}

void add_figures(const Result& result, Json& json) {
  json["latency_s"] = result.latency_s;
  json["device_s"] = result.device_s;
  json["host_s"] = result.host_s;
  json["throughput_per_s"] = result.throughput_per_s;
  json["program_start_s"] = result.program_start_s;
  json["program_stop_s"] = result.program_stop_s;
  json["energy_j"] = result.energy_j;
  json["energy_by"] = energy_json(result.energy_by);
  json["average_power_w"] = result.average_power_w;
  json["product_flops"] = result.product_flops;
  json["mfu"] = result.mfu;
  json["cost"] = cost_json(result.cost);
  json["engines"] = engines_json(result.engines);
  if (!result.cores.empty()) {
    json["cores"] = cores_json(result);
    json["shown_core"] = result.shown_core;
  }
  json["memory"] = memory_json(result);
  json["roofline"] = {{"peak_flops_per_s", result.roofline.peak_flops_per_s},
                      {"peak_format", result.roofline.peak_format},
                      {"hbm_bytes_per_s", result.roofline.hbm_bytes_per_s}};
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Json operator_json(const OperatorUse& use) {
  return {{"name", use.name},
          {"op", use.op},
          {"start_s", use.start_s},
          {"time_s", use.time_s},
          {"energy_j", use.energy_j},
          {"engine", use.engine},
          {"path", use.path},
          {"bound", use.bound},
          {"bound_share", use.bound_share},
          {"flops", use.flops},
          {"hbm_bytes", use.hbm_bytes},
          {"roofline_s", use.roofline_s},
          {"choice", use.choice},
          {"instructions", use.instructions}};
}

nlohmann::ordered_json result_json(const Result& result) {
  Json json = Json::object();
  json["thorong"] = result.thorong_version;
  json["model"] = {{"path", result.model_path},
                   {"sha256", result.model_sha256},
                   {"format", result.model_format}};
  json["chip"] = result.chip;
  json["chip_title"] = result.chip_title;
  json["cores_used"] = result.cores_used;
  json["schedule"] = result.schedule;
  json["auto_cast"] = result.auto_cast;
  json["auto_cast_type"] = result.auto_cast_type;
  json["rounding"] = result.rounding;
  json["seed"] = result.seed;
  json["timing_only"] = result.timing_only;
  add_figures(result, json);
  json["operators"] = operators_json(result);
  json["energy_by_line"] = lines_json(result);
  json["waits"] = waits_json(result);
  json["critical_path"] = critical_path_json(result);
  json["memory_map"] = memory_map_json(result);
  json["outputs"] = outputs_json(result);
  if (!result.errors.empty()) json["errors"] = errors_json(result);
  json["random_inputs"] = result.random_inputs;
  json["not_modelled"] = result.not_modelled;
  json["assumed"] = assumed_json(result);
  if (result.assumptions) json["assumptions"] = assumptions_json(result);
  json["expected_error"] = expected_error_json(result.expected_error);
  json["hints"] = result.hints;
  json["wall"] = {{"import_s", result.import_s},
                  {"compile_s", result.compile_s},
                  {"run_s", result.run_s},
                  {"from_cache", result.from_cache}};
  return json;
}

std::string json_text(const std::string& text) { return dump(Json(text)); }

std::string to_json(const Result& result) { return dump(result_json(result)); }

std::string to_comparison_json(std::span<const Result> results) {
  Json json = Json::object();
  json["thorong"] = results.empty() ? "" : results.front().thorong_version;
  json["results"] = Json::array();
  for (const Result& result : results) json["results"].push_back(result_json(result));
  return dump(json);
}

}  // namespace thorong::report
