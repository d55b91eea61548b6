// SPDX-License-Identifier: Apache-2.0
// What a user can ask of the compiler; option names are the vendor's.
#pragma once

#include <cstdint>
#include <functional>

#include "thorong/numerics/format.h"

namespace thorong::compiler {

enum class AutoCast : uint8_t { kNone, kMatmult, kAll };

struct CompileOptions {
  AutoCast auto_cast = AutoCast::kNone;
  numerics::Format auto_cast_type = numerics::Format::kBfloat16;
  bool timing_only = false;  // constants are not prepared
  // Called again and again while constants are arranged: what was read of their sources until now
  // need not stay in memory. May be empty.
  std::function<void()> constants_were_read = {};
};

}  // namespace thorong::compiler
