// SPDX-License-Identifier: Apache-2.0
// What the rules of quantized operators share.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

// The format in which whole numbers of up to 16 bits beside a zero point are exact: fp64 for
// itself, else fp32.
Format wide_enough(Format format);

// saturate(round(y) + zero point) in `format`, halves to even; to floats without rounding to whole
// numbers. `zero`: kNoValue, or of y's shape and the format wide_enough(format of y).
Result<ValueId> quantize(ImportContext& c, ValueId y, ValueId zero, Format format);

}  // namespace thorong::onnx
