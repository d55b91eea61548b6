// SPDX-License-Identifier: Apache-2.0
// The link to the host, and what a call costs there before the chip starts.
#pragma once

#include "thorong/chip/block_spec.h"

namespace thorong::chip {

inline std::vector<ParameterSpec> host_link_parameters() {
  return {
      real("dispatch_s", "s", 0, 100, "Time of the host for one call of a program."),
      real("bytes_per_second_to_device", "bytes/s", 1000, 1e15, "Rate of copies to the chip."),
      real("bytes_per_second_to_host", "bytes/s", 1000, 1e15,
           "Rate of copies of up to large_bytes to the host."),
      real("bytes_per_second_to_host_large", "bytes/s", 1000, 1e15,
           "Rate of larger copies to the host."),
      real("large_bytes", "bytes", 0, 1e15, "Size from which a copy to the host counts as large."),
      real("pj_per_byte", "pj", 0, 1e6, "Energy of a byte on the link."),
  };
}

inline BlockSpec block_spec_host_link() {
  return {
      .type = "host_link",
      .role = "host",
      .meaning = "Link between chip and host.",
      .per_core = false,
      .parameters = host_link_parameters(),
      .ports =
          {
              {.name = "memory",
               .direction = Direction::kUses,
               .kind = "memory_port",
               .meaning = "Chip memory."},
          },
  };
}

}  // namespace thorong::chip
