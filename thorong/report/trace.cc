// SPDX-License-Identifier: Apache-2.0
// Chrome trace events of a run, which Perfetto and chrome://tracing open: a thread an engine and
// one for the operators, counters for the memories. Times are microseconds with six decimals, so no
// picosecond is lost.
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
#include "thorong/report/report.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

// Complete events of one thread must not overlap, so overlapping bars go to further threads of the
// same name.
constexpr int kLanes = 64;

// What is drawn, small enough to sort by time.
struct Entry {
  int64_t start_ps;
  uint32_t index;
  uint16_t track;  // 0: operators; 1 + engine; beyond: counters
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
  std::string_view name;
  std::span<const OccupancyPoint> points;
};

int64_t picoseconds(double seconds) {
  double value = seconds * 1e12;
  if (!(std::fabs(value) < 9e18)) return 0;
  return std::llround(value);
}

class TraceWriter {
 public:
  explicit TraceWriter(const Result& result)
      : result_(result),
        counters_{{"SBUF bytes", result.sbuf_occupancy},
                  {"PSUM bytes", result.psum_occupancy},
                  {"HBM bytes", result.hbm_occupancy}},
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
    for (Entry& entry : entries_) {
      if (entry.track < lanes_.size()) {
        entry.lane = lanes_[entry.track].place(entry.start_ps, entry.start_ps + duration(entry));
      }
    }
  }

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
    if (entry.track >= lanes_.size()) {
      const Counter& counter = counters_[entry.track - lanes_.size()];
      fmt::format_to(std::back_inserter(out_),
                     "{{\"ph\":\"C\",\"pid\":1,\"name\":\"{}\",\"ts\":", counter.name);
      write_time(entry.start_ps);
      fmt::format_to(std::back_inserter(out_), ",\"args\":{{\"bytes\":{}}}}}",
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

  void write_operator(size_t index) {
    const OperatorUse& use = result_.operators[index];
    fmt::format_to(
        std::back_inserter(out_),
        ",\"cat\":\"operator\",\"name\":{},\"args\":{{\"op\":{},\"bound\":{},\"path\":{}}}}}",
        operator_names_[index], operator_kinds_[index], json_text(use.bound), json_text(use.path));
  }

  void write_instruction(size_t index) {
    const TimelineEvent& event = result_.timeline[index];
    std::string_view name = event.instruction < instruction_names_.size()
                                ? std::string_view(instruction_names_[event.instruction])
                                : "\"instruction\"";
    fmt::format_to(std::back_inserter(out_), ",\"cat\":\"instruction\",\"name\":{}", name);
    if (event.operator_index >= 0 &&
        static_cast<size_t>(event.operator_index) < operator_names_.size()) {
      fmt::format_to(std::back_inserter(out_), ",\"args\":{{\"operator\":{}",
                     operator_names_[static_cast<size_t>(event.operator_index)]);
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
