// SPDX-License-Identifier: Apache-2.0
// thorong._core: what the Python files of the package stand on. Programs, executables, chips; no
// arithmetic.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <optional>

#include "errors.h"
#include "interruptible.h"
#include "nki_context.h"
#include "options.h"
#include "results.h"
#include "tensors.h"
#include "thorong/chip/loader.h"
#include "thorong/isa/instruction_table.h"
#include "thorong/runtime/accuracy.h"
#include "thorong/runtime/session.h"
#include "thorong/version.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;
using Inputs = std::map<std::string, ops::Tensor>;

struct Program {
  std::shared_ptr<const runtime::Program> core;
};

// One thread at a time; a second one waits.
struct Executable {
  std::unique_ptr<runtime::Executable> core;
  std::mutex mutex;
  bool broken = false;  // a bug showed: the memories may be half-written
};

template <typename Function>
auto run_interruptibly(Function work) {
  std::optional<decltype(work(nullptr))> result;
  interruptible([&](const std::atomic<bool>* interrupted) { result.emplace(work(interrupted)); });
  return value_or_throw(std::move(*result));
}

Program compile_file(const std::string& path, const nb::dict& given, Inputs inputs,
                     const nb::dict& structures) {
  runtime::Options options = read_options(given);
  options.inputs = std::move(inputs);
  options.structures = read_structures(structures);
  return {run_interruptibly(
      [&](const std::atomic<bool>*) { return runtime::compile_file(path, options); })};
}

Program compile_bytes(const nb::bytes& model, const nb::dict& given, Inputs inputs,
                      const nb::dict& structures) {
  runtime::Options options = read_options(given);
  options.inputs = std::move(inputs);
  options.structures = read_structures(structures);
  std::span bytes(static_cast<const std::byte*>(model.data()), model.size());
  return {run_interruptibly(
      [&](const std::atomic<bool>*) { return runtime::compile_bytes(bytes, options); })};
}

std::unique_ptr<Executable> load(const Program& program) {
  auto executable = std::make_unique<Executable>();
  executable->core = run_interruptibly(
      [&](const std::atomic<bool>*) { return runtime::Executable::load(program.core); });
  return executable;
}

report::Accuracy measure_accuracy(const Program& program, const Inputs& inputs,
                                  const std::vector<std::string>& names) {
  const auto modes = value_or_throw(runtime::accuracy_modes(names));
  return run_interruptibly([&](const std::atomic<bool>* interrupted) {
    return runtime::measure_accuracy(
        *program.core, inputs, modes, [](const std::string&) {}, interrupted);
  });
}

std::string describe_operand(const isa::Program& tiles, const isa::Instruction& instruction,
                             size_t i) {
  const auto& names = isa::spec(instruction.opcode).operands;
  const isa::AccessPattern& pattern = tiles.operand(instruction, static_cast<int>(i));
  const isa::Buffer& buffer = tiles.buffer(pattern);
  ops::Shape shape{pattern.partitions};
  for (size_t d = 0; d < pattern.rank; ++d) shape.push_back(pattern.size[d]);
  return (i < names.size() ? names[i] : "operand " + std::to_string(i)) + ": " +
         (buffer.name.empty() ? "a buffer" : "'" + buffer.name + "'") + " in " +
         std::string(isa::name(buffer.space)) + ", " + std::string(numerics::name(pattern.format)) +
         " " + ops::to_string(shape);
}

std::optional<FaultPlace> fault_place(const runtime::Executable& executable) {
  if (executable.faults().empty()) return std::nullopt;
  const sim::Fault& fault = executable.faults().front();
  const runtime::Program& program = executable.program();
  const isa::Instruction& instruction = program.tiles.instructions[fault.instruction];
  FaultPlace place{fault.mnemonic, fault.operator_name, fault.instruction, 0, {}};
  place.time_s =
      static_cast<double>(program.timing.instructions[fault.instruction].start_ps) * 1e-12;
  for (size_t i = 0; i < instruction.operands.size(); ++i) {
    if (instruction.operands[i] < 0) continue;
    place.operands.push_back(describe_operand(program.tiles, instruction, i));
  }
  return place;
}

report::Result execute_locked(Executable& executable, const Inputs& inputs,
                              const std::atomic<bool>* interrupted) {
  const std::lock_guard<std::mutex> lock(executable.mutex);
  if (executable.broken) {
    throw StatusError(failed_precondition(
        "an earlier call ended with an internal error. Load the program again.", "executable"));
  }
  executable.broken = true;  // until the call ends in an orderly way
  auto result = executable.core->execute(inputs, interrupted);
  executable.broken = result.status().code() == Code::kInternal;
  if (result.status().code() == Code::kMachineFault) {
    throw StatusError(result.status(), fault_place(*executable.core));
  }
  return value_or_throw(std::move(result));
}

report::Result execute(Executable& executable, const Inputs& inputs) {
  return run_interruptibly([&](const std::atomic<bool>* interrupted) {
    return Result<report::Result>(execute_locked(executable, inputs, interrupted));
  });
}

std::pair<std::string, std::string> chip_names(const std::string& name_or_path) {
  chip::Chip chip = value_or_throw(chip::load(name_or_path));
  return {chip.name, chip.title};
}

}  // namespace
}  // namespace thorong::python

NB_MODULE(_core, module) {
  namespace nb = nanobind;
  using namespace thorong::python;  // NOLINT
  module.attr("version") = THORONG_VERSION;
  register_errors(module);
  bind_tensors(module);
  bind_results(module);
  nb::class_<Program>(module, "Program")
      .def_prop_ro("chip", [](const Program& p) { return p.core->options.chip; })
      .def_prop_ro("chip_name", [](const Program& p) { return p.core->chip.name; })
      .def_prop_ro("inputs", [](const Program& p) { return p.core->inputs; })
      .def_prop_ro("outputs", [](const Program& p) { return p.core->outputs; })
      .def("load", load);
  nb::class_<Executable>(module, "Executable").def("execute", execute);
  module.def("measure_accuracy", measure_accuracy);
  module.def("compile_file", compile_file);
  module.def("compile_bytes", compile_bytes);
  module.def(
      "check_places",
      [](const std::string& out, const std::string& report, const std::string& trace) {
        throw_if_error(thorong::runtime::check_places({out, report, trace}));
      },
      nb::arg("out") = "", nb::arg("report") = "", nb::arg("trace") = "");
  module.def("set_chips_folder", &thorong::chip::set_chips_folder);
  module.def("shipped_chips", &thorong::chip::shipped_chips);
  module.def("chip_names", chip_names);
  nb::module_ kernels = module.def_submodule("nki");
  bind_nki_context(kernels);
  bind_nki_tensor(kernels);
  bind_nki_functions(kernels);
}
