// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>

#include "errors.h"

namespace thorong::python {
namespace {

namespace nb = nanobind;

template <typename T>
T get(const std::string& name, nb::handle value, const char* expected) {
  T result{};
  if (!nb::try_cast<T>(value, result)) {
    throw nb::type_error(
        ("option '" + name + "' wants " + expected + ", found " + nb::repr(value).c_str()).c_str());
  }
  return result;
}

std::string word(const std::string& name, nb::handle value, const char* expected) {
  return get<std::string>(name, value, expected);
}

int in_range(const std::string& name, nb::handle value, int64_t low, int64_t high) {
  auto number = get<int64_t>(name, value, "an integer");
  if (number < low || number > high) {
    throw StatusError(invalid_argument(std::to_string(number) + " is not between " +
                                           std::to_string(low) + " and " + std::to_string(high) +
                                           ".",
                                       name));
  }
  return static_cast<int>(number);
}

// True for `second`, false for `first`.
bool choice(const std::string& name, nb::handle value, const std::string& first,
            const std::string& second) {
  std::string text = word(name, value, ("'" + first + "' or '" + second + "'").c_str());
  if (text != first && text != second) {
    throw StatusError(
        invalid_argument("'" + text + "' is not one of " + first + ", " + second + ".", name));
  }
  return text == second;
}

std::map<std::string, int64_t> read_dims(const std::string& name, nb::handle value) {
  auto dims = get<std::map<std::string, int64_t>>(name, value, "a dict of names and sizes");
  for (const auto& [dim, size] : dims) {
    if (size >= 0) continue;
    throw StatusError(invalid_argument(
        "the size " + std::to_string(size) + " of '" + dim + "' is negative.", name));
  }
  return dims;
}

}  // namespace

std::vector<chip::Assumption> read_assumptions(nb::handle value) {
  std::vector<chip::Assumption> all;
  for (const auto& [fact, text] : nb::cast<std::map<std::string, std::string>>(value))
    all.push_back({fact, text});
  return all;
}

namespace {

void read_option(const std::string& name, nb::handle value, runtime::Options& options) {
  if (name == "chip") {
    options.chip = word(name, value, "a chip's name or file");
  } else if (name == "assume") {
    options.assumptions = read_assumptions(value);
  } else if (name == "dims") {
    options.dims = read_dims(name, value);
  } else if (name == "auto_cast") {
    options.auto_cast =
        value_or_throw(runtime::parse_auto_cast(word(name, value, "'none', 'matmult' or 'all'")));
  } else if (name == "auto_cast_type") {
    options.auto_cast_type = value_or_throw(
        runtime::parse_auto_cast_type(word(name, value, "'bf16', 'fp16', 'tf32' or 'fp8_e4m3'")));
    options.auto_cast_type_given = true;
  } else if (name == "rounding") {
    options.stochastic_rounding = choice(name, value, "rne", "stochastic");
  } else if (name == "schedule") {
    options.schedule =
        choice(name, value, "vendor", "best") ? sim::Schedule::kBest : sim::Schedule::kVendor;
  } else if (name == "against") {
    options.against_reference = !value.is_none() && choice(name, value, "none", "reference");
  } else if (name == "seed") {
    options.seed = get<uint64_t>(name, value, "an integer of at least 0");
  } else if (name == "timing_only") {
    options.timing_only = get<bool>(name, value, "True or False");
  } else if (name == "cache") {
    options.cache = value.is_none() ? "" : word(name, value, "a folder");
  } else if (name == "threads") {
    options.threads = in_range(name, value, 0, 4096);
  } else if (name == "repeat") {
    options.repeat = in_range(name, value, 1, 1000000);
  } else {
    THORONG_CHECK(false, "the package gave an option '" + name + "'");
  }
}

}  // namespace

runtime::Options read_options(const nb::dict& given) {
  runtime::Options options;
  for (auto [name, value] : given) read_option(nb::cast<std::string>(name), value, options);
  if (options.timing_only && options.against_reference) {
    throw StatusError(invalid_argument(
        "needs values, and timing_only computes none. Leave one of them out.", "against"));
  }
  return options;
}

}  // namespace thorong::python
