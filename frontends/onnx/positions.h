// SPDX-License-Identifier: Apache-2.0
// What depends on the positions of tokens: rotary embeddings, and caches that new tokens are
// written into.
#pragma once

#include "frontends/onnx/attention.h"

namespace thorong::onnx {

// Pairs of features turned by angles.
struct Rotation {
  ValueId cosine = kNoValue, sine = kNoValue;  // broadcast to x with size / 2 as last dimension
  int64_t size = 0;                            // features that turn; the others stay
  bool interleaved = false;                    // pairs are neighbours, else halves apart
};
Result<ValueId> rotated(ImportContext& c, ValueId x, const Rotation& rotation);

// New positions in a cache along `axis`, each sample at its own place.
struct CacheWrite {
  ValueId cache = kNoValue, update = kNoValue;  // equal shapes but for the axis
  ValueId places = kNoValue;                    // int64 [batch]; absent: `place`
  int64_t place = 0;
  size_t axis = 0;        // not 0
  bool circular = false;  // positions are taken modulo the cache's
};
Result<ValueId> write_cache(ImportContext& c, const CacheWrite& write);

}  // namespace thorong::onnx
