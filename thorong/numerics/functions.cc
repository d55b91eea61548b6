// SPDX-License-Identifier: Apache-2.0
// The part of functions.h that needs no vectors: names, the choice of SIMD target, and the composed
// functions, which run simple passes over blocks small enough to stay in the first-level cache.
#include "thorong/numerics/functions.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "thorong/base/check.h"
#include "thorong/numerics/kernels.h"
#include "thorong/numerics/simd.h"
// simd.h must come first
#include "hwy/highway.h"

namespace thorong::numerics {
namespace {

#define THORONG_X(enumerator, name) name,
constexpr std::string_view kUnaryNames[] = {THORONG_UNARY_FUNCTIONS(THORONG_X)};
constexpr std::string_view kBinaryNames[] = {THORONG_BINARY_FUNCTIONS(THORONG_X)};
#undef THORONG_X

constexpr size_t kBlock = 1024;

template <typename Enum, size_t kCount>
std::optional<Enum> parse(const std::string_view (&names)[kCount], std::string_view name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Enum>(found - std::begin(names));
}

void apply_unary(UnaryFunction function, const Rows& in, const internal::Affine* affine,
                 const RowsOut& out, size_t rows, size_t n) {
  if (internal::is_simple(function)) {
    internal::simple_unary(function, in, affine, out, rows, n);
  } else {
    internal::hard_unary(function, in, affine, out, rows, n);
  }
}

// Reads THORONG_SIMD_TARGET once, when the program starts to use SIMD.
bool read_environment() {
  if (const char* target = std::getenv("THORONG_SIMD_TARGET");
      target != nullptr && *target != '\0') {
    return force_simd_target(target);
  }
  return true;
}
[[maybe_unused]] const bool kEnvironmentRead = read_environment();

}  // namespace

std::string_view name(UnaryFunction function) { return kUnaryNames[static_cast<size_t>(function)]; }
std::string_view name(BinaryFunction function) {
  return kBinaryNames[static_cast<size_t>(function)];
}
std::optional<UnaryFunction> parse_unary_function(std::string_view name) {
  return parse<UnaryFunction>(kUnaryNames, name);
}
std::optional<BinaryFunction> parse_binary_function(std::string_view name) {
  return parse<BinaryFunction>(kBinaryNames, name);
}

void apply(UnaryFunction function, const Rows& in, const RowsOut& out, size_t rows, size_t n) {
  apply_unary(function, in, nullptr, out, rows, n);
}

void apply(BinaryFunction function, const Rows& a, const Rows& b, const RowsOut& out, size_t rows,
           size_t n) {
  if (internal::is_simple(function)) {
    internal::simple_binary(function, a, b, out, rows, n);
  } else {
    internal::hard_binary(function, a, b, out, rows, n);
  }
}

void activate(UnaryFunction function, const Rows& in, const Rows& scale, const Rows& bias,
              const RowsOut& out, size_t rows, size_t n) {
  if (scale.column && bias.column) {
    const internal::Affine affine{scale, bias};
    return apply_unary(function, in, &affine, out, rows, n);
  }
  std::array<float, kBlock> between;
  const Rows stepped = rows_of(static_cast<const float*>(between.data()));
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; i += kBlock) {
      const size_t count = std::min(kBlock, n - i);
      const RowsOut step = rows_of(between.data());
      apply(BinaryFunction::kMultiply, in.at(r, i), scale.at(r, i), step, 1, count);
      apply(BinaryFunction::kAdd, stepped, bias.at(r, i), step, 1, count);
      apply(function, stepped, out.at(r, i), 1, count);
    }
  }
}

void scalar_tensor_tensor(BinaryFunction op0, BinaryFunction op1, const Rows& in0,
                          const Rows& scalar, const Rows& in1, const RowsOut& out, size_t rows,
                          size_t n) {
  if (op0 == BinaryFunction::kMultiply && op1 == BinaryFunction::kAdd && scalar.column) {
    return internal::multiply_then_add(in0, scalar, in1, out, rows, n);
  }
  std::array<float, kBlock> between;  // `out` may be in1
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < n; i += kBlock) {
      const size_t count = std::min(kBlock, n - i);
      apply(op0, in0.at(r, i), scalar.at(r, i), rows_of(between.data()), 1, count);
      apply(op1, rows_of(static_cast<const float*>(between.data())), in1.at(r, i), out.at(r, i), 1,
            count);
    }
  }
}

void apply(UnaryFunction function, const float* in, float* out, size_t n) {
  apply(function, rows_of(in), rows_of(out), 1, n);
}

void apply(BinaryFunction function, const float* a, const float* b, float* out, size_t n) {
  apply(function, rows_of(a), rows_of(b), rows_of(out), 1, n);
}

void apply_scalar(BinaryFunction function, const float* a, float scalar, bool reversed, float* out,
                  size_t n) {
  const Rows value = value_rows(scalar);
  const Rows row = rows_of(a);
  apply(function, reversed ? value : row, reversed ? row : value, rows_of(out), 1, n);
}

void activate(UnaryFunction function, const float* in, float scale, float bias, float* out,
              size_t n) {
  activate(function, rows_of(in), value_rows(scale), value_rows(bias), rows_of(out), 1, n);
}

std::string_view simd_target() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(targets == 0 ? HWY_STATIC_TARGET : targets & -targets);
}

bool force_simd_target(std::string_view name) {
  hwy::SetSupportedTargetsForTest(0);
  if (name.empty()) {
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return true;
  }
  const int64_t runnable = (hwy::SupportedTargets() & HWY_TARGETS) | HWY_STATIC_TARGET;
  for (int64_t rest = runnable; rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    if (name != hwy::TargetName(target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    return true;
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return false;
}

}  // namespace thorong::numerics
