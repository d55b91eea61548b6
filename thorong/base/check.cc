// SPDX-License-Identifier: Apache-2.0
#include "thorong/base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace thorong {
namespace {
std::atomic<CheckHandler> g_handler{
    nullptr};  // process-wide by nature: what to do when we must not go on
}

void set_check_handler(CheckHandler handler) { g_handler = handler; }

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::string text = "internal error at " + std::string(file) + ":" + std::to_string(line) + ": " +
                     message + " (failed: " + condition +
                     "). This is a bug in Thorong; please report it.";
  if (CheckHandler handler = g_handler) handler(text);
  std::fprintf(stderr, "%s\n", text.c_str());
  std::abort();
}

}  // namespace thorong
