# SPDX-License-Identifier: Apache-2.0
"""The operators of ai.onnx.ml on numbers, beside ONNX Runtime: one small model each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

thorong = pytest.importorskip("thorong")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402

Array = NDArray[Any]
X = np.array([[1, -2, 0.5], [0.1, 0.2, -3], [0, 0, 0], [np.nan, 1, 1]], np.float32)
ROWS = X[:3]
FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
CLASSES = [INT64, FLOAT]


def make_model(op: str, inputs: dict[str, Array], outputs: list[int], version: int, attributes: dict[str, Any]) -> Any:
    results = [f"y{i}" for i in range(len(outputs))]
    node = helper.make_node(op, list(inputs), results, domain="ai.onnx.ml", **attributes)
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in inputs.items()}
    declared = [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in inputs.items()]
    infos = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(results, outputs, strict=True)]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", version)]
    graph = helper.make_graph([node], op, declared, infos)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def compare(op: str, inputs: dict[str, Array], outputs: list[int], version: int = 3, **attributes: Any) -> None:
    model = make_model(op, inputs, outputs, version, attributes)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(None, inputs)
    found = thorong.run(model, chip="trainium2", inputs=inputs, auto_cast="none").outputs
    for i, value in enumerate(expected):
        actual = found[f"y{i}"]
        assert actual.shape == value.shape
        if value.dtype == object:
            assert actual.tolist() == value.tolist()
        else:
            assert actual.dtype == value.dtype
            np.testing.assert_allclose(actual, value, rtol=1e-5, atol=1e-6)


STUMPS = {
    "nodes_treeids": [0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 0, 1, 2],
    "nodes_featureids": [0, 0, 0, 1, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    "nodes_values": [0.5, 0, 0, 0.1, 0, 0],
    "nodes_truenodeids": [1, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 0, 0, 2, 0, 0],
    "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0],
    "nodes_hitrates": [1.0] * 6,
}


def random_trees(count: int, depth: int, features: int, seed: int) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Complete trees with thresholds of every kind, and their leaves as (tree, node)."""
    random = np.random.default_rng(seed)
    trees: dict[str, list[Any]] = {key: [] for key in STUMPS}
    leaves = []
    kinds = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]
    for tree in range(count):
        for node in range(2 ** (depth + 1) - 1):
            leaf = node >= 2**depth - 1
            trees["nodes_treeids"].append(tree)
            trees["nodes_nodeids"].append(node)
            trees["nodes_featureids"].append(0 if leaf else int(random.integers(features)))
            trees["nodes_modes"].append("LEAF" if leaf else kinds[int(random.integers(6))])
            trees["nodes_values"].append(float(random.integers(-2, 3)) / 2)
            trees["nodes_truenodeids"].append(0 if leaf else 2 * node + 1)
            trees["nodes_falsenodeids"].append(0 if leaf else 2 * node + 2)
            trees["nodes_missing_value_tracks_true"].append(int(random.integers(2)))
            trees["nodes_hitrates"].append(1.0)
            if leaf:
                leaves.append((tree, node))
    return trees, leaves


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("weights", [[0.2, 0.6, 0.1, 0.3], [0.2, -0.6, 0.1, 0.3]], ids=["positive", "mixed"])
@pytest.mark.parametrize("voted", [0, 1])
def test_trees_of_two_classes_that_are_one_score(transform: str, weights: list[float], voted: int) -> None:
    votes = {"class_treeids": [0, 0, 1, 1], "class_nodeids": [1, 2, 1, 2], "class_ids": [voted] * 4}
    labels = {"classlabels_int64s": [10, 20], "post_transform": transform, "class_weights": weights}
    compare("TreeEnsembleClassifier", {"x": X}, CLASSES, **STUMPS, **votes, **labels)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("base", [{}, {"base_values": [0.1, 0.2, 0.3]}], ids=["", "base"])
@pytest.mark.parametrize("sign", [1, -1])
def test_trees_of_three_classes(transform: str, base: dict[str, Any], sign: int) -> None:
    votes = {"class_treeids": [0, 0, 1, 1], "class_nodeids": [1, 2, 1, 2], "class_ids": [0, 1, 2, 1]}
    labels = {"classlabels_int64s": [1, 2, 3], "post_transform": transform}
    weights = [sign * w for w in (0.2, 0.6, 0.1, 0.3)]
    compare("TreeEnsembleClassifier", {"x": X}, CLASSES, **STUMPS, **votes, **labels, class_weights=weights, **base)


