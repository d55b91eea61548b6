// SPDX-License-Identifier: Apache-2.0
#include "thorong/runtime/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "thorong/base/file.h"
#include "thorong/chip/loader.h"
#include "thorong/compiler/compile.h"
#include "thorong/ops/operator.h"
#include "thorong/runtime/explain_fault.h"
#include "thorong/runtime/inputs.h"
#include "thorong/runtime/program_cache.h"

namespace thorong::runtime {
namespace {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The most bytes of intermediate values that are alive at once when nodes run in order.
int64_t peak_live(const ops::Graph& graph) {
  std::vector<size_t> last(graph.values.size(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ops::ValueId v : graph.nodes[n].inputs) {
      if (v >= 0) last[static_cast<size_t>(v)] = n;
    }
  }
  std::vector<std::vector<ops::ValueId>> dies(graph.nodes.size());
  int64_t live = 0, peak = 0;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (ops::ValueId v : graph.nodes[n].outputs) {
      if (v < 0) continue;
      live += static_cast<int64_t>(graph.type(v).bytes());
      dies[std::max(last[static_cast<size_t>(v)], n)].push_back(v);
    }
    peak = std::max(peak, live);
    for (ops::ValueId v : dies[n]) live -= static_cast<int64_t>(graph.type(v).bytes());
  }
  return peak;
}

// The end of the same model with the chip file's own figures: it is compiled anew, because the
// compiler's choices follow from the figures too.
Result<int64_t> end_without_assumptions(const Program& program,
                                        compiler::CompileOptions compile_options) {
  const Options& options = program.options;
  THORONG_TRY(const chip::Chip chip, chip::load(options.chip));
  const isa::CoreParameters core = isa::core_parameters(chip);
  compile_options.timing_only = true;
  THORONG_TRY(const isa::Program tiles, compiler::compile(program.graph, core, compile_options));
  return sim::simulate_timing(tiles, core, options.schedule).end_ps;
}

compiler::CompileOptions compile_options(const Options& options) {
  return {options.auto_cast, options.auto_cast_type, options.timing_only};
}

std::vector<Signature> signatures(const ops::Graph& graph, const std::vector<ops::ValueId>& values,
                                  const std::vector<std::string>& names) {
  std::vector<Signature> all;
  for (size_t i = 0; i < values.size(); ++i) {
    all.push_back({names.empty() ? graph.value(values[i]).name : names[i], graph.type(values[i])});
  }
  return all;
}

// A program whose tiles are still to be made.
Result<std::shared_ptr<Program>> begin_program(const Options& options, ops::Graph graph) {
  auto program = std::make_shared<Program>();
  program->options = options;
  program->options.inputs.clear();
  THORONG_TRY(program->chip, chip::load(options.chip, options.assumptions));
  program->core = isa::core_parameters(program->chip);
  program->inputs = signatures(graph, graph.inputs, {});
  program->outputs = signatures(graph, graph.outputs, graph.output_names);
  program->graph = std::move(graph);
  return program;
}

}  // namespace

Result<std::shared_ptr<const Program>> compile_graph(const Options& options,
                                                     const ops::Graph& graph) {
  THORONG_TRY(auto program, begin_program(options, graph));
  THORONG_TRY(program->tiles, compiler::compile(graph, program->core, compile_options(options)));
  program->timing = sim::simulate_timing(program->tiles, program->core, options.schedule);
  return std::shared_ptr<const Program>(std::move(program));
}

Result<std::vector<ops::Tensor>> run_part(const Options& options, const ops::Graph& graph,
                                          const std::vector<ops::Tensor>& inputs) {
  Options with_values = options;
  with_values.timing_only = false;
  THORONG_TRY(auto program, compile_graph(with_values, graph));
  THORONG_TRY(auto executable, Executable::load(program));
  return executable->compute(inputs, options.interrupted);
}

