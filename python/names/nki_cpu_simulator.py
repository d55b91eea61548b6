# SPDX-License-Identifier: Apache-2.0
"""The name `nki_cpu_simulator`, under which nki-library's tests look for a simulator: its `nki` is ours."""

import sys

import thorong.nki.names

from thorong import nki

__path__ = []  # a package, so that nki_cpu_simulator.nki can be imported
thorong.nki.names.install("nki_cpu_simulator.nki")
thorong.nki.names.install("nki", only_missing=True)
