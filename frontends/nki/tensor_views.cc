// SPDX-License-Identifier: Apache-2.0
// Views of tensors: indexing, reshaping, access patterns, dtypes, dynamic addresses.
#include <algorithm>
#include <numeric>

#include "frontends/nki/tensor.h"

namespace thorong::nki {
namespace {

std::string text(std::span<const int64_t> list) {
  std::string result = "(";
  for (size_t i = 0; i < list.size(); ++i) result += (i > 0 ? ", " : "") + std::to_string(list[i]);
  return result + ")";
}

// A dimension's number, negative ones from the end.
Result<size_t> dimension(const Tensor& tensor, int64_t dim, const char* what) {
  int64_t found = dim < 0 ? dim + tensor.rank : dim;
  if (found >= 0 && found < tensor.rank) return static_cast<size_t>(found);
  return out_of_range(std::string(what) + ": expected a dimension from 0 to " +
                      std::to_string(tensor.rank - 1) + ", found " + std::to_string(dim) + " for " +
                      to_string(tensor) + ".");
}

Status not_partitions(const Tensor& tensor, size_t dim, const char* what) {
  if (!tensor.on_chip() || dim != 0) return ok_status();
  return invalid_argument(std::string(what) + ": the partition dimension (0) of " +
                          to_string(tensor) +
                          " stays as it is. Choose a free dimension, or move data between "
                          "partitions by an instruction.");
}

void erase_dim(Tensor& tensor, size_t dim) {
  for (size_t i = dim; i + 1 < tensor.rank; ++i) {
    tensor.shape[i] = tensor.shape[i + 1];
    tensor.strides[i] = tensor.strides[i + 1];
  }
  --tensor.rank;
}

Status insert_dim(Tensor& tensor, size_t dim, int64_t size, int64_t stride) {
  if (tensor.rank == kMaxRank) {
    return Status(Code::kUnsupported, "a tensor has at most " + std::to_string(kMaxRank) +
                                          " dimensions. Merge some with reshape.");
  }
  for (size_t i = tensor.rank; i > dim; --i) {
    tensor.shape[i] = tensor.shape[i - 1];
    tensor.strides[i] = tensor.strides[i - 1];
  }
  tensor.shape[dim] = size, tensor.strides[dim] = stride;
  ++tensor.rank;
  return ok_status();
}

// An index in place of a whole dimension of a static view.
Status make_dynamic(Tensor& tensor, size_t dim, const Index& item) {
  if (tensor.dynamic != nullptr) {
    return invalid_argument("expected at most one dynamic index, found a second one on " +
                            to_string(tensor) +
                            ". Copy the first selection to a tile, then select from that.");
  }
  THORONG_RETURN_IF_ERROR(not_partitions(tensor, dim, "a dynamic index"));
  auto dynamic = std::make_shared<DynamicIndex>();
  dynamic->tile = item.tile, dynamic->register_ = item.register_;
  dynamic->step = tensor.strides[dim];
  dynamic->limit = tensor.shape[dim] - std::max<int64_t>(item.size, 1) + 1;
  dynamic->dim = static_cast<int>(dim);
  tensor.dynamic = std::move(dynamic);
  return ok_status();
}

// Applies one item to dimension `dim`; on return it is the next dimension's number.
Status apply_item(Tensor& tensor, size_t& dim, const Index& item) {
  int64_t size = tensor.shape[dim];
  if (item.kind == Index::Kind::kInteger) {
    int64_t at = *item.start < 0 ? *item.start + size : *item.start;
    if (at < 0 || at >= size) {
      return out_of_range("expected an index from 0 to " + std::to_string(size - 1) +
                          " in dimension " + std::to_string(dim) + ", found " +
                          std::to_string(*item.start) + " on " + to_string(tensor) + ".");
    }
    tensor.offset += at * tensor.strides[dim];
    bool stays = (tensor.on_chip() && dim == 0) || tensor.rank == 1;
    if (stays)
      tensor.shape[dim++] = 1;
    else
      erase_dim(tensor, dim);
    return ok_status();
  }
  if (item.kind == Index::Kind::kDynamic) {
    THORONG_RETURN_IF_ERROR(make_dynamic(tensor, dim, item));
    if (item.size > 0)
      tensor.shape[dim++] = item.size;
    else
      erase_dim(tensor, dim);
    return ok_status();
  }
  int64_t start = item.start.value_or(0), stop = item.stop.value_or(size);
  if (start < 0) start += size;
  if (stop < 0) stop += size;
  if (item.step < 1 || start < 0 || start >= stop || stop > size) {
    return out_of_range("expected a slice within 0 to " + std::to_string(size) +
                        " with a positive step in dimension " + std::to_string(dim) + ", found " +
                        std::to_string(start) + ":" + std::to_string(stop) + ":" +
                        std::to_string(item.step) + " on " + to_string(tensor) +
                        ". The machine would access other memory; shorten the slice.");
  }
  tensor.offset += start * tensor.strides[dim];
  tensor.shape[dim] = (stop - start + item.step - 1) / item.step;
  tensor.strides[dim] *= item.step;
  ++dim;
  return ok_status();
}

// Splits and merges dimensions [first, last] of the view into `shape`; false if memory does not
// allow it.
bool refit(const Tensor& tensor, size_t first, size_t last, std::span<const int64_t> shape,
           std::vector<int64_t>& strides) {
  strides.assign(shape.size(), 0);
  // Walk from the innermost side: each new dimension takes from a run of old ones that follow each
  // other.
  size_t old = last + 1;
  int64_t left = 1, stride = 1;  // of the present run: elements not yet given away, and their step
  auto next_run = [&] {
    while (old > first && tensor.shape[old - 1] == 1) --old;
    if (old == first) return false;
    --old;
    left = tensor.shape[old], stride = tensor.strides[old];
    while (old > first) {
      size_t outer = old - 1;
      if (tensor.shape[outer] != 1 && tensor.strides[outer] != stride * left) break;
      if (tensor.shape[outer] != 1) left *= tensor.shape[outer];
      --old;
    }
    return true;
  };
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) {
      strides[i] = stride * left;
      continue;
    }
    if (left == 1 && !next_run()) return false;
    if (left % shape[i] != 0) return false;
    strides[i] = stride;
    stride *= shape[i], left /= shape[i];
  }
  return left == 1;
}

