// SPDX-License-Identifier: Apache-2.0
// Chrome trace events of a run, which Perfetto and chrome://tracing open: a thread an engine and
// one for the operators, an arrow from what held an engine back to what it held back, counters for
// the memories and HBM's traffic. Times are microseconds with six decimals, so no picosecond is
// lost.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "thorong/base/file.h"
#include "thorong/report/json.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

// Complete events of one thread must not overlap, so overlapping bars go to further threads of the
// same name.
constexpr int kLanes = 64;
// Of kHoldNames: an engine that was busy needs no arrow, what it did stands before the bar.
constexpr uint8_t kEngineBusy = 1;

// What is drawn, small enough to sort by time.
struct Entry {
  int64_t start_ps;
  uint32_t index;
  uint16_t track;  // 0: operators; 1 + engine; beyond: counters, then ends of arrows
  uint16_t lane;
};

// The end of the last bar of every lane of a track.
class Lanes {
 public:
  uint16_t place(int64_t start, int64_t end) {
    size_t lane = 0;
    while (lane < ends_.size() && ends_[lane] > start) ++lane;
    if (lane == ends_.size()) {
      if (lane == kLanes) return kLanes - 1;
      ends_.push_back(end);
    }
    ends_[lane] = end;
    return static_cast<uint16_t>(lane);
  }
  size_t count() const { return ends_.size(); }

 private:
  std::vector<int64_t> ends_;
};

struct Counter {
  std::string_view name, unit;
  std::vector<OccupancyPoint> points;  // values over time
};

// Bytes a second that transfers move through HBM.
std::vector<OccupancyPoint> hbm_rates(const Result& result) {
  std::vector<std::pair<int64_t, double>> changes;
  for (const TimelineEvent& event : result.timeline) {
    if (event.hbm_bytes <= 0 || event.end_ps <= event.start_ps) continue;
    double rate = static_cast<double>(event.hbm_bytes) /
                  static_cast<double>(event.end_ps - event.start_ps) * 1e12;
    changes.emplace_back(event.start_ps, rate);
    changes.emplace_back(event.end_ps, -rate);
  }
  std::sort(changes.begin(), changes.end());
  std::vector<OccupancyPoint> points;
  double rate = 0;
  for (size_t i = 0; i < changes.size(); ++i) {
    rate += changes[i].second;
    if (i + 1 < changes.size() && changes[i + 1].first == changes[i].first) continue;
    int64_t value = std::max<int64_t>(0, std::llround(rate));
    if (points.empty() || points.back().bytes != value) points.push_back({changes[i].first, value});
  }
  return points;
}

int64_t picoseconds(double seconds) {
  double value = seconds * 1e12;
  if (!(std::fabs(value) < 9e18)) return 0;
  return std::llround(value);
}

class TraceWriter {
 public:
  explicit TraceWriter(const Result& result)
      : result_(result),
        counters_{{"SBUF bytes", "bytes", occupancy(result, Memory::kSbuf)},
                  {"PSUM bytes", "bytes", occupancy(result, Memory::kPsum)},
                  {"HBM bytes", "bytes", occupancy(result, Memory::kHbm)},
                  {"HBM bandwidth", "bytes/s", hbm_rates(result)}},
        lanes_(1 + result.engines.size()) {
    for (const OperatorUse& use : result.operators) {
      operator_names_.push_back(json_text(use.name));
      operator_kinds_.push_back(json_text(use.op));
    }
    for (const std::string& name : result.instruction_names) {
      instruction_names_.push_back(json_text(name));
    }
  }

  std::string write() {
    collect();
    out_.reserve(160 * entries_.size() + 4096);
    out_ +=
        "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"model\":" + json_text(result_.model_path) +
        ",\"chip\":" + json_text(result_.chip) +
        ",\"thorong\":" + json_text(result_.thorong_version) + "},\"traceEvents\":[\n";
    write_names();
    for (const Entry& entry : entries_) write_entry(entry);
    out_ += "\n]}\n";
    return std::move(out_);
  }

