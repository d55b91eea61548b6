// SPDX-License-Identifier: Apache-2.0
// Tensors and NumPy: arrays cross as their bytes, beside the element type's name and the shape.
#pragma once

#include <nanobind/nanobind.h>

namespace thorong::python {

// Binds ops::Tensor and runtime::Signature.
void bind_tensors(nanobind::module_& module);

}  // namespace thorong::python