Result<std::vector<int64_t>> complete(std::span<const int64_t> shape, int64_t elements) {
  std::vector<int64_t> result(shape.begin(), shape.end());
  int64_t known = 1;
  int64_t* unknown = nullptr;
  for (int64_t& size : result) {
    if (size == -1 && unknown == nullptr)
      unknown = &size;
    else
      known *= size;
  }
  if (unknown != nullptr && known > 0 && elements % known == 0)
    *unknown = elements / known, known = elements;
  if (known == elements &&
      std::all_of(result.begin(), result.end(), [](int64_t size) { return size > 0; }))
    return result;
  return invalid_argument("reshape: expected sizes that multiply to " + std::to_string(elements) +
                          ", found " + text(shape) + ".");
}

Result<Tensor> replace_dims(const Tensor& tensor, size_t first, size_t last,
                            std::span<const int64_t> shape) {
  if (tensor.rank - (last - first + 1) + shape.size() > kMaxRank) {
    return Status(Code::kUnsupported, "a tensor has at most " + std::to_string(kMaxRank) +
                                          " dimensions, found " + text(shape) + " as new ones.");
  }
  std::vector<int64_t> strides;
  if (!refit(tensor, first, last, shape, strides)) {
    return invalid_argument(
        "reshape: the memory of " + to_string(tensor) + " does not allow " + text(shape) +
        " without a copy. Copy it to a new tile first, or reshape before slicing.");
  }
  Tensor result = tensor;
  std::copy(shape.begin(), shape.end(), result.shape.begin() + static_cast<std::ptrdiff_t>(first));
  std::copy(strides.begin(), strides.end(),
            result.strides.begin() + static_cast<std::ptrdiff_t>(first));
  size_t to = first + shape.size();
  for (size_t i = last + 1; i < tensor.rank; ++i, ++to)
    result.shape[to] = tensor.shape[i], result.strides[to] = tensor.strides[i];
  result.rank = static_cast<uint8_t>(to);
  return result;
}

}  // namespace

