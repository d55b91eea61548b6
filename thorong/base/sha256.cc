// SPDX-License-Identifier: Apache-2.0
#include <openssl/evp.h>

#include <array>

#include "thorong/base/file.h"

namespace thorong {

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  int good = EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr);
  THORONG_CHECK(good == 1 && length == 32, "libcrypto has no SHA-256");
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kHex[digest[i] >> 4];
    text += kHex[digest[i] & 15];
  }
  return text;
}

}  // namespace thorong
