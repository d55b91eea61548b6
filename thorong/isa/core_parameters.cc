// SPDX-License-Identifier: Apache-2.0
// Chip file -> CoreParameters. Energies are multiplied by the node's factor here, once.
#include "thorong/isa/cost_model.h"

namespace thorong::isa {
namespace {

void read_engines(const chip::Chip& chip, double factor, CoreParameters& p) {
  auto at = [&](const char* path) { return chip.at(path); };
  p.tensor_hz = at("tensor.clock_hz"), p.rows = at("tensor.rows"), p.columns = at("tensor.columns");
  p.moving_max_columns = at("tensor.moving_max_columns");
  p.tensor_min_issue_cycles = at("tensor.min_issue_cycles");
  p.passes_float32 = at("tensor.passes_float32"), p.passes_tfloat32 = at("tensor.passes_tfloat32");
  p.passes_16bit = at("tensor.passes_bfloat16"), p.passes_float8 = at("tensor.passes_float8");
  p.passes_int8 = at("tensor.passes_int8"),
  p.transpose_factor_float32 = at("tensor.transpose_factor_float32");
  p.tensor_fixed_latency_cycles = at("tensor.fixed_latency_cycles");
  p.clock_ramp_s = at("tensor.clock_ramp_s"),
  p.clock_ramp_fraction = at("tensor.clock_ramp_fraction");
  p.pj_mac_float32 = factor * at("tensor.pj_per_mac_float32"),
  p.pj_mac_tfloat32 = factor * at("tensor.pj_per_mac_tfloat32");
  p.pj_mac_bfloat16 = factor * at("tensor.pj_per_mac_bfloat16"),
  p.pj_mac_float16 = factor * at("tensor.pj_per_mac_float16");
  p.pj_mac_float8 = factor * at("tensor.pj_per_mac_float8"),
  p.pj_mac_int8 = factor * at("tensor.pj_per_mac_int8");
  const chip::Figure* word = chip.find("tensor.fp32_operands");
  p.fp32_operands = word == nullptr || word->text == "float32";
  p.vector_hz = at("vector.clock_hz"), p.vector_min_issue_cycles = at("vector.min_issue_cycles");
  p.vector_fixed_cycles = at("vector.fixed_cycles"), p.vector_lanes = at("vector.lanes");
  p.vector_copy = at("vector.cycles_per_element_copy"),
  p.vector_copy_16bit = at("vector.cycles_per_element_copy_16bit");
  p.vector_copy_16bit_psum = at("vector.cycles_per_element_copy_16bit_psum");
  p.vector_tensor_tensor = at("vector.cycles_per_element_tensor_tensor");
  p.vector_tensor_tensor_fast = at("vector.cycles_per_element_tensor_tensor_fast");
  p.vector_tensor_tensor_16bit = at("vector.cycles_per_element_tensor_tensor_16bit");
  p.vector_reduce = at("vector.cycles_per_element_reduce"),
  p.vector_reduce_16bit = at("vector.cycles_per_element_reduce_16bit");
  p.vector_reciprocal = at("vector.cycles_per_element_reciprocal"),
  p.vector_scan = at("vector.cycles_per_element_scan");
  p.vector_bn_stats = at("vector.cycles_per_element_bn_stats"),
  p.vector_bn_aggr = at("vector.cycles_per_element_bn_aggr");
  p.vector_memset_zero_16bit = at("vector.cycles_per_element_memset_zero_16bit");
  // Instructions of later generations: absent where the chip does not have them.
  p.vector_exponential = chip.value_or("vector.cycles_per_element_exponential", p.vector_copy);
  p.vector_random = chip.value_or("vector.cycles_per_element_random", p.vector_copy);
  p.vector_quantize = chip.value_or("vector.cycles_per_element_quantize", p.vector_copy);
  p.vector_pj_op = factor * at("vector.pj_per_op"),
  p.vector_pj_copy = factor * at("vector.pj_per_copy");
  p.scalar_hz = at("scalar.clock_hz"), p.scalar_min_issue_cycles = at("scalar.min_issue_cycles");
  p.scalar_fixed_cycles = at("scalar.fixed_cycles"),
  p.scalar_reduce_cycles = at("scalar.reduce_cycles");
  p.scalar_table_load_s = at("scalar.table_load_s"),
  p.scalar_copy_16bit = at("scalar.cycles_per_element_copy_16bit");
  p.scalar_pj_op = factor * at("scalar.pj_per_op"),
  p.scalar_pj_copy = factor * at("scalar.pj_per_copy");
  p.has_gpsimd = chip.has_block("gpsimd");
  p.gpsimd_hz = p.has_gpsimd ? at("gpsimd.clock_hz") : 1,
  p.gpsimd_lanes = p.has_gpsimd ? at("gpsimd.lanes") : 1;
  p.gpsimd_processors = p.has_gpsimd ? at("gpsimd.processors") : 1;
  p.gpsimd_start_cycles = p.has_gpsimd ? at("gpsimd.start_cycles") : 0;
  p.gpsimd_pj_op = p.has_gpsimd ? factor * at("gpsimd.pj_per_op") : 0;
}

void read_memories(const chip::Chip& chip, double factor, CoreParameters& p) {
  auto at = [&](const char* path) { return chip.at(path); };
  p.partitions = static_cast<int64_t>(at("sbuf.partitions"));
  p.sbuf_bytes_per_partition = static_cast<int64_t>(at("sbuf.bytes_per_partition"));
  p.psum_banks = static_cast<int64_t>(at("psum.banks"));
  p.psum_bank_bytes = static_cast<int64_t>(at("psum.bank_bytes_per_partition"));
  p.sbuf_pj_byte = factor * at("sbuf.pj_per_byte"),
  p.psum_pj_byte = factor * at("psum.pj_per_byte");
  p.psum_pj_byte_accumulate = factor * at("psum.pj_per_byte_accumulate");
  p.dma_engines = at("dma.engines"),
  p.dma_engine_bytes_per_s = at("dma.bytes_per_second_per_engine");
  p.dma_fixed_s = at("dma.fixed_s"), p.dma_latency_s = at("dma.latency_s"),
  p.dma_completion_s = at("dma.completion_s");
  p.dma_min_element_bytes = at("dma.min_element_bytes");
  p.dma_transpose_fraction_hbm = chip.value_or("dma.transpose_fraction_hbm", 1);
  p.dma_transpose_fraction_sbuf = chip.value_or("dma.transpose_fraction_sbuf", 1);
  p.dma_compute_fraction = chip.value_or("dma.compute_fraction", 1);
  p.dma_descriptor_s = chip.value_or("dma.descriptor_s", 0);
  p.dma_descriptor_generators = chip.value_or("dma.descriptor_generators", 1);
  p.collective_start_s = chip.value_or("dma.collective_start_s", 0);
  p.collective_hop_s = chip.value_or("dma.collective_hop_s", 0);
  p.collective_fraction = chip.value_or("dma.collective_fraction", 1);
  p.dma_pj_byte = factor * at("dma.pj_per_byte"),
  p.dma_pj_descriptor = factor * at("dma.pj_per_descriptor");
  p.hbm_bytes = at("hbm.bytes"), p.hbm_chip_bytes_per_s = at("hbm.bytes_per_second");
  p.hbm_core_bytes_per_s = at("hbm.bytes_per_second_per_core"),
  p.hbm_pj_byte = at("hbm.pj_per_byte");
}

}  // namespace

CoreParameters core_parameters(const chip::Chip& chip) {
  auto at = [&](const char* path) { return chip.at(path); };
  CoreParameters p{};
  p.energy_factor = at("package.energy_factor");
  p.cores = static_cast<int64_t>(at("package.cores"));
  p.static_w_per_core =
      at("package.power_budget_w") * at("package.static_fraction") / at("package.cores");
  read_engines(chip, p.energy_factor, p);
  read_memories(chip, p.energy_factor, p);
  p.dispatch_s = at("host.dispatch_s"),
  p.to_device_bytes_per_s = at("host.bytes_per_second_to_device");
  p.to_host_bytes_per_s = at("host.bytes_per_second_to_host");
  p.to_host_large_bytes_per_s =
      chip.value_or("host.bytes_per_second_to_host_large", p.to_host_bytes_per_s);
  p.large_bytes = chip.value_or("host.large_bytes", 1e18);
  p.host_pj_byte = at("host.pj_per_byte");
  p.instruction_pj = p.energy_factor * at("control.instruction_pj");
  p.semaphore_pj = p.energy_factor * at("control.semaphore_pj");
  p.semaphore_s = at("control.semaphore_s"), p.start_s = at("control.start_s"),
  p.stop_s = at("control.stop_s");
  p.register_s = at("control.register_s"), p.register_onchip_s = at("control.register_onchip_s"),
  p.register_hbm_s = at("control.register_hbm_s");
  p.vendor_overlap = at("control.vendor_overlap"),
  p.microcode_bytes = at("control.microcode_bytes");
  return p;
}

}  // namespace thorong::isa
