// SPDX-License-Identifier: Apache-2.0
// thorong explain MODEL.onnx: what the compiler chose for each operator and what bounds it.
#include "thorong/cli/run_options.h"
#include "thorong/report/report.h"

namespace thorong::cli {
namespace {

struct ExplainCommand {
  RunOptions run;
  int64_t top = 20;
  std::string order = "time";
};

Status explain(ExplainCommand& given) {
  RunOptions& run = given.run;
  THORONG_RETURN_IF_ERROR(run.resolve());
  run.options.timing_only = true;  // nothing here depends on values
  progress("reading and compiling " + run.model + " for " + run.options.chip + " ...");
  THORONG_TRY(auto program, runtime::compile_file(run.model, run.options));
  const report::Result result = runtime::describe(*program);
  const report::ExplainOptions options{static_cast<size_t>(given.top), given.order == "program"};
  const std::string text = run.json ? report::to_explanation_json(result, options) + "\n"
                                    : report::to_explanation(result, options, answers_terminal());
  return answer(text);
}

}  // namespace

void command_explain(CLI::App& app, Exit& exit) {
  auto given = std::make_shared<ExplainCommand>();
  CLI::App* command = app.add_subcommand(
      "explain",
      "What was chosen for each operator, what bounds it, what its roofline would allow");
  given->run.add_to(*command);
  given->run.add_chip_to(*command);
  command->add_option("--top", given->top, "How many operators; 0: all")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--order", given->order, "time: the longest first; program: as they run")
      ->check(CLI::IsMember({"time", "program"}))
      ->capture_default_str();
  command->callback([given, &exit] {
    exit.json = given->run.json;
    exit.status = explain(*given);
  });
}

}  // namespace thorong::cli
