// SPDX-License-Identifier: Apache-2.0
// Tensors and NumPy: arrays cross as their bytes, beside the element type's name and the shape.
#pragma once

#include <nanobind/nanobind.h>

#include "thorong/ops/structure.h"

namespace thorong::python {

// Binds ops::Tensor and runtime::Signature.
void bind_tensors(nanobind::module_& module);

// Inputs and outputs that are no tensors, as a dict: None for an absent optional, an integer for
// how many tensors a sequence has, (shape, list of str) for strings.
ops::Structures read_structures(const nanobind::dict& given);
nanobind::dict write_structures(const ops::Structures& structures);

}  // namespace thorong::python
