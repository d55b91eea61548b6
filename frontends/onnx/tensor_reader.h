// SPDX-License-Identifier: Apache-2.0
// Reads one TensorProto: its header, inline data in any of the typed fields, and external data
// files.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "frontends/onnx/onnx_reader.h"

namespace thorong::onnx {

// External data files of one model: opened once, only inside the model's folder.
class ExternalFiles {
 public:
  explicit ExternalFiles(std::string folder) : folder_(std::move(folder)) {}
  Result<std::shared_ptr<const MappedFile>> open(const std::string& location);
  std::vector<std::shared_ptr<const MappedFile>> files() const;

 private:
  std::string folder_;
  std::map<std::string, std::shared_ptr<const MappedFile>> open_;
};

// May throw Malformed or protozero's exceptions for a malformed message. Errors of meaning (unknown
// type, wrong size, missing external file) are in TensorProto::data.
TensorProto parse_tensor(std::string_view bytes, const std::shared_ptr<const void>& owner,
                         ExternalFiles& external);

}  // namespace thorong::onnx
