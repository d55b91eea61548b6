// SPDX-License-Identifier: Apache-2.0
// Binds report::Result: its views and its timeline.
#pragma once

#include <nanobind/nanobind.h>

namespace thorong::python {

void bind_results(nanobind::module_& module);

}  // namespace thorong::python