Result<Tensor> index(const Tensor& tensor, std::span<const Index> items) {
  Tensor result = tensor;
  size_t used = 0;
  for (const Index& item : items)
    used += item.kind != Index::Kind::kEllipsis && item.kind != Index::Kind::kNewAxis ? 1 : 0;
  if (used > tensor.rank) {
    return out_of_range("expected at most " + std::to_string(tensor.rank) + " indices, found " +
                        std::to_string(used) + " for " + to_string(tensor) + ".");
  }
  size_t skipped = tensor.rank - used, dim = 0;
  for (const Index& item : items) {
    if (item.kind == Index::Kind::kEllipsis) {
      dim += skipped;
    } else if (item.kind == Index::Kind::kNewAxis) {
      THORONG_RETURN_IF_ERROR(insert_dim(
          result, dim, 1, dim < result.rank ? result.strides[dim] * result.shape[dim] : 1));
      ++dim;
    } else {
      THORONG_RETURN_IF_ERROR(apply_item(result, dim, item));
    }
  }
  // On-chip tensors have a free dimension always.
  if (result.on_chip() && result.rank == 1) THORONG_RETURN_IF_ERROR(insert_dim(result, 1, 1, 1));
  return result;
}

Result<Tensor> slice(const Tensor& tensor, int64_t dim, int64_t start, int64_t end, int64_t step) {
  THORONG_TRY(size_t at, dimension(tensor, dim, "slice"));
  Tensor result = tensor;
  Index item;
  item.kind = Index::Kind::kSlice, item.start = start, item.stop = end, item.step = step;
  THORONG_RETURN_IF_ERROR(apply_item(result, at, item));
  return result;
}

Result<Tensor> select(const Tensor& tensor, int64_t dim, const Index& item) {
  THORONG_TRY(size_t at, dimension(tensor, dim, "select"));
  Tensor result = tensor;
  THORONG_RETURN_IF_ERROR(apply_item(result, at, item));
  return result;
}

Result<Tensor> vector_select(const Tensor& tensor, int64_t dim,
                             std::shared_ptr<const Tensor> offsets) {
  if (dim != 0 || tensor.on_chip() || tensor.dynamic != nullptr) {
    return invalid_argument(
        "vector_select: expected dimension 0 of a tensor in HBM without another dynamic index, "
        "found dimension " +
        std::to_string(dim) + " of " + to_string(tensor) + ".");
  }
  Tensor result = tensor;
  auto dynamic = std::make_shared<DynamicIndex>();
  dynamic->per_partition = true, dynamic->step = tensor.strides[0],
  dynamic->limit = tensor.shape[0];
  result.shape[0] = offsets->shape[0];
  dynamic->tile = std::move(offsets);
  result.dynamic = std::move(dynamic);
  return result;
}

Result<Tensor> permute(const Tensor& tensor, std::span<const int64_t> dims) {
  Tensor result = tensor;
  std::array<bool, kMaxRank> seen{};
  bool fits = dims.size() == tensor.rank;
  for (size_t i = 0; fits && i < dims.size(); ++i) {
    int64_t from = dims[i] < 0 ? dims[i] + tensor.rank : dims[i];
    fits = from >= 0 && from < tensor.rank && !seen[static_cast<size_t>(from)];
    if (!fits) break;
    seen[static_cast<size_t>(from)] = true;
    result.shape[i] = tensor.shape[static_cast<size_t>(from)],
    result.strides[i] = tensor.strides[static_cast<size_t>(from)];
  }
  bool pinned = tensor.on_chip() || (tensor.dynamic != nullptr && tensor.dynamic->per_partition);
  if (fits && pinned && dims[0] != 0) fits = false;
  if (fits) return result;
  return invalid_argument("permute: expected each of 0 to " + std::to_string(tensor.rank - 1) +
                          " once" + (pinned ? ", the partition dimension first" : "") + ", found " +
                          text(dims) + " for " + to_string(tensor) + ".");
}

Result<Tensor> broadcast(const Tensor& tensor, int64_t dim, int64_t size) {
  THORONG_TRY(size_t at, dimension(tensor, dim, "broadcast"));
  THORONG_RETURN_IF_ERROR(not_partitions(tensor, at, "broadcast"));
  if (tensor.shape[at] != 1 || size < 1) {
    return invalid_argument(
        "broadcast: expected a dimension of size 1 and a positive new size, found " +
        std::to_string(tensor.shape[at]) + " and " + std::to_string(size) + " for " +
        to_string(tensor) + ".");
  }
  Tensor result = tensor;
  result.shape[at] = size, result.strides[at] = 0;
  return result;
}

Result<Tensor> expand_dim(const Tensor& tensor, int64_t dim) {
  Tensor result = tensor;
  int64_t at = dim < 0 ? dim + tensor.rank + 1 : dim;
  if (at < 0 || at > tensor.rank)
    return out_of_range("expand_dim: expected a place from 0 to " + std::to_string(tensor.rank) +
                        ", found " + std::to_string(dim) + ".");
  auto place = static_cast<size_t>(at);
  THORONG_RETURN_IF_ERROR(not_partitions(tensor, place, "expand_dim"));
  THORONG_RETURN_IF_ERROR(insert_dim(
      result, place, 1, place < tensor.rank ? tensor.strides[place] * tensor.shape[place] : 1));
  return result;
}

