// SPDX-License-Identifier: Apache-2.0
// thorong run MODEL.onnx: values, time, energy and cost on one chip.
#include "thorong/base/file.h"
#include "thorong/cli/run_options.h"
#include "thorong/report/report.h"

namespace thorong::cli {
namespace {

Status write_views(const runtime::Places& places, report::Result& result) {
  // Everything that can fail comes before the first file is complete; each file is written whole or
  // not at all.
  if (places.out.empty() && places.report.empty() && places.trace.empty()) return ok_status();
  const WritingFiles writing;
  if (!places.out.empty()) THORONG_RETURN_IF_ERROR(report::write_outputs(result, places.out));
  if (!places.report.empty()) {
    std::string html = report::to_html(result);
    std::string_view part = html;
    THORONG_RETURN_IF_ERROR(write_file_atomically(places.report, {&part, 1}));
    progress("report: " + places.report);
  }
  if (!places.trace.empty()) {
    THORONG_RETURN_IF_ERROR(report::write_trace(result, places.trace));
    progress("trace: " + places.trace);
  }
  return writing.finish();
}

// What only the model tells: files beside it with its weights, and the names below --out.
Status check_model_places(const RunOptions& run, const runtime::Program& program) {
  std::vector<Place> read = run.read_places(), written = run.written_places();
  for (const auto& file : program.files) read.push_back({"a file of the model", file->path()});
  if (!run.places.out.empty()) {
    std::vector<report::Output> outputs(program.outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) outputs[i].name = program.outputs[i].name;
    for (const std::string& path : report::output_files(outputs, run.places.out))
      written.push_back({"--out", path});
  }
  return check_overwrites(read, written);
}

Status run_model(RunOptions& run) {
  THORONG_RETURN_IF_ERROR(run.resolve());
  THORONG_RETURN_IF_ERROR(check_overwrites(run.read_places(), run.written_places()));
  THORONG_RETURN_IF_ERROR(runtime::check_places(run.places));
  progress("reading and compiling " + run.model + " for " + run.options.chip + " ...");
  THORONG_TRY(auto program, runtime::compile_file(run.model, run.options));
  THORONG_RETURN_IF_ERROR(check_model_places(run, *program));
  progress(run.options.timing_only ? "timing ..." : "executing ...");
  THORONG_TRY(auto executable, runtime::Executable::load(program));
  THORONG_TRY(auto result, executable->execute(run.options.inputs));
  THORONG_RETURN_IF_ERROR(write_views(run.places, result));
  std::string text =
      run.json ? report::to_json(result) + "\n" : report::to_table(result, answers_terminal());
  return answer(text);
}

}  // namespace

void command_run(CLI::App& app, Exit& exit) {
  auto run = std::make_shared<RunOptions>();
  CLI::App* command =
      app.add_subcommand("run", "Runs a model on one chip: values, time, energy, cost");
  run->add_to(*command);
  run->add_chip_to(*command);
  command->add_option("--out", run->places.out, "Writes each output as DIR/NAME.npy")
      ->type_name("DIR");
  command->add_option("--report", run->places.report, "Writes a self-contained HTML page")
      ->type_name("FILE.html");
  command->add_option("--trace", run->places.trace, "Writes a Chrome/Perfetto trace")
      ->type_name("FILE.json[.gz]");
  command->callback([run, &exit] {
    exit.json = run->json;
    exit.status = run_model(*run);
  });
}

}  // namespace thorong::cli
