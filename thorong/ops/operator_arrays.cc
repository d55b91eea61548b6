// SPDX-License-Identifier: Apache-2.0
// Tensors as arrays of double or 64-bit integers, strided copies and the reference matrix product
// (operator_support.h).
#include <algorithm>
#include <cstring>

#include "thorong/ops/operator_support.h"

namespace thorong::ops {

namespace {

template <typename T>
T read_unaligned(const std::byte* data, size_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

template <typename From, typename To>
void load_cast(const Tensor& tensor, std::vector<To>& values) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<To>(read_unaligned<From>(tensor.data, i));
}

template <typename T>
std::vector<T> load_integers(const Tensor& tensor) {
  std::vector<T> values(static_cast<size_t>(tensor.type.elements()));
  switch (tensor.type.format) {
    case Format::kInt8:
      load_cast<int8_t>(tensor, values);
      break;
    case Format::kInt16:
      load_cast<int16_t>(tensor, values);
      break;
    case Format::kInt32:
      load_cast<int32_t>(tensor, values);
      break;
    case Format::kInt64:
      load_cast<int64_t>(tensor, values);
      break;
    case Format::kUint8:
      load_cast<uint8_t>(tensor, values);
      break;
    case Format::kUint16:
      load_cast<uint16_t>(tensor, values);
      break;
    case Format::kUint32:
      load_cast<uint32_t>(tensor, values);
      break;
    case Format::kUint64:
      load_cast<uint64_t>(tensor, values);
      break;
    case Format::kInt2:
    case Format::kInt4:
    case Format::kUint2:
    case Format::kUint4:
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<T>(
            static_cast<int64_t>(numerics::load_as_double(tensor.type.format, tensor.data, i)));
      break;
    case Format::kBool:
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = tensor.data[i] != std::byte{0} ? T{1} : T{0};
      break;
    default: {  // floats truncate and saturate
      std::vector<std::byte> converted(values.size() * sizeof(T));
      for (size_t i = 0; i < values.size(); ++i) {
        numerics::store_from_double(std::is_signed_v<T> ? Format::kInt64 : Format::kUint64,
                                    converted.data(), i,
                                    numerics::load_as_double(tensor.type.format, tensor.data, i));
        values[i] = read_unaligned<T>(converted.data(), i);
      }
    }
  }
  return values;
}

template <typename To, typename T>
void store_cast(const std::vector<T>& values, std::byte* out) {
  for (size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<To>(values[i]);
    std::memcpy(out + i * sizeof(To), &value, sizeof(To));
  }
}

template <typename T>
void store_integers(const TensorType& type, const std::vector<T>& values, std::byte* out) {
  switch (type.format) {
    case Format::kInt8:
    case Format::kUint8:
      store_cast<uint8_t>(values, out);
      break;
    case Format::kInt16:
    case Format::kUint16:
      store_cast<uint16_t>(values, out);
      break;
    case Format::kInt32:
    case Format::kUint32:
      store_cast<uint32_t>(values, out);
      break;
    case Format::kInt64:
    case Format::kUint64:
      store_cast<uint64_t>(values, out);
      break;
    case Format::kInt2:
    case Format::kUint2:
      for (size_t i = 0; i < values.size(); ++i) out[i] = std::byte(values[i] & 3);
      break;
    case Format::kInt4:
    case Format::kUint4:
      for (size_t i = 0; i < values.size(); ++i) out[i] = std::byte(values[i] & 15);
      break;
    case Format::kBool:
      for (size_t i = 0; i < values.size(); ++i) out[i] = std::byte{values[i] != 0};
      break;
    default:
      numerics::convert(std::is_signed_v<T> ? Format::kInt64 : Format::kUint64, values.data(),
                        type.format, out, values.size());
  }
}

template <typename T>
void copy_row(int64_t n, const std::byte* source, int64_t source_stride, std::byte* destination,
              int64_t destination_stride) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < n; ++i) {
    std::memcpy(destination + i * destination_stride * kSize, source + i * source_stride * kSize,
                sizeof(T));
  }
}

