// SPDX-License-Identifier: Apache-2.0
// What the bindings of nki keep: the run of each thread, Python's objects for dtypes, regions,
// operators and enumerators, and the lines of code that instructions come from.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "frontends/nki/kernel_run.h"

namespace thorong::python {

// A run, and its memory of code objects.
struct NkiRun {
  std::shared_ptr<nki::KernelRun> run;
  struct Code {
    nanobind::object keep;
    std::string file;
    bool ours = false;  // of the package itself: the kernel's line is further out
  };
  std::unordered_map<void*, Code> codes;
  std::unordered_map<uint64_t, int32_t> places;
  // The line that instructions are recorded under instead of the caller's; line 0: the caller's.
  // For instructions that are issued later than the kernel asked for them.
  std::string place_file;
  int place_line = 0;
};

// The thread's run; null outside of a kernel.
NkiRun*& current_run();
NkiRun& need_run(const char* what);
// The line of the kernel that calls now, as an entry of Program::operators.
int32_t place_of_caller(NkiRun& context, uint16_t opcode);
// "kernel.py:12".
std::string caller(NkiRun& context);

// Python's objects, given once by the package when it is imported.
struct NkiName {
  isa::NameKind kind;
  uint8_t code;
};
const NkiName* find_name(PyObject* object);
std::optional<nki::Dtype> find_dtype(PyObject* object);
nanobind::object dtype_object(nki::Dtype dtype);
std::optional<nki::Region> find_region(PyObject* object);
nanobind::object region_object(nki::Region region);

// Sets the Python exception for a status (thorong.nki._errors.make).
void set_nki_error(const Status& status, NkiRun* context);
[[noreturn]] void throw_nki_error(const Status& status);
// Warns of what the run's checks have found since the last time (thorong.nki._errors.report).
void report_findings(NkiRun& context);
template <typename T>
T nki_value(Result<T> result) {
  if (!result.ok()) throw_nki_error(result.status());
  return std::move(result).value();
}

using Handle = nanobind::handle;
std::vector<int64_t> read_integers(Handle sequence, const char* what);

void bind_nki_context(nanobind::module_& module);
void bind_nki_tensor(nanobind::module_& module);
void bind_nki_functions(nanobind::module_& module);

}  // namespace thorong::python
