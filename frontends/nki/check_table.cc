// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "frontends/nki/checks.h"

namespace thorong::nki {
namespace {

using enum CheckKind;

constexpr std::array kTable = {
    // Single calls.
    CheckInfo{"argument", kAlways,
              "every argument is there and of the kind that its parameter takes"},
    CheckInfo{"operator", kAlways,
              "an operator or activation function is one that the instruction has"},
    CheckInfo{"engine", kAlways, "an instruction runs on an engine that has it"},
    CheckInfo{"gpsimd-psum", kMode, "GpSimd has no operand in PSUM, which it does not reach"},
    CheckInfo{"memory", kAlways,
              "each operand lies in a memory that the instruction can access: a matmul writes "
              "PSUM, DMA does not"},
    CheckInfo{"dtype", kAlways,
              "dtypes go together: matmul operands both 32-bit or neither, integers for bitwise "
              "operators"},
    CheckInfo{"shape", kAlways,
              "operands have the shapes that the instruction relates: as many partitions, as many "
              "elements"},
    CheckInfo{"size-limit", kAlways,
              "an operand is no larger than the engine takes: 128 stationary and 512 moving "
              "columns, 512 elements of bn_stats"},
    CheckInfo{"operands", kAlways, "what else an instruction asks of its operands"},
    CheckInfo{"access-pattern", kAlways,
              "a view is one that the machine can walk: neighbouring partitions, at most four free "
              "dimensions"},
    CheckInfo{"out-of-bounds", kAlways,
              "indices, slices, patterns, registers and index tiles stay within the tensor"},
    CheckInfo{"generation", kAlways,
              "instruction, dtype and mode exist on the chip's NeuronCore generation"},
    CheckInfo{"dtype-generation", kMode,
              "engines compute with packed x4 dtypes and their scales on NeuronCore-v4 only"},
    CheckInfo{"start-partition", kMode,
              "engines access partitions from 0 (more than 64), 0 or 64 (more than 32), or 0, 32, "
              "64 or 96 on"},
    CheckInfo{"psum-bank", kMode,
              "a matmul's result lies within one PSUM bank (before NeuronCore-v4)"},
    // Memories.
    CheckInfo{"partition-limit", kAlways, "a tile has at most 128 partitions and positive sizes"},
    CheckInfo{"sbuf-capacity", kMode, "the tiles that live at the same time fit SBUF"},
    CheckInfo{"psum-capacity", kMode, "the tiles that live at the same time fit PSUM"},
    CheckInfo{"hbm-capacity", kAlways,
              "the kernel's tensors fit the chip's HBM, and this machine's memory"},
    CheckInfo{"address", kMode,
              "a tile that the kernel places lies within its memory, and PSUM tiles on multiples "
              "of 4 bytes"},
    CheckInfo{"unwritten", kMode,
              "what an instruction reads has been written; one that works element by element or "
              "within a partition may leave its results as unwritten"},
    CheckInfo{"overlap", kMode,
              "what an instruction reads has not been overwritten by a tile that the kernel placed "
              "on the same bytes"},
    CheckInfo{"unwritten-output", kMode, "all of what a kernel returns has been written"},
    // State of the engines.
    CheckInfo{"accumulate", kMode,
              "a matmul adds only to what a matmul with accumulate=False began; with "
              "accumulate=None to zeros too (NeuronCore-v4: to any value)"},
    CheckInfo{"accumulate-after-read", kMode,
              "with accumulate=None a matmul does not add to a sum that was read already"},
    CheckInfo{"accumulator", kMode,
              "reduce_cmd.reduce goes on with accumulators that an instruction before has reset"},
    // Several cores.
    CheckInfo{"race", kMode,
              "between two barriers no core writes what another one reads or writes in HBM"},
    CheckInfo{"sendrecv", kMode,
              "sendrecv names the other core, and both send tiles of one shape and dtype"},
    CheckInfo{"deadlock", kAlways,
              "cores come to the same meetings (sendrecv, core_barrier, collectives) in the same "
              "order"},
    CheckInfo{"collective", kAlways,
              "ranks, groups, dimensions, channels and metadata of a collective are what is "
              "documented"},
    // The program.
    CheckInfo{"instruction-limit", kAlways,
              "a kernel ends: it records at most THORONG_NKI_MAX_INSTRUCTIONS (5,000,000)"},
    CheckInfo{"python", kWarning,
              "the kernel's Python is in the subset that the vendor's compiler takes"},
};

}  // namespace

std::span<const CheckInfo> check_table() { return kTable; }

std::optional<CheckMode> parse_check_mode(std::string_view name) {
  if (name == "off") return CheckMode::kOff;
  if (name == "warn") return CheckMode::kWarn;
  if (name == "strict") return CheckMode::kStrict;
  return std::nullopt;
}

}  // namespace thorong::nki