// Row blocks of four against column blocks that stay in the first-level cache.
template <typename T>
void multiply_blocked(const T* a, const T* b, T* c, int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kColumns = 256, kDepth = 128;
  for (int64_t n0 = 0; n0 < n; n0 += kColumns) {
    const int64_t columns = std::min(kColumns, n - n0);
    for (int64_t k0 = 0; k0 < k; k0 += kDepth) {
      const int64_t k1 = std::min(k, k0 + kDepth);
      for (int64_t row = 0; row < m; row += 4) {
        const int64_t last = std::min(m, row + 4) - 1;
        const int64_t r1 = std::min(row + 1, last), r2 = std::min(row + 2, last);
        T* __restrict c0 = c + row * n + n0;
        if (last != row + 3) {  // an incomplete block: row by row
          for (int64_t r = row; r <= last; ++r) {
            T* __restrict cr = c + r * n + n0;
            for (int64_t kk = k0; kk < k1; ++kk) {
              const T ar = a[r * k + kk];
              const T* __restrict bk = b + kk * n + n0;
              for (int64_t j = 0; j < columns; ++j) cr[j] += ar * bk[j];
            }
          }
          continue;
        }
        T* __restrict c1 = c + r1 * n + n0;
        T* __restrict c2 = c + r2 * n + n0;
        T* __restrict c3 = c + last * n + n0;
        for (int64_t kk = k0; kk < k1; ++kk) {
          const T a0 = a[row * k + kk], a1 = a[r1 * k + kk], a2 = a[r2 * k + kk],
                  a3 = a[last * k + kk];
          const T* __restrict bk = b + kk * n + n0;
          for (int64_t j = 0; j < columns; ++j) {
            const T bj = bk[j];
            c0[j] += a0 * bj;
            c1[j] += a1 * bj;
            c2[j] += a2 * bj;
            c3[j] += a3 * bj;
          }
        }
      }
    }
  }
}

}  // namespace

template <>
std::vector<double> load<double>(const Tensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.type.elements()));
  if (tensor.type.format == Format::kFloat32) {
    load_cast<float>(tensor, values);
  } else {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = numerics::load_as_double(tensor.type.format, tensor.data, i);
    }
  }
  return values;
}

template <>
std::vector<int64_t> load<int64_t>(const Tensor& tensor) {
  return load_integers<int64_t>(tensor);
}

template <>
std::vector<uint64_t> load<uint64_t>(const Tensor& tensor) {
  return load_integers<uint64_t>(tensor);
}

void store(const TensorType& type, const std::vector<double>& values, std::byte* out) {
  if (type.format == Format::kFloat32) {
    store_cast<float>(values, out);
    return;
  }
  for (size_t i = 0; i < values.size(); ++i)
    numerics::store_from_double(type.format, out, i, values[i]);
}

void store(const TensorType& type, const std::vector<int64_t>& values, std::byte* out) {
  store_integers(type, values, out);
}

void store(const TensorType& type, const std::vector<uint64_t>& values, std::byte* out) {
  store_integers(type, values, out);
}

void copy_strided(const Shape& shape, size_t element_bytes, const std::byte* source,
                  const std::vector<int64_t>& source_strides, std::byte* destination,
                  const std::vector<int64_t>& destination_strides) {
  if (element_count(shape) <= 0) return;
  const size_t rank = shape.size();
  const auto bytes = static_cast<int64_t>(element_bytes);
  const int64_t n = rank == 0 ? 1 : shape[rank - 1];
  const int64_t source_step = rank == 0 ? 1 : source_strides[rank - 1];
  const int64_t destination_step = rank == 0 ? 1 : destination_strides[rank - 1];
  const Shape outer(shape.begin(), shape.end() - (rank == 0 ? 0 : 1));
  std::vector<int64_t> index(outer.size(), 0);
  do {
    int64_t from = 0, to = 0;
    for (size_t i = 0; i < outer.size(); ++i) {
      from += index[i] * source_strides[i];
      to += index[i] * destination_strides[i];
    }
    const std::byte* source_row = source + from * bytes;
    std::byte* destination_row = destination + to * bytes;
    if (source_step == 1 && destination_step == 1) {
      std::memcpy(destination_row, source_row, static_cast<size_t>(n) * element_bytes);
    } else if (element_bytes == 1) {
      copy_row<uint8_t>(n, source_row, source_step, destination_row, destination_step);
    } else if (element_bytes == 2) {
      copy_row<uint16_t>(n, source_row, source_step, destination_row, destination_step);
    } else if (element_bytes == 4) {
      copy_row<uint32_t>(n, source_row, source_step, destination_row, destination_step);
    } else {
      copy_row<uint64_t>(n, source_row, source_step, destination_row, destination_step);
    }
  } while (next_index(index, outer));
}

uint64_t integer_limit(Format format, bool largest) {
  const numerics::FormatInfo& format_info = numerics::info(format);
  if (format_info.kind == 'B') return largest ? 1 : 0;
  const auto all_ones = ~uint64_t{0} >> (64 - format_info.bits);
  if (format_info.kind == 'U') return largest ? all_ones : 0;
  const uint64_t maximum = all_ones >> 1;
  return largest ? maximum : ~maximum;
}

void multiply_matrices(const double* a, const double* b, double* c, int64_t m, int64_t n,
                       int64_t k) {
  multiply_blocked(a, b, c, m, n, k);
}

void multiply_matrices(const uint64_t* a, const uint64_t* b, uint64_t* c, int64_t m, int64_t n,
                       int64_t k) {
  multiply_blocked(a, b, c, m, n, k);
}

}  // namespace thorong::ops
