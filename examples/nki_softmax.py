# SPDX-License-Identifier: Apache-2.0
"""A softmax kernel, run for its values and then for its profile: `python -m thorong.nki examples/nki_softmax.py`."""

import nki
import nki.isa as nisa
import nki.language as nl
import numpy as np


@nki.jit
def softmax(x):
    """Softmax of each row of a [rows, columns] float32 array; rows in multiples of 128."""
    rows, columns = x.shape
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(rows // 128):
        part = nl.ds(i * 128, 128)
        tile = nl.ndarray((128, columns), nl.float32, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[part])
        top = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(top, op=nl.maximum, data=tile, axis=1, negate=True)
        nisa.activation(tile, op=nl.exp, data=tile, bias=top)
        total = nl.ndarray((128, 1), nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(total, op=nl.add, data=tile, axis=1)
        nisa.reciprocal(total, total)
        nisa.tensor_scalar(tile, tile, op0=nl.multiply, operand0=total)
        nisa.dma_copy(dst=out[part], src=tile)
    return out


def main() -> None:
    """Checks the values as one would with the vendor's simulator, then prints what that one cannot tell."""
    x = np.random.default_rng(0).standard_normal((1024, 2048)).astype(np.float32)
    want = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(nki.simulate(softmax)(x), want / want.sum(1, keepdims=True), rtol=1e-4)

    import thorong.nki

    result = thorong.nki.run(softmax, x, chip="trainium2")
    print(result)
    result.to_html("softmax.html")
    result.trace("softmax.json.gz")


if __name__ == "__main__":
    main()
