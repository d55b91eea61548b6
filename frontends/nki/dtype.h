// SPDX-License-Identifier: Apache-2.0
// The data types of nki.language. Packed and scale types of the MX formats are unsigned integers to
// the machine.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "thorong/isa/isa.h"

namespace thorong::nki {

struct DtypeInfo {
  std::string_view name;  // nki.language's
  numerics::Format format;
  isa::Packed packed = isa::Packed::kNone;
  int64_t bytes() const { return static_cast<int64_t>(numerics::byte_size(format)); }
};

using Dtype = uint8_t;  // index into dtypes()

std::span<const DtypeInfo> dtypes();
inline const DtypeInfo& info(Dtype dtype) { return dtypes()[dtype]; }
std::optional<Dtype> parse_dtype(std::string_view name);
Dtype dtype_of(numerics::Format format);

}  // namespace thorong::nki
