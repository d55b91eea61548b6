# SPDX-License-Identifier: Apache-2.0
"""The name `neuron_dtypes`, where the vendor's package is not installed."""

import sys

import thorong.nki.neuron_dtypes

sys.modules[__name__] = thorong.nki.neuron_dtypes
