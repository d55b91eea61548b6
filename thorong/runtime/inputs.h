// SPDX-License-Identifier: Apache-2.0
// A program's inputs: given tensors checked against the declaration, missing ones made up from the
// seed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "thorong/runtime/session.h"

namespace thorong::runtime {

// Tensors parallel to `declared`. Random floats are standard normal, integers and bools uniform in
// the declaration's range (input_ranges.h). Names of made-up inputs are appended to `random`.
// Errors: an input that the model does not have (names those it has), wrong shape or type.
Result<std::vector<ops::Tensor>> complete_inputs(const std::vector<Signature>& declared,
                                                 const std::map<std::string, ops::Tensor>& given,
                                                 uint64_t seed, bool timing_only,
                                                 std::vector<std::string>* random);

// NAME.npy, NAME.npz (its only array, or the one named `input`) or NAME.pb (a serialised
// TensorProto).
Result<ops::Tensor> read_input_file(const std::string& path, const std::string& input = "");

}  // namespace thorong::runtime
