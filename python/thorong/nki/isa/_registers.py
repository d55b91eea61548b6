# SPDX-License-Identifier: Apache-2.0
"""Virtual registers. Their values are known while the kernel runs, so Python's own loops and branches may use them.

Each function is an instruction of the sync engine's sequencer; `if register:` and `while register:` are branches there. Their times are
figures of the chip that no document states (`thorong chip NAME`: control.register_s, register_onchip_s, register_hbm_s).
"""

from __future__ import annotations

from typing import Any

from ..._core import nki as _core


def register_alloc(x: Any = None) -> _core.VirtualRegister:
    """A new register.

    Args:
        x: None, an integer, another register, or a tensor of one element.
    """
    register = _core.VirtualRegister()
    if x is not None:
        (register_load if isinstance(x, _core.NkiTensor) else register_move)(register, x)
    return register


def register_move(dst: _core.VirtualRegister, src: Any) -> None:
    """dst = src, an integer or a register. Takes control.register_s."""
    _core.move_register(dst, src)


def register_load(dst: _core.VirtualRegister, src: _core.NkiTensor) -> None:
    """dst = the one element of src. Takes control.register_s and the access: register_onchip_s or register_hbm_s."""
    _core.load_register(dst, src)


def register_store(dst: _core.NkiTensor, src: _core.VirtualRegister | int) -> None:
    """The one element of dst = src, a register or an integer (a rank). Takes control.register_s; who reads the element waits for the
    access too."""
    _core.store_register(dst, src if isinstance(src, _core.VirtualRegister) else register_alloc(src))
