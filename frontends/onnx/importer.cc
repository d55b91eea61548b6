// SPDX-License-Identifier: Apache-2.0
// Files and bytes to a Model; the boundary where running out of memory becomes a Status.
#include "frontends/onnx/importer.h"

#include <filesystem>
#include <functional>
#include <new>
#include <stdexcept>

#include "frontends/onnx/graph_importer.h"

namespace thorong::onnx {

namespace {

Result<Model> import_hashed(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                            const std::string& folder, const ImportOptions& options,
                            const std::function<std::string()>& hash) {
  try {
    // Beside the import and what follows it: the digest of a large file takes as long as they do.
    constexpr size_t kLarge = size_t{1} << 20;
    const auto when = bytes.size() < kLarge ? std::launch::deferred : std::launch::async;
    auto digest = std::async(when, [hash, owner] { return hash(); }).share();
    THORONG_TRY(ModelProto proto,
                read_model(bytes, std::move(owner), folder, options.weights_may_be_missing));
    THORONG_TRY(Model model, GraphImporter(proto, options).run());
    model.sha256 = std::move(digest);
    model.producer = proto.producer_name;
    if (!proto.producer_version.empty()) model.producer += " " + proto.producer_version;
    if (auto found = proto.opsets.find(""); found != proto.opsets.end())
      model.opset = found->second;
    for (ops::ValueId id : model.graph.inputs) {
      model.inputs.emplace_back(model.graph.value(id).name, model.graph.type(id));
    }
    model.external_files = std::move(proto.external_files);
    return model;
  } catch (const OutOfMemory& error) {
    return resource_exhausted(error.what());
  } catch (const std::bad_alloc&) {
    return resource_exhausted("there is not enough memory to import the model.");
  } catch (const std::length_error&) {
    return resource_exhausted("the model asks for more memory than there is.");
  }
}

}  // namespace

Result<Model> import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                           const std::string& folder, const ImportOptions& options) {
  return import_hashed(bytes, std::move(owner), folder, options,
                       [bytes] { return sha256_hex(bytes); });
}

Result<Model> import_file(const std::string& path, const ImportOptions& options) {
  THORONG_TRY(auto file, MappedFile::open(path));
  std::string folder = std::filesystem::path(path).parent_path().string();
  auto model = import_hashed(file->bytes(), file, folder.empty() ? "." : folder, options,
                             [file] { return file->sha256_hex(); });
  if (!model.ok()) return model.status().at(path);
  model->file = file;
  return model;
}

}  // namespace thorong::onnx
