// SPDX-License-Identifier: Apache-2.0
// Argument reduction for huge angles.
//
// |x| = m * 2^e, m an integer of 24 bits, e in [17, 104]. The table holds 2^e * 2/pi mod 4 as first
// + second + third: 29 bits down to 2^-27, 29 bits down to 2^-56, and the rest. Products with m of
// the first two are exact in double, and whole multiples of 4 (four quadrants) have already gone.
// Made with mpmath at 400 bits.
#include "thorong/numerics/reduce_huge.h"

#include <bit>
#include <limits>

namespace thorong::numerics::internal {
namespace {

struct Row {
  double first;
  double second;
  double third;
};

constexpr int kFirstExponent = 17;
// clang-format off
constexpr Row kTwoOverPi[] = {
    {0x1.836e4e4000000p+1, 0x1.054a7f0000000p-29, 0x1.3abe8fa9a6ee0p-58},
    {0x1.06dc9c8000000p+1, 0x1.054a7f0000000p-28, 0x1.3abe8fa9a6ee0p-57},
    {0x1.b727220000000p-4, 0x1.529fc20000000p-33, 0x1.d5f47d4d37703p-59},
    {0x1.b727220000000p-3, 0x1.529fc20000000p-32, 0x1.d5f47d4d37703p-58},
    {0x1.b727220000000p-2, 0x1.529fc20000000p-31, 0x1.d5f47d4d37703p-57},
    {0x1.b727220000000p-1, 0x1.529fc24000000p-30, 0x1.abe8fa9a6ee07p-57},
    {0x1.b727220000000p+0, 0x1.529fc26000000p-29, 0x1.57d1f534ddc0ep-57},
    {0x1.b727220000000p+1, 0x1.529fc27000000p-28, 0x1.5f47d4d377037p-58},
    {0x1.6e4e441000000p+1, 0x1.4a7f09c000000p-29, 0x1.5f47d4d377037p-57},
    {0x1.b939104000000p+0, 0x1.4a7f09d000000p-28, 0x1.7d1f534ddc0dbp-58},
    {0x1.b939105000000p+1, 0x1.29fc274000000p-29, 0x1.7d1f534ddc0dbp-57},
    {0x1.727220a000000p+1, 0x1.29fc275000000p-28, 0x1.f47d4d377036ep-58},
    {0x1.c9c882a000000p+0, 0x1.4fe13a8000000p-30, 0x1.f47d4d377036ep-57},
    {0x1.c9c882a000000p+1, 0x1.4fe13aa000000p-29, 0x1.e8fa9a6ee06dbp-57},
    {0x1.9391054000000p+1, 0x1.4fe13ab000000p-28, 0x1.d1f534ddc0db6p-57},
    {0x1.27220a9000000p+1, 0x1.3f84eae000000p-29, 0x1.a3ea69bb81b6cp-57},
    {0x1.3910548000000p-1, 0x1.3f84eaf000000p-28, 0x1.47d4d377036d9p-57},
    {0x1.391054a000000p+0, 0x1.fc2757c000000p-30, 0x1.1f534ddc0db63p-58},
    {0x1.391054a000000p+1, 0x1.fc2757c000000p-29, 0x1.1f534ddc0db63p-57},
    {0x1.c882a50000000p-1, 0x1.fc2757d000000p-28, 0x1.f534ddc0db629p-60},
    {0x1.c882a52000000p+0, 0x1.f84eafa000000p-28, 0x1.f534ddc0db629p-59},
    {0x1.c882a53000000p+1, 0x1.f09d5f4000000p-28, 0x1.f534ddc0db629p-58},
    {0x1.91054a7000000p+1, 0x1.e13abe8000000p-28, 0x1.f534ddc0db629p-57},
    {0x1.220a94f000000p+1, 0x1.c2757d1000000p-28, 0x1.ea69bb81b6c53p-57},
    {0x1.1054a7c000000p-1, 0x1.84eafa3000000p-28, 0x1.d4d377036d8a5p-57},
    {0x1.1054a7e000000p+0, 0x1.09d5f47000000p-28, 0x1.a9a6ee06db14bp-57},
    {0x1.1054a7f000000p+1, 0x1.3abe8f0000000p-32, 0x1.534ddc0db6296p-57},
    {0x1.054a7f0000000p-2, 0x1.3abe8f8000000p-31, 0x1.4d377036d8a56p-58},
    {0x1.054a7f0000000p-1, 0x1.3abe8f8000000p-30, 0x1.4d377036d8a56p-57},
    {0x1.054a7f0000000p+0, 0x1.3abe8fa000000p-29, 0x1.34ddc0db6295ap-58},
    {0x1.054a7f0000000p+1, 0x1.3abe8fa000000p-28, 0x1.34ddc0db6295ap-57},
    {0x1.529fc20000000p-4, 0x1.d5f47d4000000p-30, 0x1.a6ee06db14acdp-59},
    {0x1.529fc20000000p-3, 0x1.d5f47d4000000p-29, 0x1.a6ee06db14acdp-58},
    {0x1.529fc20000000p-2, 0x1.d5f47d4000000p-28, 0x1.a6ee06db14acdp-57},
    {0x1.529fc24000000p-1, 0x1.abe8fa9000000p-28, 0x1.4ddc0db629599p-57},
    {0x1.529fc26000000p+0, 0x1.57d1f53000000p-28, 0x1.377036d8a5665p-58},
    {0x1.529fc27000000p+1, 0x1.5f47d4c000000p-29, 0x1.377036d8a5665p-57},
    {0x1.4a7f09c000000p+0, 0x1.5f47d4d000000p-28, 0x1.bb81b6c52b328p-59},
    {0x1.4a7f09d000000p+1, 0x1.7d1f534000000p-29, 0x1.bb81b6c52b328p-58},
    {0x1.29fc274000000p+0, 0x1.7d1f534000000p-28, 0x1.bb81b6c52b328p-57},
    {0x1.29fc275000000p+1, 0x1.f47d4d2000000p-29, 0x1.77036d8a5664fp-57},
    {0x1.4fe13a8000000p-1, 0x1.f47d4d3000000p-28, 0x1.dc0db6295993cp-58},
    {0x1.4fe13aa000000p+0, 0x1.e8fa9a6000000p-28, 0x1.dc0db6295993cp-57},
    {0x1.4fe13ab000000p+1, 0x1.d1f534d000000p-28, 0x1.b81b6c52b3279p-57},
    {0x1.3f84eae000000p+0, 0x1.a3ea69b000000p-28, 0x1.7036d8a5664f1p-57},
    {0x1.3f84eaf000000p+1, 0x1.47d4d37000000p-28, 0x1.c0db6295993c4p-58},
    {0x1.fc2757c000000p-1, 0x1.1f534dc000000p-29, 0x1.c0db6295993c4p-57},
    {0x1.fc2757c000000p+0, 0x1.1f534dd000000p-28, 0x1.81b6c52b32788p-57},
    {0x1.fc2757d000000p+1, 0x1.f534dd8000000p-31, 0x1.036d8a5664f11p-57},
    {0x1.f84eafa000000p+1, 0x1.f534ddc000000p-30, 0x1.b6c52b3278872p-63},
    {0x1.f09d5f4000000p+1, 0x1.f534ddc000000p-29, 0x1.b6c52b3278872p-62},
    {0x1.e13abe8000000p+1, 0x1.f534ddc000000p-28, 0x1.b6c52b3278872p-61},
    {0x1.c2757d1000000p+1, 0x1.ea69bb8000000p-28, 0x1.b6c52b3278872p-60},
    {0x1.84eafa3000000p+1, 0x1.d4d3770000000p-28, 0x1.b6c52b3278872p-59},
    {0x1.09d5f47000000p+1, 0x1.a9a6ee0000000p-28, 0x1.b6c52b3278872p-58},
    {0x1.3abe8f0000000p-3, 0x1.534ddc0000000p-28, 0x1.b6c52b3278872p-57},
    {0x1.3abe8f8000000p-2, 0x1.4d37702000000p-29, 0x1.6d8a5664f10e4p-57},
    {0x1.3abe8f8000000p-1, 0x1.4d37703000000p-28, 0x1.b6295993c4390p-58},
    {0x1.3abe8fa000000p+0, 0x1.34ddc0c000000p-29, 0x1.b6295993c4390p-57},
    {0x1.3abe8fa000000p+1, 0x1.34ddc0d000000p-28, 0x1.6c52b32788721p-57},
    {0x1.d5f47d4000000p-1, 0x1.a6ee06c000000p-30, 0x1.b14acc9e21c82p-58},
    {0x1.d5f47d4000000p+0, 0x1.a6ee06c000000p-29, 0x1.b14acc9e21c82p-57},
    {0x1.d5f47d4000000p+1, 0x1.a6ee06d000000p-28, 0x1.6295993c43904p-57},
    {0x1.abe8fa9000000p+1, 0x1.4ddc0db000000p-28, 0x1.8a5664f10e410p-58},
    {0x1.57d1f53000000p+1, 0x1.377036c000000p-29, 0x1.8a5664f10e410p-57},
    {0x1.5f47d4c000000p+0, 0x1.377036d000000p-28, 0x1.14acc9e21c821p-57},
    {0x1.5f47d4d000000p+1, 0x1.bb81b6c000000p-30, 0x1.4acc9e21c8210p-60},
    {0x1.7d1f534000000p+0, 0x1.bb81b6c000000p-29, 0x1.4acc9e21c8210p-59},
    {0x1.7d1f534000000p+1, 0x1.bb81b6c000000p-28, 0x1.4acc9e21c8210p-58},
    {0x1.f47d4d2000000p+0, 0x1.77036d8000000p-28, 0x1.4acc9e21c8210p-57},
    {0x1.f47d4d3000000p+1, 0x1.dc0db62000000p-29, 0x1.2b32788720840p-58},
    {0x1.e8fa9a6000000p+1, 0x1.dc0db62000000p-28, 0x1.2b32788720840p-57},
    {0x1.d1f534d000000p+1, 0x1.b81b6c5000000p-28, 0x1.5993c439041fep-59},
    {0x1.a3ea69b000000p+1, 0x1.7036d8a000000p-28, 0x1.5993c439041fep-58},
    {0x1.47d4d37000000p+1, 0x1.c0db628000000p-29, 0x1.5993c439041fep-57},
    {0x1.1f534dc000000p+0, 0x1.c0db629000000p-28, 0x1.664f10e4107f9p-58},
    {0x1.1f534dd000000p+1, 0x1.81b6c52000000p-28, 0x1.664f10e4107f9p-57},
    {0x1.f534dd8000000p-2, 0x1.036d8a5000000p-28, 0x1.993c439041fe5p-58},
    {0x1.f534ddc000000p-1, 0x1.b6c5280000000p-34, 0x1.993c439041fe5p-57},
    {0x1.f534ddc000000p+0, 0x1.b6c52a0000000p-33, 0x1.3278872083fcap-57},
    {0x1.f534ddc000000p+1, 0x1.b6c52b0000000p-32, 0x1.93c439041fe51p-59},
    {0x1.ea69bb8000000p+1, 0x1.b6c52b0000000p-31, 0x1.93c439041fe51p-58},
    {0x1.d4d3770000000p+1, 0x1.b6c52b0000000p-30, 0x1.93c439041fe51p-57},
    {0x1.a9a6ee0000000p+1, 0x1.b6c52b2000000p-29, 0x1.278872083fca3p-57},
    {0x1.534ddc0000000p+1, 0x1.b6c52b3000000p-28, 0x1.3c439041fe516p-59},
    {0x1.4d37702000000p+0, 0x1.6d8a566000000p-28, 0x1.3c439041fe516p-58},
    {0x1.4d37703000000p+1, 0x1.b629598000000p-29, 0x1.3c439041fe516p-57},
    {0x1.34ddc0c000000p+0, 0x1.b629599000000p-28, 0x1.e21c820ff28b2p-59}
};
// clang-format on
constexpr double kHalfPi = 1.5707963267948966;
constexpr double kRoundShift = 6755399441055744.0;  // 1.5 * 2^52

}  // namespace

double reduce_huge(double x, uint64_t* quadrant) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const int exponent = static_cast<int>((bits >> 52) & 0x7FF) - 1023;
  if (exponent > 127) return std::numeric_limits<double>::quiet_NaN();
  const double mantissa = static_cast<double>((bits >> 29 & 0x7FFFFF) | 0x800000);
  const Row& row = kTwoOverPi[exponent - 23 - kFirstExponent];
  const double first = mantissa * row.first;
  const double nearest = (first + kRoundShift) - kRoundShift;
  const double fraction = ((first - nearest) + mantissa * row.second) + mantissa * row.third;
  const double negated = (bits >> 63) != 0 ? -1.0 : 1.0;
  *quadrant = static_cast<uint64_t>(static_cast<int64_t>(negated * nearest));
  return negated * fraction * kHalfPi;
}

}  // namespace thorong::numerics::internal