namespace {

Result<std::shared_ptr<const Program>> compile_model(Result<onnx::Model> imported,
                                                     const Options& options, double import_s,
                                                     const std::string& path) {
  if (!imported.ok()) return imported.status();
  onnx::Model model = std::move(imported).value();
  Stopwatch watch;
  THORONG_TRY(auto program, begin_program(options, std::move(model.graph)));
  const std::vector<IntegerRange> ranges = input_ranges(program->graph);
  for (size_t i = 0; i < ranges.size(); ++i) program->inputs[i].range = ranges[i];
  program->output_structures = std::move(model.output_structures);
  program->known_inputs = std::move(model.known_inputs);
  if (model.file) program->files.push_back(model.file);
  for (auto& file : model.external_files) program->files.push_back(file);
  auto drop_what_was_read = [&files = program->files] {
    for (auto& file : files) file->drop_resident_pages();
  };
  // Each file is a call to the kernel: with many, not after each constant.
  auto drop_at_times = [&files = program->files, drop_what_was_read, read = size_t{0}]() mutable {
    if (++read % std::max<size_t>(1, files.size()) == 0) drop_what_was_read();
  };
  compiler::CompileOptions compiling = compile_options(options);
  compiling.constants_were_read = drop_at_times;
  const ProgramCache cache(options.cache);
  const std::string key = cache.key(program->graph, program->chip, compiling);
  if (auto found = cache.find(key)) {
    program->tiles = std::move(*found);
    program->from_cache = true;
  } else {
    THORONG_TRY(program->tiles, compiler::compile(program->graph, program->core, compiling));
    cache.store(key, program->tiles);
  }
  program->timing = sim::simulate_timing(program->tiles, program->core, options.schedule);
  if (!options.assumptions.empty())
    program->chip_end_ps = end_without_assumptions(*program, compiling);
  program->model_path = path;
  program->model_sha256 = model.sha256.get();
  program->model_format = model.format;
  drop_what_was_read();
  program->peak_live_bytes = peak_live(program->graph);
  program->import_s = import_s;
  program->compile_s = watch.seconds();
  return std::shared_ptr<const Program>(std::move(program));
}

onnx::ImportOptions import_options(const Options& options) {
  onnx::ImportOptions wanted;
  wanted.dims = options.dims;
  wanted.weights_may_be_missing = options.timing_only;
  wanted.seed = options.seed;
  for (const auto& [name, tensor] : options.inputs) wanted.input_types[name] = tensor.type;
  wanted.input_values = options.inputs;
  wanted.input_structures = options.structures;
  wanted.compute = [options](const ops::Graph& part, const std::vector<ops::Tensor>& inputs) {
    return run_part(options, part, inputs);
  };
  return wanted;
}

// The given inputs with those that the program was made for, which no other values may replace.
Result<std::map<std::string, ops::Tensor>> with_known_inputs(
    const Program& program, std::map<std::string, ops::Tensor> given) {
  for (const auto& [name, known] : program.known_inputs) {
    const ops::Tensor& tensor = given.emplace(name, known).first->second;
    if (tensor.type.shape == known.type.shape && tensor.bytes() == known.bytes() &&
        (tensor.data == known.data || std::memcmp(tensor.data, known.data, known.bytes()) == 0))
      continue;
    return failed_precondition(
        fmt::format(
            "the values of input '{}' decide sizes, branches or trip counts of this program, "
            "and they are not those that it was compiled for. Compile the model with these "
            "inputs.",
            name),
        "--input");
  }
  return given;
}

}  // namespace

report::OutputError compare_tensors(const ops::Tensor& value, const ops::Tensor& reference) {
  report::OutputError error;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  double squares = 0;
  int64_t n = value.type.elements();
  for (int64_t i = 0; i < n; ++i) {
    double a = numerics::load_as_double(value.type.format, value.data, static_cast<size_t>(i));
    double b =
        numerics::load_as_double(reference.type.format, reference.data, static_cast<size_t>(i));
    bool same = a == b || (std::isnan(a) && std::isnan(b));
    double difference = same ? 0.0 : std::fabs(a - b);
    if (std::isnan(difference)) difference = kInfinity;  // a NaN on one side
    error.max_abs = std::max(error.max_abs, difference);
    if (!same && b != 0.0) {
      double relative = std::isinf(difference) ? kInfinity : difference / std::fabs(b);
      error.max_rel = std::max(error.max_rel, relative);
    }
    squares += difference * difference;
  }
  error.rms = n > 0 ? std::sqrt(squares / static_cast<double>(n)) : 0;
  return error;
}

std::string not_finite_text(const std::string& name, const ops::Tensor& tensor) {
  if (!numerics::is_float(tensor.type.format)) return "";
  int64_t nans = 0, infinities = 0;
  const int64_t n = tensor.type.elements();
  for (int64_t i = 0; i < n; ++i) {
    const double value =
        numerics::load_as_double(tensor.type.format, tensor.data, static_cast<size_t>(i));
    nans += std::isnan(value) ? 1 : 0;
    infinities += std::isinf(value) ? 1 : 0;
  }
  if (nans + infinities == 0) return "";
  return fmt::format("output '{}' holds {} NaN and {} infinite of {} values", name, nans,
                     infinities, n);
}