 private:
  void collect() {
    const size_t engines = result_.engines.size();
    for (size_t i = 0; i < result_.operators.size(); ++i) {
      entries_.push_back(
          {picoseconds(result_.operators[i].start_s), static_cast<uint32_t>(i), 0, 0});
    }
    for (size_t i = 0; i < result_.timeline.size(); ++i) {
      const TimelineEvent& event = result_.timeline[i];
      if (event.engine >= engines) continue;
      entries_.push_back(
          {event.start_ps, static_cast<uint32_t>(i), static_cast<uint16_t>(1 + event.engine), 0});
    }
    for (size_t c = 0; c < counters_.size(); ++c) {
      for (size_t i = 0; i < counters_[c].points.size(); ++i) {
        entries_.push_back({counters_[c].points[i].time_ps, static_cast<uint32_t>(i),
                            static_cast<uint16_t>(1 + engines + c), 0});
      }
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.start_ps, a.track) < std::tie(b.start_ps, b.track);
    });
    threads_.assign(result_.timeline.size(), 0);
    for (Entry& entry : entries_) {
      if (entry.track >= lanes_.size()) continue;
      entry.lane = lanes_[entry.track].place(entry.start_ps, entry.start_ps + duration(entry));
      if (entry.track > 0)
        threads_[entry.index] = static_cast<uint32_t>(thread(entry.track, entry.lane));
    }
    add_arrows();
  }

  // An arrow starts in the middle of the bar that held another one back, where viewers find that
  // bar whatever they round to, and ends at the other one's start. They stand among the events in
  // order of time.
  void add_arrows() {
    const size_t bars = entries_.size();
    for (size_t k = 0; k < bars; ++k) {
      const Entry entry = entries_[k];
      if (entry.track == 0 || entry.track >= lanes_.size()) continue;
      const TimelineEvent& event = result_.timeline[entry.index];
      if (event.hold <= kEngineBusy || event.cause < 0) continue;
      auto cause = static_cast<size_t>(event.cause);
      if (cause >= threads_.size() || threads_[cause] == 0) continue;
      const TimelineEvent& from = result_.timeline[cause];
      int64_t middle = from.start_ps + (from.end_ps - from.start_ps) / 2;
      if (middle > event.start_ps) continue;
      entries_.push_back({middle, entry.index, arrow_begins(), 0});
      entries_.push_back({event.start_ps, entry.index, arrow_ends(), 0});
    }
    std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.start_ps, a.track) < std::tie(b.start_ps, b.track);
    });
  }

  uint16_t arrow_begins() const { return static_cast<uint16_t>(lanes_.size() + counters_.size()); }
  uint16_t arrow_ends() const { return static_cast<uint16_t>(arrow_begins() + 1); }

  int64_t duration(const Entry& entry) const {
    if (entry.track == 0)
      return std::max<int64_t>(0, picoseconds(result_.operators[entry.index].time_s));
    const TimelineEvent& event = result_.timeline[entry.index];
    return std::max<int64_t>(0, event.end_ps - event.start_ps);
  }

  void next_event() {
    if (!first_) out_ += ",\n";
    first_ = false;
  }

  void write_names() {
    next_event();
    out_ +=
        "{\"ph\":\"M\",\"pid\":1,\"tid\":0,\"ts\":0,\"name\":\"process_name\",\"args\":{\"name\":" +
        json_text(model_name(result_) + " on " + chip_name(result_)) + "}}";
    for (size_t track = 0; track < lanes_.size(); ++track) {
      std::string name = track == 0 ? "operators" : result_.engines[track - 1].name;
      for (size_t lane = 0; lane < std::max<size_t>(1, lanes_[track].count()); ++lane) {
        std::string text = json_text(lane == 0 ? name : fmt::format("{} ({})", name, lane + 1));
        size_t tid = thread(track, lane);
        next_event();
        fmt::format_to(
            std::back_inserter(out_),
            "{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"ts\":0,\"name\":\"thread_name\","
            "\"args\":{{\"name\":{1}}}}},\n"
            "{{\"ph\":\"M\",\"pid\":1,\"tid\":{0},\"ts\":0,\"name\":\"thread_sort_index\","
            "\"args\":{{\"sort_index\":{0}}}}}",
            tid, text);
      }
    }
  }

  static size_t thread(size_t track, size_t lane) { return 1 + track * kLanes + lane; }

  // Microseconds as a decimal without loss: 1234567 ps is 1.234567.
  void write_time(int64_t ps) {
    uint64_t size = ps < 0 ? 0 - static_cast<uint64_t>(ps) : static_cast<uint64_t>(ps);
    fmt::format_to(std::back_inserter(out_), "{}{}.{:06}", ps < 0 ? "-" : "", size / 1000000,
                   size % 1000000);
  }

  void write_entry(const Entry& entry) {
    next_event();
    if (entry.track >= arrow_begins()) return write_arrow(entry);
    if (entry.track >= lanes_.size()) {
      const Counter& counter = counters_[entry.track - lanes_.size()];
      fmt::format_to(std::back_inserter(out_),
                     "{{\"ph\":\"C\",\"pid\":1,\"name\":\"{}\",\"ts\":", counter.name);
      write_time(entry.start_ps);
      fmt::format_to(std::back_inserter(out_), ",\"args\":{{\"{}\":{}}}}}", counter.unit,
                     counter.points[entry.index].bytes);
      return;
    }
    fmt::format_to(std::back_inserter(out_),
                   "{{\"ph\":\"X\",\"pid\":1,\"tid\":{},\"ts\":", thread(entry.track, entry.lane));
    write_time(entry.start_ps);
    out_ += ",\"dur\":";
    write_time(duration(entry));
    if (entry.track == 0) {
      write_operator(entry.index);
    } else {
      write_instruction(entry.index);
    }
  }

  void write_arrow(const Entry& entry) {
    const TimelineEvent& event = result_.timeline[entry.index];
    bool begins = entry.track == arrow_begins();
    size_t bar = begins ? static_cast<size_t>(event.cause) : entry.index;
    fmt::format_to(std::back_inserter(out_),
                   "{{\"ph\":\"{}\",{}\"pid\":1,\"tid\":{},\"id\":{},\"cat\":\"wait\","
                   "\"name\":\"{}\",\"ts\":",
                   begins ? "s" : "f", begins ? "" : "\"bp\":\"e\",", threads_[bar],
                   entry.index + 1,
                   kHoldNames[std::min<size_t>(event.hold, kHoldNames.size() - 1)]);
    write_time(entry.start_ps);
    out_ += '}';
  }

  void write_operator(size_t index) {
    const OperatorUse& use = result_.operators[index];
    fmt::format_to(
        std::back_inserter(out_),
        ",\"cat\":\"operator\",\"name\":{},\"args\":{{\"op\":{},\"bound\":{},\"path\":{},"
        "\"energy_j\":{}}}}}",
        operator_names_[index], operator_kinds_[index], json_text(use.bound), json_text(use.path),
        std::isfinite(use.energy_j) ? use.energy_j : 0);
  }

  void write_instruction(size_t index) {
    const TimelineEvent& event = result_.timeline[index];
    std::string_view name = event.instruction < instruction_names_.size()
                                ? std::string_view(instruction_names_[event.instruction])
                                : "\"instruction\"";
    fmt::format_to(std::back_inserter(out_), ",\"cat\":\"instruction\",\"name\":{}", name);
    if (event.operator_index >= 0 &&
        static_cast<size_t>(event.operator_index) < operator_names_.size()) {
      fmt::format_to(std::back_inserter(out_), ",\"args\":{{\"{}\":{}",
                     result_.model_format == "nki" ? "line" : "operator",
                     operator_names_[static_cast<size_t>(event.operator_index)]);
      if (event.hbm_bytes > 0)
        fmt::format_to(std::back_inserter(out_), ",\"HBM bytes\":{:.0f}", event.hbm_bytes);
      write_wait(event);
      out_ += '}';
    }
    out_ += '}';
  }

  void write_wait(const TimelineEvent& event) {
    if (event.hold == 0 || event.hold >= kHoldNames.size()) return;
    fmt::format_to(std::back_inserter(out_), ",\"waited for\":\"{}\"", kHoldNames[event.hold]);
    if (event.cause < 0 || static_cast<size_t>(event.cause) >= result_.timeline.size()) return;
    const TimelineEvent& cause = result_.timeline[static_cast<size_t>(event.cause)];
    if (cause.instruction < instruction_names_.size())
      fmt::format_to(std::back_inserter(out_), ",\"of\":{}", instruction_names_[cause.instruction]);
    auto place = static_cast<size_t>(cause.operator_index);
    if (cause.operator_index >= 0 && place < operator_names_.size())
      fmt::format_to(std::back_inserter(out_), ",\"at\":{}", operator_names_[place]);
  }

  const Result& result_;
  std::vector<Counter> counters_;
  std::vector<Lanes> lanes_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> threads_;  // by event; 0: it is not drawn
  std::vector<std::string> operator_names_, operator_kinds_, instruction_names_;
  std::string out_;
  bool first_ = true;
};

