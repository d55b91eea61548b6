// SPDX-License-Identifier: Apache-2.0
// Names of checks: a Status says which check failed by "[name]" at its message's end. The names of
// those of NKI are in frontends/nki/check_table.cc.
#pragma once

#include <string>

#include "thorong/base/result.h"

namespace thorong::isa {

// "shape" of "... found (3, 4). Slice it. [shape]"; empty without a name.
inline std::string check_name(const Status& status) {
  const std::string& text = status.message();
  size_t at = text.rfind(" [");
  if (at == std::string::npos || text.back() != ']') return "";
  std::string name = text.substr(at + 2, text.size() - at - 3);
  return name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string::npos ? name : "";
}

// The same error under a check's name, unless it has one.
inline Status named(const char* check, Status status) {
  if (status.ok() || !check_name(status).empty()) return status;
  return {status.code(), status.message() + " [" + check + "]", status.where()};
}

}  // namespace thorong::isa
