// SPDX-License-Identifier: Apache-2.0
// thorong accuracy MODEL.onnx: the same run in fp32 and in each narrower arithmetic, layer by
// layer.
#include "thorong/runtime/accuracy.h"

#include "thorong/base/file.h"
#include "thorong/cli/run_options.h"

namespace thorong::cli {
namespace {

struct AccuracyCommand {
  RunOptions run;
  std::vector<std::string> modes;
  int64_t top = 20;
};

Status accuracy(AccuracyCommand& given) {
  RunOptions& run = given.run;
  THORONG_RETURN_IF_ERROR(run.resolve());
  THORONG_RETURN_IF_ERROR(check_overwrites(run.read_places(), run.written_places()));
  THORONG_RETURN_IF_ERROR(runtime::check_places(run.places));
  THORONG_TRY(const auto modes, runtime::accuracy_modes(given.modes));
  progress("reading and compiling " + run.model + " for " + run.options.chip + " ...");
  THORONG_TRY(const auto program,
              runtime::compile_file(run.model, runtime::without_cast(run.options)));
  THORONG_TRY(const report::Accuracy result,
              runtime::measure_accuracy(*program, run.options.inputs, modes, progress));
  if (!run.places.report.empty()) {
    const WritingFiles writing;
    const std::string html = report::to_accuracy_html(result);
    std::string_view part = html;
    THORONG_RETURN_IF_ERROR(write_file_atomically(run.places.report, {&part, 1}));
    THORONG_RETURN_IF_ERROR(writing.finish());
  }
  const std::string text =
      run.json
          ? report::to_accuracy_json(result) + "\n"
          : report::to_accuracy_table(result, static_cast<size_t>(given.top), answers_terminal());
  return answer(text);
}

}  // namespace

void command_accuracy(CLI::App& app, Exit& exit) {
  auto given = std::make_shared<AccuracyCommand>();
  CLI::App* command = app.add_subcommand(
      "accuracy", "The run in fp32 and in each narrower arithmetic: where the error enters");
  given->run.add_to(*command);
  given->run.add_chip_to(*command);
  command
      ->add_option(
          "--modes", given->modes,
          "Which of: matmult bf16, ... fp16, ... tf32, ... fp8_e4m3, all bf16, ... fp16, ... "
          "fp8_e4m3, all bf16 stochastic (default: all)")
      ->delimiter(',')
      ->type_name("A,B,C")
      ->allow_extra_args(false);
  command->add_option("--top", given->top, "How many layers; 0: all")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--report", given->run.places.report, "Writes a self-contained HTML page")
      ->type_name("FILE.html");
  command->callback([given, &exit] {
    exit.json = given->run.json;
    exit.status = accuracy(*given);
  });
}

}  // namespace thorong::cli
