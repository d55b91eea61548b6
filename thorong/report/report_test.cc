// SPDX-License-Identifier: Apache-2.0
// JSON, table and trace.
#include "thorong/report/report.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "thorong/base/file.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/sample_result.h"
#include "thorong/report/text_grid.h"
#include "thorong/report/units.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

TEST(Json, HasTheContractsKeysInOrder) {
  const Json json = Json::parse(to_json(sample_result(5)));
  const std::vector<std::string> wanted = {"thorong",          "model",          "chip",
                                           "cores_used",       "schedule",       "auto_cast",
                                           "auto_cast_type",   "rounding",       "seed",
                                           "latency_s",        "device_s",       "host_s",
                                           "throughput_per_s", "energy_j",       "energy_by",
                                           "average_power_w",  "cost",           "engines",
                                           "memory",           "operators",      "outputs",
                                           "errors",           "random_inputs",  "not_modelled",
                                           "assumed",          "expected_error", "wall"};
  auto key = json.begin();
  for (const std::string& name : wanted) {
    while (key != json.end() && key.key() != name) ++key;
    ASSERT_NE(key, json.end()) << name << " is missing or out of order";
  }
  for (const char* name : {"path", "sha256", "format"}) EXPECT_TRUE(json["model"].contains(name));
  for (const char* name :
       {"name", "op", "start_s", "time_s", "energy_j", "engine", "path", "bound"}) {
    EXPECT_TRUE(json["operators"][0].contains(name)) << name;
  }
  for (const char* name : {"hbm_peak_bytes", "hbm_traffic_bytes", "sbuf_peak_bytes",
                           "psum_peak_bytes", "host_overhead_bytes"}) {
    EXPECT_TRUE(json["memory"].contains(name)) << name;
  }
  EXPECT_EQ(json["outputs"]["logits/0"]["dtype"], "float32");
  EXPECT_EQ(json["outputs"]["logits/0"]["shape"], Json({1, 4}));
  EXPECT_FALSE(json["cost"].contains("reason"));
}

TEST(Json, EnergyAddsUp) {
  const Json json = Json::parse(to_json(sample_result(20)));
  double sum = 0;
  for (const auto& part : json["energy_by"]) sum += part.get<double>();
  EXPECT_EQ(json["energy_by"].size(), kEnergyComponents);
  EXPECT_NEAR(sum, json["energy_j"].get<double>(), 1e-12 * sum);
}

TEST(Json, StaysValidWithStrangeValues) {
  Result result;
  result.latency_s = std::numeric_limits<double>::quiet_NaN();
  result.energy_j = std::numeric_limits<double>::infinity();
  result.model_path = "bad \xff utf-8 \x01 \"quoted\"";
  result.outputs = {{"same", {}, {}, "", ""}, {"same", {}, {}, "", ""}};
  const Json json = Json::parse(to_json(result));
  EXPECT_TRUE(json["latency_s"].is_null());
  EXPECT_TRUE(json["energy_j"].is_null());
  EXPECT_TRUE(json["cost"]["usd_per_million"].is_null());
  EXPECT_FALSE(json["cost"]["reason"].get<std::string>().empty());
  EXPECT_TRUE(json["expected_error"].is_null());
  EXPECT_FALSE(json.contains("errors"));
  EXPECT_EQ(json["outputs"].size(), 2u);
  EXPECT_EQ(to_json(result).find('\n'), std::string::npos);
}

TEST(Json, DoublesRoundTrip) {
  Result result;
  result.latency_s = 0.1 + 0.2;
  EXPECT_EQ(Json::parse(to_json(result))["latency_s"].get<double>(), 0.1 + 0.2);
}

TEST(Json, ComparisonHoldsEveryResult) {
  const std::vector<Result> results = {sample_result(2), sample_result(3)};
  const Json json = Json::parse(to_comparison_json(results));
  ASSERT_EQ(json["results"].size(), 2u);
  EXPECT_EQ(json["results"][1]["operators"].size(), 3u);
  EXPECT_TRUE(Json::parse(to_comparison_json({}))["results"].empty());
}

TEST(Units, PeoplesFigures) {
  EXPECT_EQ(human(0.00184, "s"), "1.84 ms");
  EXPECT_EQ(human(0.0009996, "s"), "1.00 ms");
  EXPECT_EQ(human(0.0032, "J"), "3.20 mJ");
  EXPECT_EQ(human(92e12, "FLOP/s"), "92.0 TFLOP/s");
  EXPECT_EQ(human(0, "s"), "0 s");
  EXPECT_EQ(human(std::nan(""), "s"), "n/a");
  EXPECT_EQ(human(12345, "s"), "12,345 s");
  EXPECT_EQ(human_bytes(int64_t{16} << 30), "16 GiB");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(dollars(0.1123), "$0.11");
  EXPECT_EQ(dollars(0.000812), "$0.00081");
  EXPECT_EQ(dollars(1234.5), "$1,234");
  EXPECT_EQ(percent(0.0001), "<0.1 %");
  EXPECT_EQ(percent(0.634), "63 %");
}

