// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <new>

#include "thorong/base/check.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;

// A failed check unwinds to the binding. In a destructor or on a thread of its own it would still
// end the process.
void throw_bug(const std::string& text) { throw StatusError(internal_error(text)); }

void set_python_error(const StatusError& error) {
  nb::dict place;
  if (error.fault()) {
    const FaultPlace& fault = *error.fault();
    place["instruction"] = fault.instruction;
    place["index"] = fault.index;
    place["operator"] = fault.operator_name;
    place["time_s"] = fault.time_s;
    place["operands"] = fault.operands;
  }
  const Status& status = error.status();
  nb::object exception = nb::module_::import_("thorong._errors")
                             .attr("make")(nb::str(code_name(status.code()).data()),
                                           status.message(), status.where(), place);
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

}  // namespace

void rethrow_as_ours(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const StatusError&) {
    throw;
  } catch (const OutOfMemory& lack) {
    throw StatusError(resource_exhausted(lack.what(), "host"));
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& other) {
    throw StatusError(internal_error(std::string(other.what()) +
                                     ". This is a bug in Thorong; please report it."));
  }
}

void register_errors(nb::module_&) {
  set_check_handler(throw_bug);
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const StatusError& error) {
      try {
        set_python_error(error);
      } catch (nb::python_error& raised) {
        raised.restore();
      }
    }
  });
}

}  // namespace thorong::python
