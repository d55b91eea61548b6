// SPDX-License-Identifier: Apache-2.0
#include "thorong/report/html_data.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <tuple>

#include "thorong/report/html_text.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/text_grid.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxOccupancyPoints = 8192;
constexpr size_t kMaxMapTiles = 200000;

// A column of integers: 7 bits a byte, least first, the top bit set on all but the last; signed
// ones zigzag.
class Column {
 public:
  void add(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<unsigned char>(value | 0x80));
    bytes_.push_back(static_cast<unsigned char>(value));
  }
  void add_signed(int64_t value) {
    add((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  // zlib then base64. The whole is below 4 GiB: zlib's own counts are long here.
  std::string packed() const {
    uLongf size = compressBound(static_cast<uLong>(bytes_.size()));
    std::vector<unsigned char> out(size);
    if (compress2(out.data(), &size, bytes_.data(), static_cast<uLong>(bytes_.size()), 6) != Z_OK)
      return {};
    return base64(std::span(out).first(size));
  }

 private:
  std::vector<unsigned char> bytes_;
};

// One pass of merging: events sorted by engine and start; bars with at most `gap` between them
// become one.
std::vector<TimelineEvent> merged(const std::vector<TimelineEvent>& events, int64_t gap,
                                  bool any_operator) {
  std::vector<TimelineEvent> out;
  for (const TimelineEvent& event : events) {
    if (!out.empty()) {
      TimelineEvent& last = out.back();
      bool same = last.operator_index == event.operator_index;
      if (last.engine == event.engine && (same || any_operator) &&
          event.start_ps - last.end_ps <= gap) {
        last.end_ps = std::max(last.end_ps, event.end_ps);
        last.instruction = kMergedInstructions;
        last.hold = 0, last.cause = -1;
        if (!same) last.operator_index = -1;
        continue;
      }
    }
    out.push_back(event);
  }
  return out;
}

Json timeline_json(const Result& result, size_t max_events) {
  const std::vector<TimelineEvent> events = thinned_timeline(result, max_events);
  std::vector<size_t> rows(result.engines.size(), 0);
  Column start, duration, operators, instructions, holds, causes;
  int64_t previous_end = 0, previous_operator = 0;
  size_t previous_engine = 0;
  for (const TimelineEvent& event : events) {
    if (event.engine != previous_engine) previous_end = 0;
    previous_engine = event.engine;
    ++rows[event.engine];
    start.add_signed(event.start_ps - previous_end);
    duration.add(static_cast<uint64_t>(std::max<int64_t>(0, event.end_ps - event.start_ps)));
    operators.add_signed(event.operator_index - previous_operator);
    instructions.add(event.instruction);
    holds.add(event.hold);
    // What held it back: the other event's operator and instruction, one more than each.
    bool known = event.cause >= 0 && static_cast<size_t>(event.cause) < result.timeline.size();
    const TimelineEvent none{};
    const TimelineEvent& cause = known ? result.timeline[static_cast<size_t>(event.cause)] : none;
    causes.add(known ? static_cast<uint64_t>(cause.operator_index + 1) : 0);
    causes.add(known ? cause.instruction + uint64_t{1} : 0);
    previous_end = event.start_ps + std::max<int64_t>(0, event.end_ps - event.start_ps);
    previous_operator = event.operator_index;
  }
  return {{"rows", rows},
          {"total", result.timeline.size()},
          {"start", start.packed()},
          {"duration", duration.packed()},
          {"operator", operators.packed()},
          {"instruction", instructions.packed()},
          {"hold", holds.packed()},
          {"cause", causes.packed()}};
}

Json occupancy_json(const std::vector<OccupancyPoint>& points, int64_t capacity) {
  std::vector<OccupancyPoint> thin = thinned_occupancy(points, kMaxOccupancyPoints);
  Column time, bytes;
  OccupancyPoint previous;
  for (const OccupancyPoint& point : thin) {
    time.add_signed(point.time_ps - previous.time_ps);
    bytes.add_signed(point.bytes - previous.bytes);
    previous = point;
  }
  return {{"capacity", capacity},
          {"count", thin.size()},
          {"time", time.packed()},
          {"bytes", bytes.packed()}};
}

// The tiles of a memory's map, in order of start.
Json map_json(const Result& result, Memory memory, const MemoryShape& shape) {
  const std::vector<TileUse> tiles = largest_tiles(result, memory, kMaxMapTiles);
  auto total = std::count_if(result.tiles.begin(), result.tiles.end(),
                             [&](const TileUse& tile) { return tile.memory == memory; });
  const MemoryPeak peak = memory_peak(result, memory);
  Column start, duration, address, bytes, names, operators, engines;
  TileUse previous;
  for (const TileUse& tile : tiles) {
    start.add_signed(tile.start_ps - previous.start_ps);
    duration.add(static_cast<uint64_t>(std::max<int64_t>(0, tile.end_ps - tile.start_ps)));
    address.add_signed(tile.address - previous.address);
    bytes.add(static_cast<uint64_t>(std::max<int64_t>(0, tile.bytes)));
    names.add_signed(tile.name - previous.name);
    operators.add_signed(tile.operator_index - previous.operator_index);
    engines.add(tile.engine);
    previous = tile;
  }
  return {{"bytes", shape.bytes},
          {"top", map_top(result, memory)},
          {"bank", shape.bank_bytes},
          {"peak_ps", peak.time_ps},
          {"peak_used", peak.used_bytes},
          {"count", tiles.size()},
          {"total", total},
          {"start", start.packed()},
          {"duration", duration.packed()},
          {"address", address.packed()},
          {"size", bytes.packed()},
          {"name", names.packed()},
          {"operator", operators.packed()},
          {"engine", engines.packed()}};
}

Json printable_names(const std::vector<std::string>& names) {
  Json json = Json::array();
  for (const std::string& name : names) json.push_back(printable(name));
  return json;
}

}  // namespace

int64_t span_ps(const Result& result) {
  double device = result.device_s * 1e12;
  int64_t span = std::isfinite(device) && device > 0 && device < 9e18 ? std::llround(device) : 1;
  for (const TimelineEvent& event : result.timeline) span = std::max(span, event.end_ps);
  return span;
}

std::vector<TimelineEvent> thinned_timeline(const Result& result, size_t max_events) {
  std::vector<TimelineEvent> events;
  events.reserve(result.timeline.size());
  for (const TimelineEvent& event : result.timeline) {
    if (event.engine < result.engines.size()) events.push_back(event);
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const TimelineEvent& a, const TimelineEvent& b) {
                     return std::tie(a.engine, a.start_ps) < std::tie(b.engine, b.start_ps);
                   });
  const int64_t span = span_ps(result);
  for (int64_t gap = std::max<int64_t>(1, span / 1000000); events.size() > max_events; gap *= 4) {
    events = merged(events, gap, gap > span / 2000);
    if (gap > span) break;
  }
  return events;
}