Result<Tensor> squeeze_dim(const Tensor& tensor, int64_t dim) {
  THORONG_TRY(size_t at, dimension(tensor, dim, "squeeze_dim"));
  THORONG_RETURN_IF_ERROR(not_partitions(tensor, at, "squeeze_dim"));
  if (tensor.shape[at] != 1) {
    return invalid_argument("squeeze_dim: expected a dimension of size 1, found " +
                            std::to_string(tensor.shape[at]) + " for " + to_string(tensor) + ".");
  }
  Tensor result = tensor;
  erase_dim(result, at);
  return result;
}

Result<Tensor> reshape_dim(const Tensor& tensor, int64_t dim, std::span<const int64_t> shape) {
  THORONG_TRY(size_t at, dimension(tensor, dim, "reshape_dim"));
  THORONG_TRY(std::vector<int64_t> sizes, complete(shape, tensor.shape[at]));
  if (sizes.size() != 1) THORONG_RETURN_IF_ERROR(not_partitions(tensor, at, "reshape_dim"));
  return replace_dims(tensor, at, at, sizes);
}

Result<Tensor> flatten_dims(const Tensor& tensor, int64_t start, int64_t end) {
  THORONG_TRY(size_t first, dimension(tensor, start, "flatten_dims"));
  THORONG_TRY(size_t last, dimension(tensor, end, "flatten_dims"));
  if (first > last)
    return invalid_argument("flatten_dims: expected start_dim <= end_dim, found " +
                            std::to_string(start) + " and " + std::to_string(end) + ".");
  if (first != last) THORONG_RETURN_IF_ERROR(not_partitions(tensor, first, "flatten_dims"));
  int64_t size = 1;
  for (size_t i = first; i <= last; ++i) size *= tensor.shape[i];
  return replace_dims(tensor, first, last, std::array<int64_t, 1>{size});
}

Result<Tensor> reshape(const Tensor& tensor, std::span<const int64_t> shape) {
  THORONG_TRY(std::vector<int64_t> sizes, complete(shape, tensor.elements()));
  if (!tensor.on_chip()) return replace_dims(tensor, 0, tensor.rank - 1U, sizes);
  if (sizes[0] != tensor.shape[0]) {
    return invalid_argument("reshape: expected the partition dimension to stay " +
                            std::to_string(tensor.shape[0]) + ", found " + text(shape) + " for " +
                            to_string(tensor) + ".");
  }
  if (sizes.size() == 1) sizes.push_back(1);
  return replace_dims(tensor, 1, tensor.rank - 1U, std::span(sizes).subspan(1));
}

Result<Tensor> view(const Tensor& tensor, Dtype dtype) {
  const DtypeInfo &from = info(tensor.dtype), &to = info(dtype);
  Tensor result = tensor;
  result.dtype = dtype;
  if (from.format == to.format) return result;
  int64_t old_bytes = from.bytes(), new_bytes = to.bytes();
  size_t last = tensor.rank - 1U;
  if (old_bytes != new_bytes) {
    bool contiguous = tensor.shape[last] == 1 || tensor.strides[last] == 1;
    int64_t bytes = tensor.shape[last] * old_bytes;
    bool fits = contiguous && bytes % new_bytes == 0 &&
                tensor.offset * old_bytes % new_bytes == 0 && tensor.dynamic == nullptr;
    for (size_t i = 0; i < last && fits; ++i) fits = tensor.strides[i] * old_bytes % new_bytes == 0;
    if (!fits) {
      return invalid_argument("view: the last dimension of " + to_string(tensor) +
                              " cannot be taken as " + std::string(to.name) +
                              ": expected it to be contiguous, static and of a multiple of " +
                              std::to_string(new_bytes) + " bytes.");
    }
    for (size_t i = 0; i < last; ++i) result.strides[i] = tensor.strides[i] * old_bytes / new_bytes;
    result.shape[last] = bytes / new_bytes, result.strides[last] = 1;
    result.offset = tensor.offset * old_bytes / new_bytes;
  }
  to_byte_image(*result.storage);
  return result;
}

