# SPDX-License-Identifier: Apache-2.0
"""The name `nki`, where the vendor's package is not installed: a package of that name comes before this file."""

import sys

import thorong.nki.names

thorong.nki.names.install("nki")
sys.modules[__name__] = thorong.nki
