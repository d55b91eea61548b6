// SPDX-License-Identifier: Apache-2.0
#include "thorong/cli/run_options.h"

#include <charconv>
#include <cstdio>

#include "thorong/runtime/inputs.h"

namespace thorong::cli {
namespace {

// `form`: "NAME=FILE".
Result<std::pair<std::string, std::string>> split(const std::string& text,
                                                  const std::string& option,
                                                  const std::string& form) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return invalid_argument("'" + text + "' is not " + form + ".", option);
  }
  return std::make_pair(text.substr(0, equals), text.substr(equals + 1));
}

Status given_twice(const std::string& option, const std::string& name) {
  return invalid_argument("'" + name + "' is given twice. Give it once.", option);
}

}  // namespace

void add_assume(CLI::App& command, std::vector<std::string>& assumptions) {
  command
      .add_option(
          "--assume", assumptions,
          "For this run, another value of a figure of the chip, as `assumed` in results and "
          "'thorong chip NAME' call it: tensor.min_issue_cycles=128. Models are also timed "
          "with the chip's own. Repeatable")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
}

void RunOptions::add_to(CLI::App& command) {
  command.add_option("model", model, "ONNX file")->required()->type_name("MODEL.onnx");
  command
      .add_option("--input", inputs,
                  "An input's values: .npy, .npz (the array of that name, or the only one) or .pb "
                  "(TensorProto). Repeatable; missing inputs are seeded random values")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  command
      .add_option("--cache", options.cache,
                  "Keeps compiled programs in a folder, up to 2 GiB, and finds them again by their "
                  "content; $THORONG_CACHE names one for every run")
      ->type_name("DIR")
      ->envname("THORONG_CACHE");
  command.add_option("--dim", dims, "Binds a symbolic dimension. Repeatable")
      ->type_name("NAME=N")
      ->allow_extra_args(false);
  add_assume(command, assumptions);
  command
      .add_option("--auto-cast", auto_cast,
                  "What is cast down: none, matmult (operands of matrix products), all")
      ->type_name("WHAT")
      ->capture_default_str();
  auto_cast_type_option = command
                              .add_option("--auto-cast-type", auto_cast_type,
                                          "To which format: bf16, fp16, tf32, fp8_e4m3")
                              ->type_name("TYPE")
                              ->capture_default_str();
  command.add_option("--rounding", rounding, "rne (nearest even) or stochastic")
      ->type_name("MODE")
      ->capture_default_str();
  command.add_option("--seed", options.seed, "Of random inputs and stochastic rounding")
      ->type_name("N")
      ->capture_default_str();
  command.add_flag("--timing-only", options.timing_only,
                   "Time, energy and cost from shapes; no values");
  command.add_option("--threads", options.threads, "Host threads (0: all); never changes a result")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
  command.add_option("--repeat", options.repeat, "Executes N times; wall.run_s is the shortest")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000));
  command
      .add_option("--schedule", schedule,
                  "vendor: the overlap that the vendor's compiler reaches; best: all that "
                  "dependencies allow")
      ->type_name("NAME")
      ->capture_default_str();
  command
      .add_option("--against", against,
                  "reference: also run the operators' plain-loop meaning in fp32 and state each "
                  "output's error")
      ->type_name("reference");
  command.add_flag("--json", json, "One JSON object on stdout");
  command.add_flag("-v,--verbose", verbose, "Progress on stderr even if it is not a terminal");
}

void RunOptions::add_chip_to(CLI::App& command) {
  command.add_option("--chip", options.chip, "A shipped chip (thorong chips) or a chip file")
      ->type_name("NAME|FILE.yaml")
      ->capture_default_str();
}

Status RunOptions::resolve() {
  set_verbose(verbose);
  THORONG_TRY(options.auto_cast, runtime::parse_auto_cast(auto_cast));
  THORONG_TRY(options.auto_cast_type, runtime::parse_auto_cast_type(auto_cast_type));
  options.auto_cast_type_given = auto_cast_type_option->count() > 0;
  if (options.auto_cast_type_given && options.auto_cast == compiler::AutoCast::kNone)
    std::fprintf(stderr,
                 "thorong: --auto-cast-type %s has no effect without --auto-cast matmult or all.\n",
                 auto_cast_type.c_str());
  if (rounding != "rne" && rounding != "stochastic")
    return invalid_argument("'" + rounding + "' is not rne or stochastic.", "--rounding");
  options.stochastic_rounding = rounding == "stochastic";
  if (schedule != "vendor" && schedule != "best")
    return invalid_argument("'" + schedule + "' is not vendor or best.", "--schedule");
  options.schedule = schedule == "vendor" ? sim::Schedule::kVendor : sim::Schedule::kBest;
  if (!against.empty() && against != "reference")
    return invalid_argument("'" + against + "' is not reference.", "--against");
  options.against_reference = !against.empty();
  if (options.timing_only && (options.against_reference || !places.out.empty())) {
    return invalid_argument("needs values, and --timing-only computes none. Leave one of them out.",
                            places.out.empty() ? "--against" : "--out");
  }
  THORONG_TRY(options.assumptions, chip::parse_assumptions(assumptions));
  for (const std::string& text : dims) {
    THORONG_TRY(auto pair, split(text, "--dim", "NAME=N"));
    int64_t value = 0;
    auto [end, error] =
        std::from_chars(pair.second.data(), pair.second.data() + pair.second.size(), value);
    if (error != std::errc() || end != pair.second.data() + pair.second.size() || value < 1) {
      return invalid_argument("'" + pair.second + "' is not a size of at least 1.",
                              "--dim " + pair.first);
    }
    if (!options.dims.emplace(pair.first, value).second) return given_twice("--dim", pair.first);
  }
  for (const std::string& text : inputs) {
    THORONG_TRY(auto pair, split(text, "--input", "NAME=FILE"));
    if (options.inputs.contains(pair.first)) return given_twice("--input", pair.first);
    input_places.push_back({"--input " + pair.first, pair.second});
    auto tensor = runtime::read_input_file(pair.second, pair.first);
    if (!tensor.ok()) return tensor.status().at("--input " + pair.first);
    options.inputs[pair.first] = std::move(tensor).value();
  }
  return ok_status();
}

std::vector<Place> RunOptions::read_places() const {
  std::vector<Place> read{{"the model", model}, {"--chip", options.chip}};
  read.insert(read.end(), input_places.begin(), input_places.end());
  return read;
}

std::vector<Place> RunOptions::written_places() const {
  std::vector<Place> written;
  if (!places.report.empty()) written.push_back({"--report", places.report});
  if (!places.trace.empty()) written.push_back({"--trace", places.trace});
  return written;
}

}  // namespace thorong::cli
