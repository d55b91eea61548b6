// SPDX-License-Identifier: Apache-2.0
// The figures of one core that instruction costs need, read once from a chip, and what a cost rule
// returns.
#pragma once

#include <array>
#include <cstdint>

#include "thorong/chip/chip.h"
#include "thorong/isa/isa.h"

namespace thorong::isa {

// A chip's figures as plain numbers; names as in the chip file.
struct CoreParameters {
  // tensor
  double tensor_hz, rows, columns, moving_max_columns, tensor_min_issue_cycles;
  double passes_float32, passes_tfloat32, passes_16bit, passes_float8, passes_int8,
      transpose_factor_float32;
  double tensor_fixed_latency_cycles, clock_ramp_s, clock_ramp_fraction;
  double pj_mac_float32, pj_mac_tfloat32, pj_mac_bfloat16, pj_mac_float16, pj_mac_float8,
      pj_mac_int8;
  bool fp32_operands;  // false: the array takes 16-bit operands only
  // vector
  double vector_hz, vector_min_issue_cycles, vector_fixed_cycles, vector_lanes;
  double vector_copy, vector_copy_16bit, vector_copy_16bit_psum, vector_tensor_tensor,
      vector_tensor_tensor_fast, vector_tensor_tensor_16bit, vector_reduce, vector_reduce_16bit,
      vector_reciprocal, vector_scan, vector_bn_stats, vector_bn_aggr, vector_memset_zero_16bit,
      vector_exponential, vector_random, vector_quantize;
  double vector_pj_op, vector_pj_copy;
  // scalar
  double scalar_hz, scalar_min_issue_cycles, scalar_fixed_cycles, scalar_reduce_cycles,
      scalar_table_load_s, scalar_copy_16bit;
  double scalar_pj_op, scalar_pj_copy;
  // gpsimd
  bool has_gpsimd;
  double gpsimd_hz, gpsimd_lanes, gpsimd_processors, gpsimd_start_cycles, gpsimd_pj_op;
  // memories
  int64_t partitions, sbuf_bytes_per_partition, psum_banks, psum_bank_bytes;
  double sbuf_pj_byte, psum_pj_byte, psum_pj_byte_accumulate;
  double dma_engines, dma_engine_bytes_per_s, dma_fixed_s, dma_latency_s, dma_completion_s,
      dma_min_element_bytes, dma_pj_byte, dma_pj_descriptor, dma_transpose_fraction_hbm,
      dma_transpose_fraction_sbuf, dma_compute_fraction, dma_descriptor_s,
      dma_descriptor_generators, collective_start_s, collective_hop_s, collective_fraction;
  double hbm_bytes, hbm_chip_bytes_per_s, hbm_core_bytes_per_s, hbm_pj_byte;
  // host and control
  double dispatch_s, to_device_bytes_per_s, to_host_bytes_per_s, to_host_large_bytes_per_s,
      large_bytes, host_pj_byte;
  double instruction_pj, semaphore_pj, semaphore_s, register_s, register_onchip_s, register_hbm_s,
      start_s, stop_s, vendor_overlap, microcode_bytes;
  double static_w_per_core;
  int64_t cores;
  double energy_factor;
};

CoreParameters core_parameters(const chip::Chip& chip);

// Of the engine whose queue it is; queues without one of their own run at GpSimd's.
inline double clock_hz(const CoreParameters& core, Queue queue) {
  switch (queue) {
    case Queue::kTensor:
      return core.tensor_hz;
    case Queue::kVector:
      return core.vector_hz;
    case Queue::kScalar:
      return core.scalar_hz;
    default:
      return core.gpsimd_hz;
  }
}

// Seconds that the host link takes to copy so many bytes each way.
inline double host_copy_s(const CoreParameters& core, double to_device, double to_host) {
  double rate =
      to_host > core.large_bytes ? core.to_host_large_bytes_per_s : core.to_host_bytes_per_s;
  return to_device / core.to_device_bytes_per_s + to_host / rate;
}

// Counted events of one instruction; energy = events x the chip's table.
struct Events {
  double macs = 0;  // multiply-adds times passes, in `mac_format`
  Format mac_format = Format::kBfloat16;
  double vector_ops = 0, vector_copies = 0, scalar_ops = 0, scalar_copies = 0, gpsimd_ops = 0;
  double sbuf_bytes = 0, psum_bytes = 0, psum_accumulate_bytes = 0, hbm_bytes = 0, dma_bytes = 0,
         dma_descriptors = 0;
  double host_bytes = 0;
  bool operator==(const Events&) const = default;
};

// How long an instruction holds its queue, and what it does meanwhile.
struct Cost {
  double cycles = 0;        // of the queue's engine; DMA: 0
  double issue_cycles = 0;  // after which the queue goes on, where that is before the end; else 0
  uint16_t array_parts =
      0xFFFF;  // of the tensor engine's array, cut into 4 x 4; what they do comes one by one
  double occupied_s = 0;    // DMA: time on the shared data path; others 0
  double descriptor_s = 0;  // DMA: time of a descriptor generator before that
  double latency_s = 0;     // further delay until the result is visible, not holding the queue
  Events events;
  bool operator==(const Cost&) const = default;
};

}  // namespace thorong::isa
