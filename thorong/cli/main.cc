// SPDX-License-Identifier: Apache-2.0
// The command: subcommands from commands/, exit statuses and error printing of the contract.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>

#include "thorong/cli/commands.h"
#include "thorong/version.h"

namespace thorong::cli {

#define THORONG_ENTRY(stem) void command_##stem(CLI::App& app, Exit& exit);
#include "thorong/cli/commands.inc"
#undef THORONG_ENTRY

namespace {

bool g_interrupted = false;  // written by the signal handler only
bool g_verbose = false;

void on_interrupt(int) {
  if (g_interrupted) _exit(130);  // the second Ctrl-C does not wait
  g_interrupted = true;
}

void on_bug(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  std::_Exit(70);
}

int report(const Exit& exit) {
  const Status& status = exit.status;
  if (status.ok()) return 0;
  std::fprintf(stderr, "thorong: %s\n", status.to_string().c_str());
  if (exit.json) {
    nlohmann::ordered_json error{{"error", {{"code", code_name(status.code())}, {"message", status.message()}, {"where", status.where()}}}};
    std::printf("%s\n", error.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  return exit_status(status.code());
}

int run(int argc, char** argv) {
  CLI::App app{"Thorong runs unmodified programs on models of Amazon's Inferentia and Trainium chips and tells what comes out, how long "
               "it takes, how much energy it needs and what it costs.\n\nExample:\n  thorong run model.onnx --chip trainium1 --report report.html"};
  app.set_version_flag("--version", std::string("thorong ") + THORONG_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Exit exit;
#define THORONG_ENTRY(stem) command_##stem(app, exit);
#include "thorong/cli/commands.inc"
#undef THORONG_ENTRY
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    for (int i = 1; i < argc; ++i) exit.json = exit.json || std::string(argv[i]) == "--json";
    exit.status = invalid_argument(std::string(error.what()) + " (thorong --help lists commands and options)", "command line");
  }
  return report(exit);
}

}  // namespace

const bool* interrupted() { return &g_interrupted; }
bool verbose() { return g_verbose || ::isatty(STDERR_FILENO) == 1; }
void set_verbose(bool on) { g_verbose = on; }
void progress(const std::string& text) {
  if (verbose()) std::fprintf(stderr, "%s\n", text.c_str());
}

int exit_status(Code code) {
  switch (code) {
    case Code::kOk: return 0;
    case Code::kMachineFault: return 3;
    case Code::kInterrupted: return 130;
    case Code::kInternal: return 70;
    default: return 2;
  }
}

}  // namespace thorong::cli

int main(int argc, char** argv) {
  std::signal(SIGINT, thorong::cli::on_interrupt);
  thorong::set_check_handler(thorong::cli::on_bug);
  try {
    return thorong::cli::run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "thorong: the host has no memory left. Run on a larger machine, or with --timing-only.\n");
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "thorong: internal error: %s. This is a bug in Thorong; please report it.\n", error.what());
    return 70;
  }
}