def test_trees_give_string_labels() -> None:
    votes = {"class_treeids": [0, 0, 1, 1], "class_nodeids": [1, 2, 1, 2], "class_ids": [0, 1, 2, 1]}
    labels = {"classlabels_strings": ["ant", "bee", "cow"], "class_weights": [0.2, 0.6, 0.1, 0.3]}
    compare("TreeEnsembleClassifier", {"x": X}, [STRING, FLOAT], **STUMPS, **votes, **labels)


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
def test_trees_of_numbers(aggregate: str) -> None:
    trees, leaves = random_trees(5, 4, 3, 7)
    random = np.random.default_rng(3)
    x = (random.integers(-4, 5, (40, 3)) / 2).astype(np.float32)
    x[::7, 1] = np.nan
    leaves = [leaf for leaf in leaves for _ in range(2)]  # every leaf votes for both targets
    targets = {
        "target_treeids": [tree for tree, _ in leaves],
        "target_nodeids": [node for _, node in leaves],
        "target_ids": [i % 2 for i in range(len(leaves))],
        "target_weights": [float(w) for w in random.standard_normal(len(leaves)).astype(np.float32)],
        "n_targets": 2,
    }
    base = {"base_values": [0.5, 0.25]}
    compare("TreeEnsembleRegressor", {"x": x}, [FLOAT], **trees, **targets, **base, aggregate_function=aggregate)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"])
@pytest.mark.parametrize("rows", [1, 2, 3])
def test_linear_classifier(transform: str, rows: int) -> None:
    if rows == 1 and transform == "PROBIT":
        pytest.skip("refused: ONNX Runtime's scores are not those of the rows")
    coefficients = [0.3, -0.2, 0.1, 0.05, 0.2, -0.4, -0.1, 0.3, 0.2][: 3 * rows]
    labels = [10, 20, 30][: max(rows, 2)]
    compare(
        "LinearClassifier", {"x": ROWS}, CLASSES, 1, coefficients=coefficients, intercepts=[0.05, -0.1, 0.2][:rows],
        classlabels_ints=labels, post_transform=transform, multi_class=0,
    )  # fmt: skip


def test_linear_regressor() -> None:
    coefficients = [0.3, -0.2, 0.1, 0.05, 0.2, -0.4]
    compare("LinearRegressor", {"x": ROWS}, [FLOAT], 1, coefficients=coefficients, intercepts=[0.5, 1.0], targets=2)


