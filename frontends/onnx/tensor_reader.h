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
  // may_be_missing: tensors in files that are not there have a type and no values.
  explicit ExternalFiles(std::string folder, bool may_be_missing = false)
      : folder_(std::move(folder)), may_be_missing_(may_be_missing) {}
  bool may_be_missing() const { return may_be_missing_; }
  Result<std::shared_ptr<const MappedFile>> open(const std::string& location);
  std::vector<std::shared_ptr<const MappedFile>> files() const;

 private:
  std::string folder_;
  bool may_be_missing_ = false;
  std::map<std::string, std::shared_ptr<const MappedFile>> open_;
};

// May throw Malformed or protozero's exceptions for a malformed message. Errors of meaning (unknown
// type, wrong size, missing external file) are in TensorProto::data.
TensorProto parse_tensor(std::string_view bytes, const std::shared_ptr<const void>& owner,
                         ExternalFiles& external);

}  // namespace thorong::onnx