TEST(Table, StartsWithTheAnswer) {
  const Result result = sample_result(30);
  const std::string table = to_table(result, false);
  EXPECT_EQ(table.substr(0, table.find('\n')), headline(result));
  EXPECT_TRUE(table.starts_with("resnet50 on AWS Trainium1: "));
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  for (const char* part : {"Latency", "Throughput", "Energy", "Engines", "Operators that cost most",
                           "12 of 30", "Not modelled", "Expected error"}) {
    EXPECT_NE(table.find(part), std::string::npos) << part;
  }
  EXPECT_NE(to_table(result, true).find('\x1b'), std::string::npos);
}

TEST(Table, SaysWhatAnAssumptionDid) {
  Result result = sample_result(5);
  EXPECT_EQ(to_table(result, false).find("Assumed for this run"), std::string::npos);
  EXPECT_FALSE(Json::parse(to_json(result)).contains("assumptions"));
  result.device_s = 1.5e-6;
  result.assumptions = Assumptions{{{"a.b", "2 s", "1 s", "assumed"}}, 1e-6, ""};
  EXPECT_EQ(assumption_texts(result),
            (std::vector<std::string>{"a.b: 2 s in place of 1 s (assumed)",
                                      "time on the device: 1.00 µs with the chip's own, 1.50 µs "
                                      "with this (+50 %)"}));
  EXPECT_NE(to_table(result, false).find("Assumed for this run"), std::string::npos);
  EXPECT_NE(to_comparison_table(std::span(&result, 1), false).find("(+50 %)"), std::string::npos);
  EXPECT_NE(to_html(result).find("1.50 µs with this"), std::string::npos);
  EXPECT_EQ(Json::parse(to_json(result))["assumptions"]["device_s_of_chip"], 1e-6);
  result.assumptions->facts.push_back({"c.d", "3", "", ""});
  result.assumptions->not_timed_because = "it is too small";
  EXPECT_EQ(assumption_texts(result)[1], "c.d: 3; the chip file states none");
  EXPECT_EQ(assumption_texts(result)[2],
            "time on the device with the chip's own: not known, it is too small");
  const Json json = Json::parse(to_json(result))["assumptions"];
  EXPECT_TRUE(json["device_s_of_chip"].is_null());
  EXPECT_EQ(json["not_timed_because"], "it is too small");
}

TEST(Table, NamesCannotCommandTheTerminal) {
  Result result = sample_result(1);
  result.operators[0].name = "evil\x1b[2J\nname\xff";
  result.model_path = "\x1b]0;title\x07.onnx";
  const std::string table = to_table(result, false);
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  EXPECT_EQ(table.find('\x07'), std::string::npos);
  EXPECT_EQ(table.find('\xff'), std::string::npos);
}

TEST(Table, EmptyResultAndComparison) {
  EXPECT_NE(to_table(Result(), false).find("price unknown"), std::string::npos);
  std::vector<Result> results = {sample_result(4), sample_result(4)};
  results[1].chip_title = "AWS Trainium2";
  results[1].latency_s /= 2;
  results[1].cost = {};
  const std::string table = to_comparison_table(results, false);
  EXPECT_NE(table.find("AWS Trainium2"), std::string::npos);
  EXPECT_NE(table.find("* " + human(results[1].latency_s, "s")), std::string::npos);
  EXPECT_NE(table.find("Why a cost is unknown"), std::string::npos);
  EXPECT_EQ(to_comparison_table({}, false), "Nothing to compare.\n");
}

TEST(TextGrid, WidthsAndShortening) {
  EXPECT_EQ(display_width("µs …"), 4u);
  EXPECT_EQ(display_width("\xE6\xA8\xA1"), 2u);  // a Han character
  EXPECT_EQ(display_width(shortened("a_very_long_operator_name", 10)), 10u);
  EXPECT_EQ(shortened("short", 10), "short");
  EXPECT_EQ(display_width(bar(0.5, 20)), 10u);
  EXPECT_EQ(bar(std::nan(""), 20), "");
  EXPECT_EQ(wrapped("aa bb cc", 5, 2), "aa bb\n  cc");
}

