// SPDX-License-Identifier: Apache-2.0
// thorong_onnx_eval MODEL.onnx INPUTS OUTPUTS [--text] [NAME=N ...]: runs a model by the operators'
// reference meaning. INPUTS is a folder with input_0.pb, input_1.pb, ... (TensorProto, in the order
// of the graph's inputs); output_0.npy, ... are written to the folder OUTPUTS. Exit status: 0 done,
// 3 unsupported, 4 any other error.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "frontends/onnx/importer.h"
#include "frontends/onnx/onnx_reader.h"
#include "thorong/ops/operator.h"

namespace thorong::onnx {
namespace {

const char* numpy_descriptor(numerics::Format format) {
  using numerics::Format;
  switch (format) {
    case Format::kFloat32:
      return "<f4";
    case Format::kFloat64:
      return "<f8";
    case Format::kFloat16:
      return "<f2";
    case Format::kInt8:
      return "|i1";
    case Format::kInt16:
      return "<i2";
    case Format::kInt32:
      return "<i4";
    case Format::kInt64:
      return "<i8";
    case Format::kUint8:
      return "|u1";
    case Format::kUint16:
      return "<u2";
    case Format::kUint32:
      return "<u4";
    case Format::kUint64:
      return "<u8";
    case Format::kBool:
      return "|b1";
    default:
      return nullptr;  // written as float64
  }
}

Status write_npy(const std::string& path, const ops::Tensor& tensor) {
  const char* descriptor = numpy_descriptor(tensor.type.format);
  ops::Tensor stored = tensor;
  if (descriptor == nullptr) {
    stored = ops::Tensor::from_doubles({numerics::Format::kFloat64, tensor.type.shape},
                                       tensor.to_doubles());
    descriptor = "<f8";
  }
  std::string shape;
  for (int64_t size : tensor.type.shape) shape += std::to_string(size) + ",";
  std::string header = std::string("{'descr': '") + descriptor +
                       "', 'fortran_order': False, 'shape': (" + shape + ")}";
  while ((header.size() + 11) % 64 != 0) header += ' ';
  header += '\n';
  std::string start("\x93NUMPY\x01\x00", 8);
  start += static_cast<char>(header.size() & 0xff);
  start += static_cast<char>(header.size() >> 8);
  std::ofstream file(path, std::ios::binary);
  file << start << header;
  file.write(reinterpret_cast<const char*>(stored.data),
             static_cast<std::streamsize>(stored.bytes()));
  return file.good() ? ok_status() : io_error("cannot write the file.", path);
}

Status run(const std::vector<std::string>& arguments) {
  ImportOptions options;
  bool text = false;
  for (size_t i = 3; i < arguments.size(); ++i) {
    size_t equals = arguments[i].find('=');
    if (arguments[i] == "--text")
      text = true;
    else if (equals != std::string::npos)
      options.dims[arguments[i].substr(0, equals)] = std::atoll(arguments[i].c_str() + equals + 1);
  }
  // The given inputs' types bind symbolic dimensions; their names come from the model.
  std::vector<ops::Tensor> inputs;
  for (size_t i = 0;; ++i) {
    std::string path = arguments[1] + "/input_" + std::to_string(i) + ".pb";
    if (!std::filesystem::exists(path)) break;
    THORONG_TRY(ops::Tensor tensor, read_tensor_pb(path));
    inputs.push_back(tensor);
  }
  THORONG_TRY(auto file, MappedFile::open(arguments[0]));
  THORONG_TRY(
      ModelProto proto,
      read_model(file->bytes(), file, std::filesystem::path(arguments[0]).parent_path().string()));
  size_t next = 0;
  for (const ValueInfo& info : proto.graph.inputs) {
    bool has_default = false;
    for (const TensorProto& initializer : proto.graph.initializers)
      has_default = has_default || initializer.name == info.name;
    if (!has_default && next < inputs.size()) options.input_types[info.name] = inputs[next++].type;
  }
  THORONG_TRY(Model model, import_file(arguments[0], options));
  THORONG_RETURN_IF_ERROR(ops::verify(model.graph));
  if (text) std::printf("%s\n", ops::to_text(model.graph).c_str());
  if (inputs.size() < model.graph.inputs.size())
    return not_found("there are too few input files.", arguments[1]);
  THORONG_TRY(auto outputs, ops::evaluate(model.graph, inputs));
  std::filesystem::create_directories(arguments[2]);
  for (size_t i = 0; i < outputs.size(); ++i) {
    THORONG_RETURN_IF_ERROR(
        write_npy(arguments[2] + "/output_" + std::to_string(i) + ".npy", outputs[i]));
  }
  return ok_status();
}

}  // namespace
}  // namespace thorong::onnx

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() < 3) {
    std::fprintf(stderr,
                 "usage: thorong_onnx_eval MODEL.onnx INPUTS OUTPUTS [--text] [NAME=N ...]\n");
    return 2;
  }
  thorong::Status status = thorong::onnx::run(arguments);
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.code() == thorong::Code::kUnsupported ? 3 : 4;
}
