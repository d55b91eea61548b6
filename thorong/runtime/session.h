// SPDX-License-Identifier: Apache-2.0
// Compile, load, execute: the public road from a model to a Result. `run` does all three.
//
//   Program     what a model became for one chip: tile program, its timing and energy. Immutable,
//   shareable between threads. Executable  a Program loaded on a simulated device: its memories
//   stay between executions. One thread at a time.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "frontends/onnx/importer.h"
#include "thorong/chip/assume.h"
#include "thorong/chip/chip.h"
#include "thorong/compiler/options.h"
#include "thorong/report/result.h"
#include "thorong/runtime/input_ranges.h"
#include "thorong/sim/energy.h"
#include "thorong/sim/machine.h"
#include "thorong/sim/timing.h"

namespace thorong::runtime {

struct Options {
  std::string chip = "trainium1";  // a shipped chip's name or a file
  std::vector<chip::Assumption> assumptions;
  std::map<std::string, ops::Tensor> inputs;  // a sequence's tensors as NAME[0], NAME[1], ...
  ops::Structures structures;                 // inputs that are no tensors
  std::map<std::string, int64_t> dims;
  compiler::AutoCast auto_cast = compiler::AutoCast::kNone;
  numerics::Format auto_cast_type = numerics::Format::kBfloat16;
  bool auto_cast_type_given = false;  // without auto_cast it has no effect, which a hint says
  bool stochastic_rounding = false;
  uint64_t seed = 0;
  bool timing_only = false;
  std::string cache;  // a folder for compiled programs (program_cache.h); empty: none
  bool against_reference = false;
  int threads = 0;  // 0: all
  int repeat = 1;
  sim::Schedule schedule = sim::Schedule::kVendor;
  const std::atomic<bool>* interrupted = nullptr;  // polled between instructions
};

// "none", "matmult", "all"; "bf16", "fp16", "tf32", "fp8_e4m3".
Result<compiler::AutoCast> parse_auto_cast(const std::string& text);
Result<numerics::Format> parse_auto_cast_type(const std::string& text);
std::string auto_cast_name(compiler::AutoCast cast);
std::string auto_cast_type_name(numerics::Format format);

struct Signature {
  std::string name;
  ops::TensorType type;
  IntegerRange range{};  // of made-up integers
};

struct Program {
  Options options;
  chip::Chip chip;
  isa::CoreParameters core;
  ops::Graph graph;  // as imported; the oracle of --against reference
  isa::Program tiles;
  sim::Timing timing;
  // With assumptions: the end with the chip file's own figures, or why it has none.
  Result<int64_t> chip_end_ps = int64_t{0};
  std::vector<Signature> inputs, outputs;
  ops::Structures output_structures;
  // Inputs whose values decided sizes, branches or trip counts: the program is right for these.
  std::map<std::string, ops::Tensor> known_inputs;
  std::string model_path, model_sha256, model_format;
  double import_s = 0, compile_s = 0;
  bool from_cache = false;
  std::vector<std::shared_ptr<const MappedFile>> files;
  int64_t peak_live_bytes = 0;  // of intermediate tensors, for host_overhead_bytes
};

Result<std::shared_ptr<const Program>> compile_file(const std::string& path,
                                                    const Options& options);
Result<std::shared_ptr<const Program>> compile_bytes(std::span<const std::byte> bytes,
                                                     const Options& options);

// Where the views of a result go; empty: nowhere.
struct Places {
  std::string out;  // a folder
  std::string report, trace;
};
// Whether they can be written as far as one can know before the run. Error: io.
Status check_places(const Places& places);

class Executable {
 public:
  static Result<std::unique_ptr<Executable>> load(std::shared_ptr<const Program> program);
  // Missing inputs are seeded random values, named in the result. The options' repeat and
  // against_reference apply. `interrupted`: polled between instructions in place of the options'
  // own.
  Result<report::Result> execute(const std::map<std::string, ops::Tensor>& inputs,
                                 const std::atomic<bool>* interrupted = nullptr);
  // The outputs alone; inputs parallel to the program's. They are read while the program runs, and
  // must stay as they are.
  Result<std::vector<ops::Tensor>> compute(const std::vector<ops::Tensor>& inputs,
                                           const std::atomic<bool>* interrupted = nullptr);
  const Program& program() const { return *program_; }
  // What stopped the last execution when its error was kMachineFault.
  const std::vector<sim::Fault>& faults() const { return machine_->faults(); }

 private:
  explicit Executable(std::shared_ptr<const Program> program);
  Status run(const std::vector<ops::Tensor>& inputs, const std::atomic<bool>* interrupted);
  Status write_inputs(const std::vector<ops::Tensor>& inputs);
  std::vector<ops::Tensor> read_outputs();

  std::shared_ptr<const Program> program_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<sim::Machine> machine_;
};

// A graph that is no file's: compiled, and its outputs alone; inputs parallel to the graph's.
Result<std::shared_ptr<const Program>> compile_graph(const Options& options,
                                                     const ops::Graph& graph);
Result<std::vector<ops::Tensor>> run_part(const Options& options, const ops::Graph& graph,
                                          const std::vector<ops::Tensor>& inputs);

// How far values are from a reference of the same type.
report::OutputError compare_tensors(const ops::Tensor& value, const ops::Tensor& reference);
// "output 'y' holds 3 NaN and 0 infinite of 8 values"; empty if all are finite.
std::string not_finite_text(const std::string& name, const ops::Tensor& tensor);

Result<report::Result> run_file(const std::string& path, const Options& options);

// The figures of a result that follow from the program alone (time, energy, cost, operators,
// timeline).
report::Result describe(const Program& program);

}  // namespace thorong::runtime
