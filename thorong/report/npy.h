// SPDX-License-Identifier: Apache-2.0
// Pieces of the .npy reader and writer that report.h does not offer: a hint for raw bytes, the
// header alone.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "thorong/base/result.h"
#include "thorong/ops/graph.h"

namespace thorong::report {

// The header that np.save would write for the type; the data follow it.
std::string npy_header(const ops::TensorType& type);

// As parse_npy. `hint` names the format of raw-byte descriptors ('<V1', '<V2': what NumPy writes
// for ml_dtypes' formats). Without it '<V2' is bfloat16, ml_dtypes' only format of two bytes, and
// '<V1' is an error. With `owner` the tensor is a view on `bytes`; without, a copy.
thorong::Result<ops::Tensor> parse_npy_as(std::span<const std::byte> bytes,
                                          const std::string& where,
                                          std::optional<numerics::Format> hint,
                                          std::shared_ptr<const void> owner = nullptr);

// As parse_npz, with the hint.
thorong::Result<ops::Tensor> parse_npz_as(std::span<const std::byte> bytes,
                                          const std::string& member, const std::string& where,
                                          std::optional<numerics::Format> hint);

// The name with every character outside [A-Za-z0-9._-] as '_', never empty and short enough for a
// file system.
std::string file_stem(const std::string& name);

}  // namespace thorong::report
