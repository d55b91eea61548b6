// SPDX-License-Identifier: Apache-2.0
// The pages: nothing is loaded, nothing is injected, the data are what the script reads. With
// THORONG_REPORT_PAGES=DIR the pages of made-up results are written there to be looked at.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>

#include "thorong/base/file.h"
#include "thorong/report/embedded.h"
#include "thorong/report/html_data.h"
#include "thorong/report/html_text.h"
#include "thorong/report/memory_map.h"
#include "thorong/report/report.h"
#include "thorong/report/sample_result.h"

namespace thorong::report {
namespace {

using Json = nlohmann::ordered_json;

// The page without the script, which is ours and may hold anything.
std::string without_script(std::string html) {
  const size_t start = html.rfind("<script>");
  return html.erase(start, html.rfind("</script>") - start);
}

std::string data_of(const std::string& html, const std::string& id) {
  const std::string open = "<script id=\"" + id + "\" type=\"application/json\">";
  const size_t start = html.find(open);
  if (start == std::string::npos) return "";
  return html.substr(start + open.size(), html.find("</script>", start) - start - open.size());
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Html, LoadsNothing) {
  for (const std::string& page :
       {to_html(sample_result(40)),
        to_comparison_html(std::vector<Result>{sample_result(2), sample_result(3)})}) {
    const std::string html = without_script(page);
    EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
    EXPECT_FALSE(std::regex_search(html, std::regex("(src|href|action)\\s*=", std::regex::icase)));
    EXPECT_EQ(html.find("http://"), std::string::npos);
    EXPECT_EQ(html.find("https://"), std::string::npos);
    EXPECT_EQ(html.find("@import"), std::string::npos);
    EXPECT_EQ(html.find("url("), std::string::npos);
  }
}

TEST(Html, TheScriptCannotEndItsElement) {
  EXPECT_EQ(page_script().find("</script"), std::string_view::npos);
  EXPECT_EQ(page_script().find("<!--"), std::string_view::npos);
  EXPECT_FALSE(page_style().empty());
}

TEST(Html, NamesAreEscaped) {
  Result result = sample_result(3);
  const std::string evil = "</script><img onerror=alert(1)>\"'&<!--";
  result.model_path = evil + ".onnx";
  result.chip_title = result.operators[0].name = result.operators[1].op = evil;
  result.operators[0].bound = result.operators[0].engine = result.operators[0].path = evil;
  result.engines[0].name = result.instruction_names[0] = evil;
  result.outputs[0].name = result.outputs[0].file = evil;
  result.not_modelled = result.hints = result.random_inputs = {evil};
  result.assumed = {{evil, evil, evil, evil, 0.1}};
  result.cost = {evil, 1.0, evil, std::nullopt, evil};
  result.thorong_version = evil;
  for (const std::string& html : {to_html(result), to_comparison_html({&result, 1})}) {
    const std::string page = without_script(html);
    EXPECT_EQ(page.find("<img"), std::string::npos);
    EXPECT_EQ(page.find("<!--"), std::string::npos);
    EXPECT_EQ(count_of(html, "<script id"), count_of(page, "</script>") - 1);
    EXPECT_NE(page.find("&lt;img"), std::string::npos);
  }
  EXPECT_EQ(Json::parse(data_of(to_html(result), "thorong-result"))["operators"][0]["name"], evil);
}

TEST(Html, HoldsTheJsonAndAllSections) {
  const Result result = sample_result(50);
  const std::string html = to_html(result);
  EXPECT_EQ(Json::parse(data_of(html, "thorong-result")), Json::parse(to_json(result)));
  for (const char* text :
       {"What is not modelled", "Where each figure comes from", "How this was run", "Timeline",
        "Energy by component", "Time by operator", "Outputs", "20 more"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
  EXPECT_FALSE(to_html(Result()).empty());
  EXPECT_FALSE(to_comparison_html({}).empty());
}

TEST(Html, PolicyAllowsExactlyTheScript) {
  const std::string html = to_html(sample_result(2));
  const size_t start = html.rfind("<script>") + 8;
  const std::string script = html.substr(start, html.rfind("</script>") - start);
  EXPECT_NE(html.find("script-src " + script_hash(script) + ";"), std::string::npos);
}

TEST(HtmlText, Base64AndHash) {
  auto encoded = [](std::string text) {
    return base64({reinterpret_cast<const unsigned char*>(text.data()), text.size()});
  };
  EXPECT_EQ(encoded(""), "");
  EXPECT_EQ(encoded("f"), "Zg==");
  EXPECT_EQ(encoded("fo"), "Zm8=");
  EXPECT_EQ(encoded("foobar"), "Zm9vYmFy");
  EXPECT_EQ(script_hash(""), "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
}

TEST(HtmlData, ThinningKeepsBusySpansAndPeaks) {
  const Result result = sample_result(60);
  const std::vector<TimelineEvent> thin = thinned_timeline(result, 500);
  EXPECT_LE(thin.size(), 500u);
  EXPECT_TRUE(std::any_of(thin.begin(), thin.end(), [](const TimelineEvent& e) {
    return e.instruction == kMergedInstructions;
  }));
  EXPECT_EQ(thinned_timeline(result, 1u << 20).size(), result.timeline.size());
  auto highest = [](const std::vector<OccupancyPoint>& points) {
    int64_t most = 0;
    for (const OccupancyPoint& point : points) most = std::max(most, point.bytes);
    return most;
  };
  const std::vector<OccupancyPoint> all = occupancy(result, Memory::kSbuf);
  const std::vector<OccupancyPoint> steps = thinned_occupancy(all, 64);
  EXPECT_LE(steps.size(), 65u);
  EXPECT_EQ(highest(steps), highest(all));
}

TEST(HtmlData, TimelineAddsUp) {
  const Result result = sample_result(10);
  const Json json = Json::parse(chart_data_json(result, 1u << 20));
  size_t sum = 0;
  for (const Json& row : json["timeline"]["rows"]) sum += row.get<size_t>();
  EXPECT_EQ(sum, result.timeline.size());
  EXPECT_EQ(json["engines"].size(), result.engines.size());
  EXPECT_EQ(json["holds"].size(), kHoldNames.size());
  EXPECT_EQ(json["maps"]["psum"]["bank"], 2 << 10);
  EXPECT_EQ(json["maps"]["sbuf"]["count"], json["maps"]["sbuf"]["total"]);
}

TEST(Html, AKernelsPageHasItsLinesAndMaps) {
  Result result = sample_result(6);
  result.model_format = "nki";
  result.product_flops = 1e9, result.mfu = 0.25;
  result.operators[0].energy_by[0] = 1;
  const std::string html = to_html(result);
  for (const char* text : {">Energy by line<", "Energy of each line by component", "MFU 25 %",
                           "Which tensor lies where", "bank 7"}) {
    EXPECT_NE(html.find(text), std::string::npos) << text;
  }
}

TEST(Html, WritesPagesToLookAt) {
  const char* folder = std::getenv("THORONG_REPORT_PAGES");
  if (folder == nullptr) GTEST_SKIP() << "THORONG_REPORT_PAGES is not set";
  auto write = [&](const std::string& name, const std::string& text) {
    const std::string_view part = text;
    ASSERT_TRUE(write_file_atomically(std::string(folder) + "/" + name, {&part, 1}).ok());
  };
  std::vector<Result> results = {sample_result(64), sample_result(40), sample_result(30)};
  results[1].chip_title = "AWS Inferentia2";
  results[2].chip_title = "AWS Trainium2";
  results[2].cost = {{}, {}, {}, {}, "no public price for an instance with this chip"};
  write("run.html", to_html(results[0]));
  write("large.html", to_html(sample_result(4000)));
  write("empty.html", to_html(Result()));
  write("compare.html", to_comparison_html(results));
  write("run.json", to_json(results[0]));
  write("run.txt", to_table(results[0], false));
  write("compare.txt", to_comparison_table(results, false));
  write("trace.json", to_trace_json(results[0]));
}

}  // namespace
}  // namespace thorong::report
