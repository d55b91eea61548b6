// SPDX-License-Identifier: Apache-2.0
// The command's options as Python gives them.
#pragma once

#include <nanobind/nanobind.h>

#include "thorong/runtime/session.h"

namespace thorong::python {

// From option names in snake case to values; absent ones keep their defaults. Throws TypeError for
// a value of another type and StatusError for one out of range; both name the option. Unknown keys
// are a bug of the caller.
runtime::Options read_options(const nanobind::dict& given);
// From fact to value, both texts.
std::vector<chip::Assumption> read_assumptions(nanobind::handle value);

}  // namespace thorong::python