namespace {

struct Reach {
  int64_t low, high;  // the first and the last element
};

Reach reach_of(const Tensor& tensor) {
  Reach reach{tensor.offset, tensor.offset};
  for (size_t i = 0; i < tensor.rank; ++i) {
    int64_t span = tensor.strides[i] * (tensor.shape[i] - 1);
    (span < 0 ? reach.low : reach.high) += span;
  }
  return reach;
}

int64_t available_elements(const Tensor& tensor) {
  return tensor.storage->row_bytes / tensor.element_bytes() *
         (tensor.on_chip() ? tensor.storage->partitions : 1);
}

}  // namespace

Status within_storage(const Tensor& tensor) {
  Reach reach = reach_of(tensor);
  int64_t available = available_elements(tensor);
  if (reach.low >= 0 && reach.high < available) return ok_status();
  return out_of_range("ap: expected elements 0 to " + std::to_string(available - 1) +
                      " of the storage, found " + std::to_string(reach.low) + " to " +
                      std::to_string(reach.high) + " in " + to_string(tensor) +
                      ". Correct the pattern or the offset.");
}

Result<Tensor> ap(const Tensor& tensor, std::span<const int64_t> pattern,
                  const ApOptions& options) {
  if (pattern.empty() || pattern.size() % 2 != 0 || pattern.size() / 2 > kMaxRank) {
    return invalid_argument("ap: expected one to " + std::to_string(kMaxRank) +
                            " pairs [step, number], found " + std::to_string(pattern.size()) +
                            " integers.");
  }
  Tensor result = tensor;
  result.rank = static_cast<uint8_t>(pattern.size() / 2);
  result.dynamic = nullptr;
  for (size_t i = 0; i < result.rank; ++i)
    result.strides[i] = pattern[2 * i], result.shape[i] = pattern[2 * i + 1];
  if (options.dtype && info(*options.dtype).format != info(tensor.dtype).format) {
    result.offset = tensor.offset * tensor.element_bytes() / info(*options.dtype).bytes();
    to_byte_image(*result.storage);
  }
  if (options.dtype) result.dtype = *options.dtype;
  result.offset += options.offset.value_or(0);
  for (size_t i = 0; i < result.rank; ++i) {
    if (result.shape[i] < 1)
      return invalid_argument("ap: expected positive numbers of elements, found " + text(pattern) +
                              ".");
  }
  Reach reach = reach_of(result);
  bool dynamic = options.scalar_tile != nullptr || options.scalar_register != nullptr ||
                 options.vector_tile != nullptr;
  int64_t available = available_elements(result);
  result.unchecked = reach.low < 0 || (reach.high >= available && options.vector_tile == nullptr);
  if (!dynamic) return result;
  if (result.unchecked) return within_storage(result);
  THORONG_TRY(size_t dim, dimension(tensor, options.indirect_dim, "ap, indirect_dim"));
  auto index = std::make_shared<DynamicIndex>();
  index->tile = options.vector_tile != nullptr ? options.vector_tile : options.scalar_tile;
  index->register_ = options.scalar_register;
  index->per_partition = options.vector_tile != nullptr;
  index->dim = static_cast<int>(dim);
  index->step = tensor.strides[dim] * tensor.element_bytes() / result.element_bytes();
  // The last index with which every element is inside.
  index->limit =
      index->step > 0
          ? (available - 1 - (index->per_partition ? result.offset : reach.high)) / index->step + 1
          : available;
  if (index->per_partition) index->limit = std::max<int64_t>(index->limit, 0);
  result.dynamic = std::move(index);
  return result;
}

Result<Tensor> indirect(const Tensor& tensor, std::shared_ptr<const Tensor> index,
                        std::optional<int64_t> elements) {
  int64_t most = index->elements() / std::max<int64_t>(1, index->shape[0]) *
                 std::min<int64_t>(16, index->shape[0]);
  int64_t n = elements.value_or(index->elements());
  if (!tensor.on_chip() || n < 1 || index->shape[0] != tensor.shape[0]) {
    return invalid_argument(
        "indirect: expected a tile and an index with as many partitions, found " +
        to_string(tensor) + " and " + to_string(*index) + ".");
  }
  if (n > most) n = most;
  Tensor result = tensor;
  auto dynamic = std::make_shared<DynamicIndex>();
  dynamic->columns = true, dynamic->step = 1, dynamic->limit = tensor.elements() / tensor.shape[0];
  dynamic->tile = std::move(index);
  result.dynamic = std::move(dynamic);
  result.rank = 2, result.shape[1] = n, result.strides[1] = 1;
  return result;
}

}  // namespace thorong::nki
