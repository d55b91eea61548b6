// SPDX-License-Identifier: Apache-2.0
// From the core's statuses and failed checks to Python's exceptions.
#pragma once

#include <nanobind/nanobind.h>

#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "thorong/base/result.h"

namespace thorong::python {

// Where the simulated machine stopped.
struct FaultPlace {
  std::string instruction, operator_name;
  size_t index = 0;
  double time_s = 0;
  std::vector<std::string> operands;
};

// An error Status on its way to Python; becomes the subclass of thorong.Error that its code names.
class StatusError : public std::exception {
 public:
  explicit StatusError(Status status, std::optional<FaultPlace> fault = {})
      : status_(std::move(status)), fault_(std::move(fault)), text_(status_.to_string()) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const Status& status() const { return status_; }
  const std::optional<FaultPlace>& fault() const { return fault_; }

 private:
  Status status_;
  std::optional<FaultPlace> fault_;
  std::string text_;
};

inline void throw_if_error(const Status& status) {
  if (!status.ok()) throw StatusError(status);
}

template <typename T>
T value_or_throw(Result<T> result) {
  throw_if_error(result.status());
  return std::move(result).value();
}

// The exception in flight as our InternalError, unless it is one that Python knows better (no
// memory, a StatusError).
[[noreturn]] void rethrow_as_ours(const std::exception_ptr& error);

// Failed checks throw from now on, and the exceptions above have a translation:
// thorong._errors.make(...).
void register_errors(nanobind::module_& module);

}  // namespace thorong::python