TEST(Trace, EventsAreOrderedAndDoNotOverlapOnAThread) {
  Result result = sample_result(40);
  result.timeline.push_back(
      {5, 1234567890123, 0, 0, 60000});               // overlaps everything, unknown instruction
  result.timeline.push_back({5, 6, 99999, 9999, 0});  // unknown engine: dropped
  const Json json = Json::parse(to_trace_json(result));
  std::map<int64_t, double> ends;
  std::map<std::string, int> phases;
  double last = 0;
  for (const Json& event : json["traceEvents"]) {
    const std::string phase = event["ph"];
    ++phases[phase];
    if (phase == "M") continue;
    const double start = event["ts"];
    EXPECT_GE(start, last);
    last = start;
    if (phase != "X") continue;
    double& end = ends[event["tid"]];
    EXPECT_GE(start, end - 1e-9);
    end = start + event["dur"].get<double>();
  }
  EXPECT_EQ(phases["X"], static_cast<int>(result.timeline.size() - 1 + result.operators.size()));
  size_t points = 0;
  for (Memory memory : {Memory::kSbuf, Memory::kPsum, Memory::kHbm})
    points += occupancy(result, memory).size();
  EXPECT_EQ(phases["C"], static_cast<int>(points));  // the sample's events move no bytes
}

TEST(Trace, ArrowsShowWaitsAndACounterTheTraffic) {
  Result result;
  result.engines = {{"vector"}, {"dma_load"}};
  result.instruction_names = {"tensor_copy", "dma_copy"};
  result.model_format = "nki";
  result.operators.resize(2);
  result.operators[0].name = "k.py:3", result.operators[1].name = "k.py:4";
  result.timeline = {{0, 4000000, 0, 1, 1}, {5000000, 6000000, 1, 0, 0}};
  result.timeline[0].hbm_bytes = 8000;  // in 4 us: 2 GB/s
  result.timeline[1].cause = 0, result.timeline[1].hold = 2;
  const Json events = Json::parse(to_trace_json(result))["traceEvents"];
  std::vector<Json> bars, arrows, rates;
  for (const Json& event : events) {
    if (event["ph"] == "X" && event["cat"] == "instruction") bars.push_back(event);
    if (event["ph"] == "s" || event["ph"] == "f") arrows.push_back(event);
    if (event["name"] == "HBM bandwidth") rates.push_back(event);
  }
  ASSERT_EQ(bars.size(), 2u);
  ASSERT_EQ(arrows.size(), 2u);
  EXPECT_EQ(arrows[0]["ph"], "s");
  EXPECT_EQ(arrows[0]["tid"], bars[0]["tid"]);
  EXPECT_EQ(arrows[0]["ts"], 2.0);
  EXPECT_EQ(arrows[1]["ph"], "f");
  EXPECT_EQ(arrows[1]["tid"], bars[1]["tid"]);
  EXPECT_EQ(arrows[1]["ts"], 5.0);
  EXPECT_EQ(arrows[0]["id"], arrows[1]["id"]);
  EXPECT_EQ(arrows[0]["name"], "operand");
  EXPECT_EQ(bars[1]["args"]["line"], "k.py:4");
  EXPECT_EQ(bars[1]["args"]["at"], "k.py:3");
  ASSERT_EQ(rates.size(), 2u);
  EXPECT_EQ(rates[0]["args"]["bytes/s"], 2000000000);
  EXPECT_EQ(rates[1]["args"]["bytes/s"], 0);
  EXPECT_EQ(rates[1]["ts"], 4.0);
}

TEST(Trace, KeepsPicoseconds) {
  Result result;
  result.engines = {{"tensor"}};
  result.instruction_names = {"mat\"mul"};
  result.timeline = {{1234567, 1234568, -1, 0, 0}};
  const std::string trace = to_trace_json(result);
  EXPECT_NE(trace.find("\"ts\":1.234567,\"dur\":0.000001"), std::string::npos) << trace;
}

TEST(Trace, CompressesAndFailsCleanly) {
  const Result result = sample_result(3);
  const std::string folder = testing::TempDir() + "thorong_trace_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(write_trace(result, folder + "/t.json.gz").ok());
  gzFile file = gzopen((folder + "/t.json.gz").c_str(), "rb");
  ASSERT_NE(file, nullptr);
  std::string text(to_trace_json(result).size() + 10, '\0');
  text.resize(static_cast<size_t>(gzread(file, text.data(), static_cast<unsigned>(text.size()))));
  gzclose(file);
  EXPECT_EQ(text, to_trace_json(result));
  const Status status = write_trace(result, folder + "/t.json.gz/below.json");
  EXPECT_EQ(status.code(), Code::kIo);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace thorong::report
