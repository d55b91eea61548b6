// SPDX-License-Identifier: Apache-2.0
// The timeline and the memories' occupancy as the page's script reads them: delta-coded integers,
// zlib, base64.
#pragma once

#include <string>
#include <vector>

#include "thorong/report/result.h"

namespace thorong::report {

// Stands in TimelineEvent::instruction for several merged bars.
inline constexpr uint16_t kMergedInstructions = 0xffff;

// The events by engine and start, those of unknown engines dropped. More than `max_events` are
// thinned: bars of one engine that stand close are merged, first of the same operator only, then of
// any.
std::vector<TimelineEvent> thinned_timeline(const Result& result, size_t max_events);

// At most `max_points` steps; of the steps left out between two kept ones the highest survives.
std::vector<OccupancyPoint> thinned_occupancy(const std::vector<OccupancyPoint>& points,
                                              size_t max_points);

// The end of the last event or of device_s, whichever is later.
int64_t span_ps(const Result& result);

// JSON for <script id="thorong-charts">; web/src/data.js reads it.
std::string chart_data_json(const Result& result, size_t max_events);

// The timeline as a still picture: how busy every engine is over time.
std::string timeline_svg(const Result& result);
// A memory's map as a still picture: which addresses are in use over time; PSUM's banks marked.
std::string memory_map_svg(const Result& result, Memory memory);

}  // namespace thorong::report
