// SPDX-License-Identifier: Apache-2.0
// The command: subcommands from commands/, exit statuses and error printing of the contract.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "thorong/chip/block_spec.h"
#include "thorong/cli/commands.h"
#include "thorong/version.h"

namespace thorong::cli {

#define THORONG_ENTRY(stem) void command_##stem(CLI::App& app, Exit& exit);
#include "thorong/cli/commands.inc"
#undef THORONG_ENTRY

namespace {

enum Phase { kBeforeFiles, kWritingFiles, kAfterFiles };
volatile std::sig_atomic_t g_phase = kBeforeFiles;
volatile std::sig_atomic_t g_interrupted = 0;
bool g_json = false;
bool g_verbose = false;

#define THORONG_NOTHING_WRITTEN "interrupted; nothing was written."
#define THORONG_ALL_WRITTEN "interrupted; the files that were asked for are complete."
#define THORONG_AS_JSON(text) \
  "{\"error\":{\"code\":\"interrupted\",\"message\":\"" text "\",\"where\":\"\"}}\n"

template <size_t N>
void say(int descriptor, const char (&text)[N]) {
  [[maybe_unused]] ssize_t ignored = ::write(descriptor, text, N - 1);
}

// Keeps memory that is given back: one step's lists are soon followed by another's, and the kernel
// takes longer to clear pages than they take to be filled.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#endif
}

// Calls only what a signal handler may.
void on_interrupt(int) {
  g_interrupted = 1;
  if (g_phase == kWritingFiles) return;
  if (g_phase == kBeforeFiles) {
    say(STDERR_FILENO, "thorong: " THORONG_NOTHING_WRITTEN "\n");
    if (g_json) say(STDOUT_FILENO, THORONG_AS_JSON(THORONG_NOTHING_WRITTEN));
  } else {
    say(STDERR_FILENO, "thorong: " THORONG_ALL_WRITTEN "\n");
    if (g_json) say(STDOUT_FILENO, THORONG_AS_JSON(THORONG_ALL_WRITTEN));
  }
  _exit(130);
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
    nlohmann::ordered_json error{{"error",
                                  {{"code", code_name(status.code())},
                                   {"message", status.message()},
                                   {"where", status.where()}}}};
    std::printf(
        "%s\n",
        error.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  }
  return exit_status(status.code());
}

// What the parser would only call a missing subcommand.
Status check_subcommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), word) != names.end()) return ok_status();
  std::string hint = chip::did_you_mean(word, names);
  return invalid_argument(
      "there is no command '" + word.substr(0, 60) + "'" + (hint.empty() ? ". " : hint + " ") +
          "Commands: " + chip::list_names(names) + "; thorong --help explains them.",
      "command line");
}

// The first option that the subcommand does not have, with the nearest that it has; ok if there is
// none.
Status check_options(const CLI::App& command, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    if (!name.starts_with("--") || name == "--") continue;
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string hint = chip::did_you_mean(name, names);
    return invalid_argument("thorong " + command.get_name() + " has no option '" +
                                name.substr(0, 60) + "'" + (hint.empty() ? "." : hint) +
                                " (thorong " + command.get_name() + " --help lists them)",
                            "command line");
  }
  return ok_status();
}

int run(int argc, char** argv) {
  CLI::App app{
      "Thorong runs unmodified programs on models of Amazon's Inferentia and Trainium chips and "
      "tells what comes out, how long "
      "it takes, how much energy it needs and what it costs.\n\nExample:\n  thorong run model.onnx "
      "--chip trainium1 --report report.html",
      "thorong"};
  app.set_version_flag("--version", std::string("thorong ") + THORONG_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  Exit exit;
#define THORONG_ENTRY(stem) command_##stem(app, exit);
#include "thorong/cli/commands.inc"
#undef THORONG_ENTRY
  exit.json = g_json;
  if (argc > 1 && argv[1][0] != '-') exit.status = check_subcommand(app, argv[1]);
  if (!exit.status.ok()) return report(exit);
  if (argc == 1) {
    std::fputs(app.help().c_str(), stderr);
    return exit_status(Code::kInvalidArgument);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
      if (command->get_name() == argv[1])
        exit.status = check_options(*command, {argv + 2, argv + argc});
    }
    if (exit.status.ok())
      exit.status = invalid_argument(
          std::string(error.what()) + " (thorong --help lists commands and options)",
          "command line");
  }
  return report(exit);
}

}  // namespace

WritingFiles::WritingFiles() { g_phase = kWritingFiles; }
WritingFiles::~WritingFiles() { g_phase = kAfterFiles; }
Status WritingFiles::finish() const {
  return g_interrupted != 0 ? Status(Code::kInterrupted, THORONG_ALL_WRITTEN) : ok_status();
}

bool verbose() { return g_verbose || ::isatty(STDERR_FILENO) == 1; }
void set_verbose(bool on) { g_verbose = on; }
void progress(const std::string& text) {
  if (verbose()) std::fprintf(stderr, "%s\n", text.c_str());
}

bool answers_terminal() { return ::isatty(STDOUT_FILENO) == 1; }

Status answer(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
    return ok_status();
  return io_error("cannot write the result to standard output.", "stdout");
}

int exit_status(Code code) {
  switch (code) {
    case Code::kOk:
      return 0;
    case Code::kMachineFault:
      return 3;
    case Code::kInterrupted:
      return 130;
    case Code::kInternal:
      return 70;
    default:
      return 2;
  }
}

}  // namespace thorong::cli

int main(int argc, char** argv) {
  thorong::cli::keep_freed_memory();
  // Known before Ctrl-C may have to answer.
  for (int i = 1; i < argc; ++i)
    thorong::cli::g_json = thorong::cli::g_json || std::strcmp(argv[i], "--json") == 0;
  std::signal(SIGINT, thorong::cli::on_interrupt);
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is an error like a full disk
  thorong::set_check_handler(thorong::cli::on_bug);
  try {
    return thorong::cli::run(argc, argv);
  } catch (const thorong::OutOfMemory& error) {
    return thorong::cli::report(
        {thorong::resource_exhausted(error.what(), "host"), thorong::cli::g_json});
  } catch (const std::bad_alloc&) {
    return thorong::cli::report(
        {thorong::resource_exhausted(
             "the host has no memory left. Run on a larger machine, or with --timing-only.",
             "host"),
         thorong::cli::g_json});
  } catch (const std::exception& error) {
    std::fprintf(stderr,
                 "thorong: internal error: %s. This is a bug in Thorong; please report it.\n",
                 error.what());
    return 70;
  }
}
