// SPDX-License-Identifier: Apache-2.0
// NKI's tensors: a storage in HBM, SBUF or PSUM, and a view of it. Views never copy.
//
// A storage is flat to its views: element (p, f) of an on-chip tensor is number p * row_elements +
// f. Shape, strides and offset count elements of the view's own dtype, which may differ from the
// storage's (view, ap).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frontends/nki/dtype.h"
#include "thorong/base/result.h"
#include "thorong/isa/machine_state.h"

namespace thorong::nki {

inline constexpr size_t kMaxRank = 8;

enum class Region : uint8_t { kSbuf, kPsum, kPrivateHbm, kSharedHbm };
std::string_view name(Region region);
inline isa::Space space_of(Region region) {
  return region == Region::kSbuf   ? isa::Space::kSbuf
         : region == Region::kPsum ? isa::Space::kPsum
                                   : isa::Space::kHbm;
}

// Part of an on-chip storage that instructions have written: bytes [low, high) of partitions
// [first, last).
struct Written {
  int64_t low, high, first, last;
};

struct StorageChecks;  // checks.h

struct Storage {
  std::vector<isa::BufferId> buffers;  // in each core's program; -1: not used there yet
  isa::BufferRole role = isa::BufferRole::kScratch;
  int64_t address = -1;         // on chip: the byte in the partition that the kernel asked for
  int64_t first_partition = 0;  // on chip: likewise
  Region region = Region::kSbuf;
  Dtype dtype = 0;
  int64_t partitions = 1;
  int64_t row_bytes = 0;         // on chip: of a partition; HBM: of all
  isa::HostBuffer host;          // where its cells lie
  std::shared_ptr<void> memory;  // keeps them
  std::string name;
  std::vector<int64_t> shape;             // as allocated
  std::vector<Written> written;           // PSUM: decides whether a matmul accumulates
  std::shared_ptr<StorageChecks> checks;  // null where nothing is checked

  bool on_chip() const { return region == Region::kSbuf || region == Region::kPsum; }
};

// A register of an engine's sequencer: its value is known as the kernel runs.
struct Register {
  int64_t value = 0;
  bool set = false;
  // Its number in the run that used it last, and which of that run's instructions wrote it last and
  // have read it since. Kept here because only the run's own calls look at it.
  struct Uses {
    std::shared_ptr<const int> run;
    int32_t id = -1, writer = -1;
    std::vector<int32_t> readers;
  };
  mutable Uses uses = {};
};

struct Tensor;

// A dynamic address: an index tile or a register, along one dimension.
struct DynamicIndex {
  std::shared_ptr<const Tensor> tile;  // or
  std::shared_ptr<const Register> register_;
  bool per_partition = false, columns = false;
  int dim = 0;
  int64_t step = 0, limit = 0;
};

struct Tensor {
  std::shared_ptr<Storage> storage;
  Dtype dtype = 0;
  uint8_t rank = 0;
  std::array<int64_t, kMaxRank> shape{}, strides{};
  int64_t offset = 0;
  bool unchecked = false;  // ap reached beyond the storage: an instruction that uses this view
                           // checks what it reaches
  std::shared_ptr<const DynamicIndex> dynamic;

  std::span<const int64_t> sizes() const { return {shape.data(), rank}; }
  int64_t elements() const;
  bool on_chip() const { return storage->on_chip(); }
  int64_t element_bytes() const { return info(dtype).bytes(); }
  // Elements from one partition to the next (on chip).
  int64_t row_elements() const { return storage->row_bytes / element_bytes(); }
  bool contiguous() const;
};

// One item of an index expression.
struct Index {
  enum class Kind : uint8_t { kInteger, kSlice, kEllipsis, kNewAxis, kDynamic };
  Kind kind = Kind::kInteger;
  std::optional<int64_t> start, stop;  // kInteger: start
  int64_t step = 1;
  int64_t size = 0;  // kDynamic: of the slice; 0: one element, the dimension goes
  std::shared_ptr<const Tensor> tile = nullptr;
  std::shared_ptr<const Register> register_ = nullptr;
};

Result<Tensor> index(const Tensor& tensor, std::span<const Index> items);
Result<Tensor> slice(const Tensor& tensor, int64_t dim, int64_t start, int64_t end, int64_t step);
Result<Tensor> select(const Tensor& tensor, int64_t dim, const Index& item);
Result<Tensor> vector_select(const Tensor& tensor, int64_t dim,
                             std::shared_ptr<const Tensor> offsets);
Result<Tensor> permute(const Tensor& tensor, std::span<const int64_t> dims);
Result<Tensor> broadcast(const Tensor& tensor, int64_t dim, int64_t size);
Result<Tensor> expand_dim(const Tensor& tensor, int64_t dim);
Result<Tensor> squeeze_dim(const Tensor& tensor, int64_t dim);
Result<Tensor> reshape_dim(const Tensor& tensor, int64_t dim, std::span<const int64_t> shape);
Result<Tensor> flatten_dims(const Tensor& tensor, int64_t start, int64_t end);
Result<Tensor> reshape(const Tensor& tensor, std::span<const int64_t> shape);
// The storage as another dtype; turns it into its byte image where host cells differ.
Result<Tensor> view(const Tensor& tensor, Dtype dtype);
struct ApOptions {
  std::optional<int64_t> offset;
  std::shared_ptr<const Tensor> scalar_tile, vector_tile;
  std::shared_ptr<const Register> scalar_register;
  int64_t indirect_dim = 0;
  std::optional<Dtype> dtype;
};
Result<Tensor> ap(const Tensor& tensor, std::span<const int64_t> pattern, const ApOptions& options);
Result<Tensor> indirect(const Tensor& tensor, std::shared_ptr<const Tensor> index,
                        std::optional<int64_t> elements);

// out_of_range where the view reaches beyond its storage.
Status within_storage(const Tensor& tensor);
// What an instruction sees. Dynamic addresses are left to the caller (KernelRun::operand).
Result<isa::AccessPattern> access_pattern(const Tensor& tensor);
// The values in the dtype's own bytes, row-major, to or from memory of elements() *
// element_bytes().
void read_bytes(const Tensor& tensor, std::byte* bytes);
void write_bytes(const Tensor& tensor, const std::byte* bytes);
void to_byte_image(Storage& storage);

// "float32[128, 512] in sbuf".
std::string to_string(const Tensor& tensor);

}  // namespace thorong::nki
