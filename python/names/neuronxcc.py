# SPDX-License-Identifier: Apache-2.0
"""The name `neuronxcc` with `neuronxcc.nki`, where the vendor's package is not installed: a package of that name comes before this file."""

import thorong.nki.legacy

thorong.nki.legacy.install()