std::vector<OccupancyPoint> thinned_occupancy(const std::vector<OccupancyPoint>& points,
                                              size_t max_points) {
  if (points.size() <= max_points) return points;
  std::vector<OccupancyPoint> out;
  const size_t group = (points.size() + max_points - 2) / (max_points - 1);
  for (size_t i = 0; i < points.size(); i += group) {
    const size_t end = std::min(points.size(), i + group);
    OccupancyPoint highest = points[i];
    for (size_t j = i; j < end; ++j) highest.bytes = std::max(highest.bytes, points[j].bytes);
    out.push_back(highest);
  }
  if (out.back().time_ps != points.back().time_ps) out.push_back(points.back());
  return out;
}

std::string chart_data_json(const Result& result, size_t max_events) {
  Json engines = Json::array();
  for (const EngineUse& engine : result.engines) engines.push_back(printable(engine.name));
  Json json = {
      {"span_ps", span_ps(result)},
      {"engines", engines},
      {"instructions", printable_names(result.instruction_names)},
      {"holds", kHoldNames},
      {"timeline", timeline_json(result, max_events)},
      {"sbuf", occupancy_json(occupancy(result, Memory::kSbuf), result.sbuf_capacity_bytes)},
      {"psum", occupancy_json(occupancy(result, Memory::kPsum), result.psum_capacity_bytes)},
      {"hbm", occupancy_json(occupancy(result, Memory::kHbm), result.hbm_capacity_bytes)},
      {"tile_names", printable_names(result.tile_names)},
      {"maps",
       {{"sbuf", map_json(result, Memory::kSbuf, result.sbuf)},
        {"psum", map_json(result, Memory::kPsum, result.psum)}}}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace thorong::report