// A gzip image of `text`, made in pieces because zlib counts in 32 bits.
thorong::Result<std::string> gzip(std::string_view text, const std::string& where) {
  z_stream stream{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return resource_exhausted("no memory is left to compress the trace; name it without .gz.",
                              where);
  }
  std::string out;
  std::vector<unsigned char> buffer(size_t{1} << 18);
  std::string input;
  int code = Z_OK;
  while (code != Z_STREAM_END) {
    if (stream.avail_in == 0 && !text.empty()) {
      input.assign(text.substr(0, size_t{1} << 20));  // zlib's input is not const
      text.remove_prefix(input.size());
      stream.next_in = reinterpret_cast<unsigned char*>(input.data());
      stream.avail_in = static_cast<unsigned>(input.size());
    }
    stream.next_out = buffer.data();
    stream.avail_out = static_cast<unsigned>(buffer.size());
    code = deflate(&stream, text.empty() ? Z_FINISH : Z_NO_FLUSH);
    if (code == Z_STREAM_ERROR) break;
    out.append(reinterpret_cast<const char*>(buffer.data()), buffer.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  if (code != Z_STREAM_END) return internal_error("zlib refused to compress the trace.", where);
  return out;
}

}  // namespace

std::string to_trace_json(const Result& result) { return TraceWriter(result).write(); }

Status write_trace(const Result& result, const std::string& path) {
  std::string text = to_trace_json(result);
  if (path.ends_with(".gz")) {
    THORONG_TRY(text, gzip(text, path));
  }
  std::string_view whole = text;
  return write_file_atomically(path, {&whole, 1});
}

}  // namespace thorong::report