PAIRS = [0.3, -0.2, 0.1, 0.5, -0.1, -0.4]


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("probabilities", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_svm_classifier(kernel: str, transform: str, probabilities: bool, classes: int) -> None:
    x = ROWS[:, :2]
    attributes: dict[str, Any] = {
        "kernel_type": kernel,
        "kernel_params": [0.5, 0.1, 2.0],
        "vectors_per_class": [1, 2] if classes == 2 else [1, 1, 1],
        "support_vectors": [0.0, -0.1, 0.2, -0.3, 0.4, -0.5],
        "coefficients": PAIRS[: 3 * (classes - 1)],
        "rho": [0.05, -0.1, 0.02][: classes * (classes - 1) // 2],
        "classlabels_ints": [10, 20, 30][:classes],
        "post_transform": transform,
    }
    if probabilities:
        attributes["prob_a"] = [-1.0, -2.0, -0.5][: len(attributes["rho"])]
        attributes["prob_b"] = [0.2, 0.1, 0.0][: len(attributes["rho"])]
    compare("SVMClassifier", {"x": x}, CLASSES, 1, **attributes)


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
@pytest.mark.parametrize("one_class", [0, 1])
def test_svm_regressor(kernel: str, one_class: int) -> None:
    compare(
        "SVMRegressor", {"x": ROWS[:, :2]}, [FLOAT], 1, kernel_type=kernel, kernel_params=[0.5, 0.1, 2.0], n_supports=3,
        coefficients=[0.3, -0.2, 0.1], rho=[0.05], support_vectors=[0.1, 0.2, -0.3, 0.5, 1, 2], one_class=one_class,
    )  # fmt: skip


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_normalizer(norm: str) -> None:
    compare("Normalizer", {"x": ROWS}, [FLOAT], 1, norm=norm)
    compare("Normalizer", {"x": -ROWS[0]}, [FLOAT], 1, norm=norm)


FEATURES: list[tuple[str, dict[str, Array], list[int], dict[str, Any]]] = [
    ("Scaler", {"x": ROWS}, [FLOAT], {"offset": [1.0, 2, 3], "scale": [2.0, 3, 4]}),
    ("Scaler", {"x": ROWS[0].astype(np.int64)}, [FLOAT], {"offset": [1.0], "scale": [2.0]}),
    ("Binarizer", {"x": ROWS}, [FLOAT], {"threshold": 0.1}),
    ("OneHotEncoder", {"x": np.array([[1, 3], [2, 7]])}, [FLOAT], {"cats_int64s": [1, 2, 3], "zeros": 1}),
    ("OneHotEncoder", {"x": np.array([1.7, -2.2, 3], np.float32)}, [FLOAT], {"cats_int64s": [1, -2, 3], "zeros": 1}),
    ("FeatureVectorizer", {"a": ROWS, "b": ROWS[:, :2]}, [FLOAT], {"inputdimensions": [2, 2]}),
    ("Imputer", {"x": X}, [FLOAT], {"imputed_value_floats": [9.0, 8, 7], "replaced_value_float": float("nan")}),
    ("Imputer", {"x": X}, [FLOAT], {"imputed_value_floats": [9.0], "replaced_value_float": 1.0}),
    ("Imputer", {"x": np.array([[1, 2], [3, 1]])}, [INT64], {"imputed_value_int64s": [5, 6], "replaced_value_int64": 1}),
    ("ArrayFeatureExtractor", {"x": ROWS, "i": np.array([2, 0])}, [FLOAT], {}),
    ("ArrayFeatureExtractor", {"x": ROWS[0], "i": np.array([2, 0])}, [FLOAT], {}),
]


@pytest.mark.parametrize(("op", "inputs", "outputs", "attributes"), FEATURES)
def test_features(op: str, inputs: dict[str, Array], outputs: list[int], attributes: dict[str, Any]) -> None:
    compare(op, inputs, outputs, 1, **attributes)


WORDS = np.array([["a", "b"], ["c", "a"]], object)
LABELS: list[tuple[Array, int, int, dict[str, Any]]] = [
    (np.array([1, 2, 9]), FLOAT, 2, {"keys_int64s": [1, 2], "values_floats": [5.0, 6.0], "default_float": -1.0}),
    (np.array([1, np.nan, 3], np.float32), INT64, 4, {"keys_floats": [1.0, float("nan")], "values_int64s": [5, 6]}),
    (np.array([[7], [8]]), INT64, 2, {"keys_int64s": [2**62 + 1, 8], "values_int64s": [5, -6], "default_int64": 3}),
    (np.array([1, 2, 9]), STRING, 2, {"keys_int64s": [1, 2], "values_strings": ["x", "y"], "default_string": "?"}),
    (WORDS, FLOAT, 2, {"keys_strings": ["a", "b"], "values_floats": [5.0, 6.0]}),
    (WORDS, STRING, 2, {"keys_strings": ["a", "b"], "values_strings": ["x", "y"]}),
    (WORDS, INT64, 1, {"classes_strings": ["b", "a"], "default_int64": 7}),
    (np.array([0, 1, 2]), STRING, 1, {"classes_strings": ["b", "a"], "default_string": "?"}),
]


@pytest.mark.parametrize(("x", "output", "version", "attributes"), LABELS)
def test_label_encoder(x: Array, output: int, version: int, attributes: dict[str, Any]) -> None:
    compare("LabelEncoder", {"x": x}, [output], version, **attributes)


BAD: list[tuple[str, list[int], dict[str, Any], str]] = [
    ("Normalizer", [FLOAT], {"norm": "L7"}, "none of MAX, L1 and L2"),
    ("Scaler", [FLOAT], {"offset": [1.0, 2.0]}, "one each of the 3 columns"),
    ("LinearRegressor", [FLOAT], {"coefficients": [1.0, 2.0]}, "rows of the 3 features"),
    ("LinearClassifier", CLASSES, {"coefficients": [1.0] * 6}, "expected labels"),
    ("Imputer", [FLOAT], {"imputed_value_floats": [1.0, 2.0]}, "found 2"),
    ("FeatureVectorizer", [FLOAT], {"inputdimensions": [1, 2]}, "for 1 inputs"),
    ("LabelEncoder", [FLOAT], {"keys_floats": [1.0], "values_floats": [1.0, 2.0]}, "as many values"),
    ("TreeEnsembleRegressor", [FLOAT], {**STUMPS, "nodes_truenodeids": [0, 0, 0, 1, 0, 0]}, "does not lead to"),
    ("TreeEnsembleRegressor", [FLOAT], {**STUMPS, "nodes_modes": ["BRANCH_X"] * 6}, "BRANCH_X"),
    ("TreeEnsembleRegressor", [FLOAT], {**STUMPS, "nodes_featureids": [9] * 6}, "does not exist"),
    ("SVMRegressor", [FLOAT], {"coefficients": [1.0], "n_supports": 1, "rho": [0.0], "support_vectors": [1.0]}, "3 features"),
]


@pytest.mark.parametrize(("op", "outputs", "attributes", "message"), BAD)
def test_bad_attributes_are_named(op: str, outputs: list[int], attributes: dict[str, Any], message: str) -> None:
    model = make_model(op, {"x": ROWS}, outputs, 3, attributes)
    with pytest.raises(thorong.Error, match=message):
        thorong.run(model, chip="trainium2", inputs={"x": ROWS}, auto_cast="none")
