// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes end in a model or in an error. Run with -rss_limit_mb=2048.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"
#include "thorong/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto owner = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
  std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(owner->data()),
                                   owner->size());
  thorong::onnx::ImportOptions options;
  options.fold_limit = 1 << 12;
  options.max_generated_elements = 1 << 14;
  options.max_known_elements = 1 << 16;
  options.max_nodes = 2000;
  options.max_object_bytes = size_t{1} << 24;
  auto model = thorong::onnx::import_bytes(bytes, owner, "", options);
  if (model.ok()) {
    thorong::Status status = thorong::ops::verify(model->graph);
    THORONG_CHECK(status.ok(), status.to_string());
  }
  (void)thorong::onnx::read_tensor_bytes(bytes, owner);
  return 0;
}
