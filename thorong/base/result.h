// SPDX-License-Identifier: Apache-2.0
// Status and Result<T>: how functions report that the user's input is wrong or unsupported.
//
// A Status is either ok or an error with a code, a message and the place ("model.onnx: node
// 'conv1'"). Result<T> holds a value or such a Status. Bugs of ours never travel this way: they go
// through THORONG_CHECK (check.h). Faults of the simulated machine are a third kind and part of a
// run's result (sim/machine.h). Only a host without memory throws, as in the standard library.
#pragma once

#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "thorong/base/check.h"

namespace thorong {

enum class Code {
  kOk,
  kInvalidArgument,     // the input contradicts itself or its format
  kUnsupported,         // legal, but not yet done here
  kNotFound,            // a name or file that does not exist
  kOutOfRange,          // an index or size beyond its limit
  kResourceExhausted,   // does not fit: chip memory, host memory, disk
  kFailedPrecondition,  // something else must be given or done first
  kIo,                  // the operating system refused
  kMachineFault,        // the simulated machine stopped with a fault
  kInterrupted,         // the user pressed Ctrl-C
  kInternal,            // our bug, noticed at a boundary
};

// The code's name in snake case, as JSON and Python spell it: "invalid_argument".
std::string_view code_name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, std::string where = {})
      : code_(code), message_(std::move(message)), where_(std::move(where)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  // What was expected, what was found and what to do, in sentences.
  const std::string& message() const { return message_; }
  // The place: file:line:column, node name, option. Empty when the message says all.
  const std::string& where() const { return where_; }

  // The same error with an outer place put before the present one.
  Status at(std::string_view outer) const {
    if (ok()) return *this;
    std::string place(outer);
    if (!where_.empty()) place += ": " + where_;
    return Status(code_, message_, std::move(place));
  }
  // "where: message".
  std::string to_string() const { return where_.empty() ? message_ : where_ + ": " + message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
  std::string where_;
};

inline Status ok_status() { return Status(); }
inline Status invalid_argument(std::string message, std::string where = {}) {
  return {Code::kInvalidArgument, std::move(message), std::move(where)};
}
inline Status unsupported(std::string message, std::string where = {}) {
  return {Code::kUnsupported, std::move(message), std::move(where)};
}
inline Status not_found(std::string message, std::string where = {}) {
  return {Code::kNotFound, std::move(message), std::move(where)};
}
inline Status out_of_range(std::string message, std::string where = {}) {
  return {Code::kOutOfRange, std::move(message), std::move(where)};
}
inline Status resource_exhausted(std::string message, std::string where = {}) {
  return {Code::kResourceExhausted, std::move(message), std::move(where)};
}
inline Status failed_precondition(std::string message, std::string where = {}) {
  return {Code::kFailedPrecondition, std::move(message), std::move(where)};
}
inline Status io_error(std::string message, std::string where = {}) {
  return {Code::kIo, std::move(message), std::move(where)};
}
inline Status internal_error(std::string message, std::string where = {}) {
  return {Code::kInternal, std::move(message), std::move(where)};
}

// The host has no memory for so many bytes of `what`. The boundaries (command, Python) make
// kResourceExhausted of it.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(size_t bytes, const std::string& what)
      : text_("the host has no memory for " + std::to_string(bytes) + " bytes of " + what +
              ". Run on a larger machine, or with --timing-only.") {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}        // NOLINT: implicit by design
  Result(Status status) : state_(std::move(status)) {  // NOLINT
    THORONG_CHECK(!std::get<Status>(state_).ok(), "a Result made from an ok Status has no value");
  }

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }
  T& value() & {
    THORONG_CHECK(ok(), "value() of an error Result");
    return std::get<T>(state_);
  }
  const T& value() const& {
    THORONG_CHECK(ok(), "value() of an error Result");
    return std::get<T>(state_);
  }
  T&& value() && {
    THORONG_CHECK(ok(), "value() of an error Result");
    return std::get<T>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Status status() const { return ok() ? Status() : std::get<Status>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace thorong

#define THORONG_CONCAT_INNER(a, b) a##b
#define THORONG_CONCAT(a, b) THORONG_CONCAT_INNER(a, b)

// Returns from the enclosing function when the expression is an error Status.
#define THORONG_RETURN_IF_ERROR(expression)                                    \
  do {                                                                         \
    if (::thorong::Status thorong_status = (expression); !thorong_status.ok()) \
      return thorong_status;                                                   \
  } while (false)

// THORONG_TRY(auto x, f()): declares x with f()'s value, or returns f()'s error.
#define THORONG_TRY(declaration, expression) \
  THORONG_TRY_IMPL(THORONG_CONCAT(thorong_result_, __LINE__), declaration, expression)
#define THORONG_TRY_IMPL(result, declaration, expression) \
  auto result = (expression);                             \
  if (!result.ok()) return result.status();               \
  declaration = std::move(result).value()
