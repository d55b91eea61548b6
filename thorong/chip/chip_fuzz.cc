// SPDX-License-Identifier: Apache-2.0
// No text makes the loader crash, hang or break a check of ours; what it accepts verifies and rolls
// up.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "thorong/base/check.h"
#include "thorong/chip/loader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const thorong::Result<thorong::chip::Chip> chip = thorong::chip::parse(text, "fuzz.yaml", false);
  if (!chip.ok()) {
    THORONG_CHECK(!chip.status().to_string().empty(), "an error without a message");
    return 0;
  }
  THORONG_CHECK(thorong::chip::verify(*chip).empty(), "a chip that was accepted does not verify");
  THORONG_CHECK(thorong::chip::roll_up(*chip).cores >= 1, "a chip without cores was accepted");
  return 0;
}
