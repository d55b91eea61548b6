// SPDX-License-Identifier: Apache-2.0
// Values of an image between its elements, for GridSample, RoiAlign and DeformConv: the rows of the
// elements around a position (one gather), weighted and added up. Positions and weights are
// computed in floats on the engines; element numbers in integers, so that no cast of floats moves
// them.
#pragma once

#include "frontends/onnx/import_context.h"

namespace thorong::onnx {

// What one dimension of an image contributes to T taps of B * P positions.
struct Taps {
  ValueId index = kNoValue;   // [B, P, T]: whole floats within the dimension
  ValueId weight = kNoValue;  // [B, P, T]; absent: 1
  ValueId inside = kNoValue;  // [B, P, T] of bool: false counts as 0; absent: all are inside
};

// Taps at floor(position) and the one behind it, for positions [B, P]. `zeros`: what lies outside
// counts as 0; else the last element is repeated.
Result<Taps> linear_taps(ImportContext& c, ValueId position, int64_t size, bool zeros);

// Every combination of the dimensions' taps, as rows: values [B, P, T, C] of `image` (N images of
// [spatial..., C]), weighted by the products. `image_number` [B]: which image a batch reads, whole
// numbers; absent: B is N and each reads its own.
Result<ValueId> weighted_rows(ImportContext& c, ValueId image, const std::vector<Taps>& taps,
                              ValueId image_number = kNoValue);

// weighted_rows added up: [B, P, C].
Result<ValueId> sample(ImportContext& c, ValueId image, const std::vector<Taps>& taps);

}  // namespace thorong::onnx
