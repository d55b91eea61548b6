// SPDX-License-Identifier: Apache-2.0
// The Vector Engine: elementwise operations, reductions along the free axis and copies, a lane for
// every partition. Its rules are cycles per element by kind of instruction.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<Peak> vector_engine_peaks(const Block& block) {
  const double lanes = parameter(block, "lanes") * parameter(block, "clock_hz");
  return {
      {"elements", "element/s", lanes / parameter(block, "cycles_per_element_copy")},
      {"elements_16bit", "element/s", lanes / parameter(block, "cycles_per_element_copy_16bit")}};
}

inline std::vector<ParameterSpec> vector_engine_parameters() {
  return {
      real("clock_hz", "hz", 1000, 1e11, "Clock of the engine."),
      count("lanes", "", 1, 4096, "Partitions that are processed side by side."),
      real("min_issue_cycles", "cycles", 0, 1e6, "Least cycles from one instruction to the next."),
      real("fixed_cycles", "cycles", 0, 1e6, "Cycles of every instruction on top of its elements."),
      real("access_cycles", "cycles", 0, 1e6, "Fixed cycles of an access to SBUF or PSUM."),
      real("cycles_per_element_copy", "cycles", 0.001, 1000,
           "Cycles per element and lane of a copy or an operation with scalars."),
      real("cycles_per_element_copy_16bit", "cycles", 0.001, 1000,
           "Cycles per element and lane of a contiguous 16-bit copy within SBUF."),
      real("cycles_per_element_copy_16bit_psum", "cycles", 0.001, 1000,
           "Cycles per element and lane of a 16-bit copy with one side in PSUM."),
      real("cycles_per_element_tensor_tensor", "cycles", 0.001, 1000,
           "Cycles per element and lane of an operation on two tensors in SBUF."),
      real("cycles_per_element_tensor_tensor_fast", "cycles", 0.001, 1000,
           "Cycles per element and lane of an operation on two tensors, one of them in PSUM."),
      real("cycles_per_element_tensor_tensor_16bit", "cycles", 0.001, 1000,
           "Cycles per element and lane of an operation on two contiguous 16-bit tensors in SBUF."),
      real("cycles_per_element_reduce", "cycles", 0.001, 1000,
           "Cycles per element and lane of a reduction."),
      real("cycles_per_element_reduce_16bit", "cycles", 0.001, 1000,
           "Cycles per element and lane of a reduction from and to bfloat16."),
      real("cycles_per_element_reciprocal", "cycles", 0.001, 1000,
           "Cycles per element and lane of a reciprocal."),
      real("cycles_per_element_scan", "cycles", 0.001, 1000,
           "Cycles per element and lane of a scan."),
      real("cycles_per_element_bn_stats", "cycles", 0.001, 1000,
           "Cycles per element and lane of batch statistics."),
      real("cycles_per_element_bn_aggr", "cycles", 0.001, 1000,
           "Cycles per element and lane of the aggregation of batch statistics."),
      real("cycles_per_element_memset_zero_16bit", "cycles", 0.001, 1000,
           "Cycles per element and lane of setting 16-bit elements to zero."),
      optional(real("cycles_per_element_exponential", "cycles", 0.001, 1000,
                    "Cycles per element and lane of an exponential.")),
      optional(real("cycles_per_element_random", "cycles", 0.001, 1000,
                    "Cycles per element and lane of uniform random numbers.")),
      optional(real("cycles_per_element_quantize", "cycles", 0.001, 1000,
                    "Cycles per element and lane of a quantization to MXFP8.")),
      node_energy("pj_per_op", 1e6, "Energy of one operation on one element, at 7 nm."),
      node_energy("pj_per_copy", 1e6, "Energy of moving one element, at 7 nm."),
  };
}

inline BlockSpec block_spec_vector_engine() {
  return {
      .type = "vector_engine",
      .role = "vector",
      .meaning = "Elementwise work and reductions, a lane for every partition.",
      .parameters = vector_engine_parameters(),
      .ports =
          {
              {.name = "sbuf",
               .direction = Direction::kUses,
               .kind = "sbuf_port",
               .width = "lanes",
               .fit = Fit::kEqual,
               .meaning = "Reads and writes SBUF, a lane for every partition."},
              {.name = "psum",
               .direction = Direction::kUses,
               .kind = "psum_port",
               .width = "lanes",
               .fit = Fit::kAtMost,
               .meaning = "Reads and writes PSUM, at most a lane for every partition."},
          },
      .peaks = vector_engine_peaks,
  };
}

}  // namespace thorong::chip
