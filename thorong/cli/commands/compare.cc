// SPDX-License-Identifier: Apache-2.0
// thorong compare MODEL.onnx --chips a,b,c: one model on several chips, side by side.
#include "thorong/base/file.h"
#include "thorong/chip/loader.h"
#include "thorong/cli/run_options.h"
#include "thorong/report/report.h"

namespace thorong::cli {
namespace {

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

Status compare(RunOptions& run, std::vector<std::string> chips) {
  for (std::string& chip : chips) chip = trimmed(chip);
  THORONG_RETURN_IF_ERROR(run.resolve());
  std::vector<Place> read = run.read_places();
  for (const std::string& chip : chips) read.push_back({"--chips", chip});
  THORONG_RETURN_IF_ERROR(check_overwrites(read, run.written_places()));
  THORONG_RETURN_IF_ERROR(runtime::check_places(run.places));
  std::vector<report::Result> results;
  for (const std::string& chip : chips.empty() ? chip::shipped_chips() : chips) {
    run.options.chip = chip;
    progress(chip + " ...");
    THORONG_TRY(auto result, runtime::run_file(run.model, run.options));
    results.push_back(std::move(result));
  }
  if (!run.places.report.empty()) {
    const WritingFiles writing;
    std::string html = report::to_comparison_html(results);
    std::string_view part = html;
    THORONG_RETURN_IF_ERROR(write_file_atomically(run.places.report, {&part, 1}));
    THORONG_RETURN_IF_ERROR(writing.finish());
  }
  std::string text = run.json ? report::to_comparison_json(results) + "\n"
                              : report::to_comparison_table(results, answers_terminal());
  return answer(text);
}

}  // namespace

void command_compare(CLI::App& app, Exit& exit) {
  auto run = std::make_shared<RunOptions>();
  auto chips = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("compare", "Runs a model on several chips, side by side");
  run->add_to(*command);
  command->add_option("--chips", *chips, "Chips, comma-separated (default: all shipped ones)")
      ->delimiter(',')
      ->type_name("A,B,C")
      ->allow_extra_args(false);
  command->add_option("--report", run->places.report, "Writes a self-contained HTML page")
      ->type_name("FILE.html");
  command->callback([run, chips, &exit] {
    exit.json = run->json;
    exit.status = compare(*run, *chips);
  });
}

}  // namespace thorong::cli