Result<compiler::AutoCast> parse_auto_cast(const std::string& text) {
  if (text == "none") return compiler::AutoCast::kNone;
  if (text == "matmult") return compiler::AutoCast::kMatmult;
  if (text == "all") return compiler::AutoCast::kAll;
  return invalid_argument("'" + text + "' is not one of none, matmult, all.", "--auto-cast");
}

Result<numerics::Format> parse_auto_cast_type(const std::string& text) {
  if (text == "bf16") return numerics::Format::kBfloat16;
  if (text == "fp16") return numerics::Format::kFloat16;
  if (text == "tf32") return numerics::Format::kTfloat32;
  if (text == "fp8_e4m3") return numerics::Format::kFloat8E4m3;
  return invalid_argument("'" + text + "' is not one of bf16, fp16, tf32, fp8_e4m3.",
                          "--auto-cast-type");
}

std::string auto_cast_name(compiler::AutoCast cast) {
  return cast == compiler::AutoCast::kNone      ? "none"
         : cast == compiler::AutoCast::kMatmult ? "matmult"
                                                : "all";
}

std::string auto_cast_type_name(numerics::Format format) {
  switch (format) {
    case numerics::Format::kFloat16:
      return "fp16";
    case numerics::Format::kTfloat32:
      return "tf32";
    case numerics::Format::kFloat8E4m3:
      return "fp8_e4m3";
    default:
      return "bf16";
  }
}

Result<std::shared_ptr<const Program>> compile_file(const std::string& path,
                                                    const Options& options) {
  Stopwatch watch;
  auto model = onnx::import_file(path, import_options(options));
  double seconds = watch.seconds();
  return compile_model(std::move(model), options, seconds, path);
}

Result<std::shared_ptr<const Program>> compile_bytes(std::span<const std::byte> bytes,
                                                     const Options& options) {
  Stopwatch watch;
  std::byte* copy = nullptr;
  ops::Tensor owner = ops::Tensor::allocate(
      {numerics::Format::kUint8, {static_cast<int64_t>(bytes.size())}}, &copy);
  std::copy(bytes.begin(), bytes.end(), copy);
  auto model = onnx::import_bytes({copy, bytes.size()}, owner.owner, "", import_options(options));
  double seconds = watch.seconds();
  return compile_model(std::move(model), options, seconds, std::string(report::kBytesPath));
}

Status check_places(const Places& places) {
  if (!places.out.empty()) THORONG_RETURN_IF_ERROR(check_place(places.out, true));
  if (!places.report.empty()) THORONG_RETURN_IF_ERROR(check_place(places.report));
  if (!places.trace.empty()) THORONG_RETURN_IF_ERROR(check_place(places.trace));
  return ok_status();
}

Executable::Executable(std::shared_ptr<const Program> program)
    : program_(std::move(program)), pool_(std::make_unique<ThreadPool>(program_->options.threads)) {
  const Options& options = program_->options;
  machine_ = std::make_unique<sim::Machine>(
      program_->core, *pool_, sim::MachineOptions{options.seed, options.stochastic_rounding, 0, 0});
}

Result<std::unique_ptr<Executable>> Executable::load(std::shared_ptr<const Program> program) {
  std::unique_ptr<Executable> executable(new Executable(std::move(program)));
  if (!executable->program_->options.timing_only) {
    THORONG_RETURN_IF_ERROR(executable->machine_->load(executable->program_->tiles));
  }
  return executable;
}

// Inputs that the machine can read as they are stay where they are.
Status Executable::write_inputs(const std::vector<ops::Tensor>& inputs) {
  const isa::Program& tiles = program_->tiles;
  for (size_t b = 0; b < tiles.buffers.size(); ++b) {
    const isa::Buffer& buffer = tiles.buffers[b];
    if (buffer.role != isa::BufferRole::kInput) continue;
    const ops::Tensor& tensor = inputs[static_cast<size_t>(buffer.index)];
    const auto id = static_cast<isa::BufferId>(b);
    const numerics::Format cell = isa::host_cell(buffer.format);
    const bool aligned = reinterpret_cast<uintptr_t>(tensor.data) % numerics::byte_size(cell) == 0;
    if (tensor.type.format == cell && aligned) {
      machine_->lend(id, tensor.data);
      continue;
    }
    numerics::convert(tensor.type.format, tensor.data, cell, machine_->hbm_data(id),
                      static_cast<size_t>(tensor.type.elements()));
  }
  return ok_status();
}

