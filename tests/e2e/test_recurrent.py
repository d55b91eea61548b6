# SPDX-License-Identifier: Apache-2.0
"""LSTM, GRU and RNN beside ONNX Runtime: directions, initial states, peepholes, lengths, clips, activations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_node import check, make_model

pytest.importorskip("onnxruntime")

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, BATCH, INPUT, HIDDEN = 5, 3, 4, 6


def operands(op: str, directions: int = 1, parts: str = "b", seed: int = 1) -> list[np.ndarray | None]:
    """X, W, R and what `parts` names: b bias, l lengths, h and c initial states, p peepholes."""
    random = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return random.normal(0, 0.7, shape).astype(np.float32)

    rows = GATES[op] * HIDDEN
    given: list[np.ndarray | None] = [normal(STEPS, BATCH, INPUT), normal(directions, rows, INPUT), normal(directions, rows, HIDDEN)]
    given.append(normal(directions, 2 * rows) if "b" in parts else None)
    given.append(np.array([5, 2, 3], np.int32) if "l" in parts else None)
    given.append(normal(directions, BATCH, HIDDEN) if "h" in parts else None)
    if op == "LSTM":
        given.append(normal(directions, BATCH, HIDDEN) if "c" in parts else None)
        given.append(normal(directions, 3 * HIDDEN) if "p" in parts else None)
    return given


def run(op: str, parts: str = "b", direction: str = "forward", **attributes: Any) -> None:
    given = operands(op, 2 if direction == "bidirectional" else 1, parts)
    check(op, given, 3 if op == "LSTM" else 2, constants=(1, 2, 3, 7), hidden_size=HIDDEN, direction=direction, **attributes)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("parts", ["", "b", "blhcp"])
@pytest.mark.parametrize("op", list(GATES))
def test_directions_lengths_and_states(op: str, parts: str, direction: str) -> None:
    run(op, parts, direction)


@pytest.mark.parametrize("op", list(GATES))
def test_a_clip_bounds_what_goes_into_the_activations(op: str) -> None:
    run(op, "bhcp", clip=0.3)


def test_lstm_with_coupled_gates() -> None:
    run("LSTM", "bhc", input_forget=1)


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("parts", ["", "blh"])
def test_gru_with_the_reset_gate_after_the_product(parts: str, direction: str) -> None:
    run("GRU", parts, direction, linear_before_reset=1)


@pytest.mark.parametrize(
    ("names", "alpha", "beta"),
    [
        (["Relu"], [], []),
        (["Softsign"], [], []),
        (["Softplus"], [], []),
        (["Affine"], [0.5], [0.25]),
        (["LeakyRelu"], [0.2], []),
        (["ThresholdedRelu"], [0.3], []),
        (["ScaledTanh"], [1.5], [0.7]),
        (["HardSigmoid"], [0.3], [0.4]),
        (["Elu"], [0.8], []),
    ],
)
def test_activations_with_parameters(names: list[str], alpha: list[float], beta: list[float]) -> None:
    lists = {key: value for key, value in {"activation_alpha": alpha, "activation_beta": beta}.items() if value}
    run("RNN", "bh", activations=names, **lists)


def test_activations_of_both_directions_take_their_parameters_in_order() -> None:
    names = ["HardSigmoid", "LeakyRelu", "Sigmoid", "ScaledTanh"]
    run("GRU", "b", "bidirectional", activations=names, activation_alpha=[0.3, 0.1, 0.9], activation_beta=[0.4, 1.2])


@pytest.mark.parametrize("op", list(GATES))
def test_batches_first(op: str) -> None:
    """ONNX Runtime has only layout 0: its results are transposed."""
    from single_node import feeds, onnx_runtime, simulated

    given = operands(op, 2, "bhc")
    states = range(5, len(given) - 1 if op == "LSTM" else len(given))
    count = 3 if op == "LSTM" else 2
    attributes = {"hidden_size": HIDDEN, "direction": "bidirectional"}
    expected = onnx_runtime(make_model(op, given, count, version=14, **attributes), feeds(given, ()))
    turned = [np.ascontiguousarray(x.swapaxes(0, 1)) if i == 0 or i in states else x for i, x in enumerate(given)]
    found = simulated(make_model(op, turned, count, version=14, layout=1, **attributes), feeds(turned, ()))
    np.testing.assert_allclose(found[0], expected[0].transpose(2, 0, 1, 3), rtol=2e-5, atol=1e-5)
    for state, other in zip(found[1:], expected[1:]):
        np.testing.assert_allclose(state, other.swapaxes(0, 1), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"direction": "sideways"}, "direction must be forward, reverse or bidirectional"),
        ({"activations": ["Tanh", "Tanh"]}, "activations must name 1 functions, found 2"),
        ({"activations": ["Sin"]}, 'activation "Sin" is not one of ONNX\'s'),
        ({"hidden_size": 7}, "hidden_size is 7, but R has 6 columns"),
        ({"clip": -1.0}, "clip must not be negative"),
    ],
)
def test_bad_attributes_are_named(change: dict[str, Any], sentence: str) -> None:
    import thorong

    given = operands("RNN")
    model = make_model("RNN", given, 2, **{"hidden_size": HIDDEN, **change})
    with pytest.raises(thorong.Error, match=sentence):
        thorong.run(model, chip="trainium2", inputs={f"x{i}": x for i, x in enumerate(given[:4])})


def test_too_many_steps_are_refused() -> None:
    import thorong

    given = [np.zeros((5000, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)]
    model = make_model("RNN", given, 2, hidden_size=1)
    with pytest.raises(thorong.Error, match="the recurrence has 5000 steps; at most 4096 are unrolled"):
        thorong.run(model, chip="trainium2", inputs={f"x{i}": x for i, x in enumerate(given)})
