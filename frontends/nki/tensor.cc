// SPDX-License-Identifier: Apache-2.0
// Storages and what instructions see of views.
#include "frontends/nki/tensor.h"

#include <algorithm>
#include <cstring>

#include "frontends/nki/checks.h"

namespace thorong::nki {
namespace {

using numerics::Format;

// Dimensions of size one are dropped and neighbours that follow each other in memory become one.
struct Dims {
  std::array<std::pair<int64_t, int64_t>, kMaxRank> list;  // size, step
  size_t count = 0;
  void add(int64_t size, int64_t step) {
    if (size == 1) return;
    if (count > 0 && list[count - 1].second == step * size)
      list[count - 1] = {list[count - 1].first * size, step};
    else
      list[count++] = {size, step};
  }
};

Status fill_free(const Tensor& tensor, const Dims& dims, isa::AccessPattern& pattern) {
  if (dims.count > isa::kMaxFreeRank) {
    return Status(
        Code::kUnsupported,
        "expected at most four free dimensions that do not follow each other in memory, found " +
            std::to_string(dims.count) + " in " + to_string(tensor) +
            ". Split the instruction over the outermost of them.");
  }
  pattern.rank = static_cast<uint8_t>(dims.count);
  for (size_t i = 0; i < dims.count; ++i) {
    pattern.size[i] = static_cast<int32_t>(dims.list[i].first);
    pattern.step[i] = dims.list[i].second;
  }
  return ok_status();
}

Status on_chip_rows(const Tensor& tensor, isa::AccessPattern& pattern) {
  int64_t row = tensor.row_elements();
  pattern.partitions = static_cast<int32_t>(tensor.shape[0]);
  pattern.start_partition = static_cast<int32_t>(tensor.offset / row);  // within the storage
  pattern.offset = tensor.offset % row;
  if (tensor.shape[0] > 1 && tensor.strides[0] == 0) {
    pattern.partition_step = isa::kRepeatRow;
  } else if (tensor.shape[0] > 1 && tensor.strides[0] != row) {
    return invalid_argument(
        "expected partitions that follow each other (a step of " + std::to_string(row) +
        "), found a step of " + std::to_string(tensor.strides[0]) + " in " + to_string(tensor) +
        ". The machine reads neighbouring partitions only; gather them by DMA.");
  }
  return ok_status();
}

}  // namespace

std::string_view name(Region region) {
  switch (region) {
    case Region::kSbuf:
      return "sbuf";
    case Region::kPsum:
      return "psum";
    case Region::kPrivateHbm:
      return "private_hbm";
    case Region::kSharedHbm:
      return "shared_hbm";
  }
  return "";
}

int64_t Tensor::elements() const {
  int64_t n = 1;
  for (int64_t size : sizes()) n *= size;
  return n;
}

bool Tensor::contiguous() const {
  int64_t expected = 1;
  for (size_t i = rank; i-- > (on_chip() ? 1U : 0U);) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];
  }
  return true;
}

Result<isa::AccessPattern> access_pattern(const Tensor& tensor) {
  isa::AccessPattern pattern;
  pattern.format = info(tensor.dtype).format;
  pattern.packed = info(tensor.dtype).packed;
  Dims dims;
  if (tensor.on_chip()) {
    THORONG_RETURN_IF_ERROR(on_chip_rows(tensor, pattern));
    for (size_t i = 1; i < tensor.rank; ++i) dims.add(tensor.shape[i], tensor.strides[i]);
  } else {
    pattern.offset = tensor.offset;
    size_t first = 0;  // the dimension that partitions run along
    while (first + 1 < tensor.rank && tensor.rank > 2 && tensor.shape[first] == 1) ++first;
    if (tensor.rank > 1) {
      pattern.partitions = static_cast<int32_t>(tensor.shape[first]);
      pattern.partition_step = tensor.strides[first++];
    }
    for (size_t i = first; i < tensor.rank; ++i) dims.add(tensor.shape[i], tensor.strides[i]);
  }
  THORONG_RETURN_IF_ERROR(fill_free(tensor, dims, pattern));
  return pattern;
}

void to_byte_image(Storage& storage) {
  Format format = info(storage.dtype).format;
  if (storage.host.bytes) return;
  storage.host.bytes = true;
  auto device = static_cast<int64_t>(numerics::byte_size(format));
  auto cell = static_cast<int64_t>(numerics::byte_size(isa::host_cell(format)));
  if (device == cell) return;  // cells are bytes already
  auto n = static_cast<size_t>(storage.row_bytes / device);
  std::vector<std::byte> narrow(static_cast<size_t>(storage.row_bytes));
  for (int64_t p = 0; p < storage.partitions; ++p) {
    std::byte* row = storage.host.data + p * storage.host.row_stride_bytes;
    numerics::narrow(format, reinterpret_cast<const float*>(row), narrow.data(), n);
    std::memcpy(row, narrow.data(), narrow.size());
  }
}

namespace {

// Calls f(linear element, byte address) over all elements in row-major order.
template <typename F>
void for_elements(const Tensor& tensor, F&& f) {
  const Storage& storage = *tensor.storage;
  Format format = info(tensor.dtype).format;
  auto cell = static_cast<int64_t>(
      numerics::byte_size(storage.host.bytes ? format : isa::host_cell(format)));
  int64_t row = tensor.on_chip() ? tensor.row_elements() : 0;
  std::array<int64_t, kMaxRank> at{};
  int64_t total = tensor.elements();
  for (int64_t n = 0; n < total; ++n) {
    int64_t element = tensor.offset;
    for (size_t d = 0; d < tensor.rank; ++d) element += at[d] * tensor.strides[d];
    std::byte* address = row > 0
                             ? storage.host.data + element / row * storage.host.row_stride_bytes +
                                   element % row * cell
                             : storage.host.data + element * cell;
    f(n, address);
    for (size_t d = tensor.rank; d-- > 0;) {
      if (++at[d] < tensor.shape[d]) break;
      at[d] = 0;
    }
  }
}

}  // namespace

void read_bytes(const Tensor& tensor, std::byte* bytes) {
  Format format = info(tensor.dtype).format;
  Format cell = tensor.storage->host.bytes ? format : isa::host_cell(format);
  int64_t size = tensor.element_bytes();
  if (cell == format && !tensor.on_chip() && tensor.contiguous()) {
    std::memcpy(bytes, tensor.storage->host.data + tensor.offset * size,
                static_cast<size_t>(tensor.elements() * size));
    return;
  }
  for_elements(tensor, [&](int64_t n, const std::byte* address) {
    numerics::convert(cell, address, format, bytes + n * size, 1);
  });
}

void write_bytes(const Tensor& tensor, const std::byte* bytes) {
  if (tensor.storage->checks != nullptr) {
    if (auto pattern = access_pattern(tensor); pattern.ok())
      tensor.storage->checks->written.add(extent(*pattern, space_of(tensor.storage->region)));
  }
  Format format = info(tensor.dtype).format;
  Format cell = tensor.storage->host.bytes ? format : isa::host_cell(format);
  int64_t size = tensor.element_bytes();
  for_elements(tensor, [&](int64_t n, std::byte* address) {
    numerics::convert(format, bytes + n * size, cell, address, 1);
  });
}

std::string to_string(const Tensor& tensor) {
  std::string text(info(tensor.dtype).name);
  text += "[";
  for (size_t i = 0; i < tensor.rank; ++i)
    text += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  text += "] in " + std::string(name(tensor.storage->region));
  if (!tensor.storage->name.empty()) text = "'" + tensor.storage->name + "' " + text;
  return text;
}

}  // namespace thorong::nki