std::vector<ops::Tensor> Executable::read_outputs() {
  const isa::Program& tiles = program_->tiles;
  std::vector<ops::Tensor> outputs(program_->outputs.size());
  for (size_t b = 0; b < tiles.buffers.size(); ++b) {
    const isa::Buffer& buffer = tiles.buffers[b];
    if (buffer.role != isa::BufferRole::kOutput) continue;
    // One value may be declared as several outputs.
    ops::ValueId value = program_->graph.outputs[static_cast<size_t>(buffer.index)];
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (program_->graph.outputs[i] != value) continue;
      const ops::TensorType& type = program_->outputs[i].type;
      std::byte* data = nullptr;
      outputs[i] = ops::Tensor::allocate(type, &data);
      numerics::convert(isa::host_cell(type.format),
                        machine_->hbm_data(static_cast<isa::BufferId>(b)), type.format, data,
                        static_cast<size_t>(type.elements()));
    }
  }
  return outputs;
}

Status Executable::run(const std::vector<ops::Tensor>& inputs,
                       const std::atomic<bool>* interrupted) {
  THORONG_RETURN_IF_ERROR(write_inputs(inputs));
  const Status ran = machine_->run(program_->tiles, interrupted);
  machine_->return_loans();
  if (ran.code() == Code::kMachineFault && !faults().empty())
    return explain_fault(ran, faults().front().operator_name, *program_);
  return ran;
}

Result<std::vector<ops::Tensor>> Executable::compute(const std::vector<ops::Tensor>& inputs,
                                                     const std::atomic<bool>* interrupted) {
  THORONG_RETURN_IF_ERROR(run(inputs, interrupted));
  return read_outputs();
}

Result<report::Result> Executable::execute(const std::map<std::string, ops::Tensor>& given,
                                           const std::atomic<bool>* interrupted) {
  const Options& options = program_->options;
  if (interrupted == nullptr) interrupted = options.interrupted;
  report::Result result = describe(*program_);
  THORONG_TRY(auto completed, with_known_inputs(*program_, given));
  THORONG_TRY(auto inputs, complete_inputs(program_->inputs, completed, options.seed,
                                           options.timing_only, &result.random_inputs));
  Stopwatch first;
  double shortest = 0;
  const uint64_t executed =
      machine_->executed();  // repetitions are the same run, random bits included
  for (int i = 0; i < std::max(1, options.repeat) && !options.timing_only; ++i) {
    Stopwatch watch;
    machine_->set_executed(executed);
    THORONG_RETURN_IF_ERROR(run(inputs, interrupted));
    double seconds = watch.seconds();
    shortest = i == 0 ? seconds : std::min(shortest, seconds);
  }
  result.output_structures = program_->output_structures;
  result.run_s = options.timing_only ? first.seconds() : shortest;
  size_t tensor_bytes =
      program_->graph.initializer_bytes + static_cast<size_t>(program_->peak_live_bytes);
  for (size_t i = 0; i < program_->outputs.size(); ++i) {
    report::Output output;
    output.name = program_->outputs[i].name;
    output.type = program_->outputs[i].type;
    tensor_bytes += output.type.bytes();
    result.outputs.push_back(std::move(output));
  }
  for (const ops::Tensor& tensor : inputs) tensor_bytes += tensor ? tensor.bytes() : 0;
  if (!options.timing_only) {
    std::vector<ops::Tensor> outputs = read_outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      result.outputs[i].tensor = outputs[i];
      result.outputs[i].sha256 = sha256_hex({outputs[i].data, outputs[i].bytes()});
      std::string odd = not_finite_text(result.outputs[i].name, outputs[i]);
      if (!odd.empty())
        result.hints.push_back(odd +
                               ". Look for such values in inputs and weights, or a wider "
                               "--auto-cast-type.");
    }
  }
  size_t resident = peak_resident_bytes();
  result.host_overhead_bytes =
      static_cast<int64_t>(resident > tensor_bytes ? resident - tensor_bytes : 0);
  if (options.against_reference && !options.timing_only) {
    THORONG_TRY(auto reference, ops::evaluate(program_->graph, inputs));
    for (size_t i = 0; i < reference.size(); ++i) {
      result.errors[program_->outputs[i].name] =
          compare_tensors(result.outputs[i].tensor, reference[i]);
    }
  }
  return result;
}

Result<report::Result> run_file(const std::string& path, const Options& options) {
  THORONG_TRY(auto program, compile_file(path, options));
  THORONG_TRY(auto executable, Executable::load(program));
  return executable->execute(options.inputs);
}

}  // namespace thorong::runtime
