"""The vision graph in integers, against the float32 graph it is made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")
pytest.importorskip("torch")

import onnx

from train.starter.graphs import quantise_vision
from unite_search.encoders.starter.encoder import WEIGHTS

SIDE, CHANNELS, CLASSES = 8, 16, 5


def weights_of_convolutions(path: Path, *, depthwise: bool) -> list[NDArray[np.int8]]:
    """The int8 weights of either sort of convolution: they reach it through a node that gives them their scale."""
    graph = onnx.load(str(path)).graph
    constants = {entry.name: onnx.numpy_helper.to_array(entry) for entry in graph.initializer}
    stored = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    weights = [constants[stored[node.input[1]]] for node in graph.node if node.op_type == "Conv"]
    return [weight for weight in weights if (weight.shape[1] == 1) is depthwise]


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    """A small graph of the same kind: pixels, a convolution that mixes, a depthwise one, a classifier."""
    random = np.random.default_rng(0)
    shapes = {"mix": (CHANNELS, 3, 3, 3), "deep": (CHANNELS, 1, 3, 3), "fc": (CHANNELS, CLASSES)}
    constants = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    constants |= {"half": np.float32(128), "low": np.float32(0), "high": np.float32(6), "axes": np.array([2, 3])}
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        make("Div", ["floats", "half"], ["small"]),
        make("Transpose", ["small"], ["planes"], perm=[0, 3, 1, 2]),
        make("Conv", ["planes", "mix"], ["mixed"], name="a"),
        make("Clip", ["mixed", "low", "high"], ["clipped"]),
        make("Conv", ["clipped", "deep"], ["filtered"], name="b", group=CHANNELS),
        make("ReduceMean", ["filtered", "axes"], ["features"], keepdims=0),
        make("Gemm", ["features", "fc"], ["logits"], name="classifier"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [value("pixels", onnx.TensorProto.UINT8, ["N", SIDE, SIDE, 3])],
        [value("logits", onnx.TensorProto.FLOAT, ["N", CLASSES])],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    path = tmp_path / "exact.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), path)
    return path


def drawn_pictures(seed: int) -> list[NDArray[np.uint8]]:
    return list(np.random.default_rng(seed).integers(0, 256, (16, 1, SIDE, SIDE, 3), dtype=np.uint8))


def test_integers_say_nearly_what_floats_say_of_pictures_not_used_for_calibration(exact: Path, tmp_path: Path) -> None:
    quantise_vision(exact, drawn_pictures(0), tmp_path / "integers.onnx")
    paths = exact, tmp_path / "integers.onnx"
    pixels = np.concatenate(drawn_pictures(1))
    expected, found = (
        ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels})[0]
        for path in paths
    )
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_only_depthwise_weights_use_all_eight_bits_and_the_classifier_is_left_alone(
    exact: Path, tmp_path: Path
) -> None:
    out = tmp_path / "integers.onnx"
    quantise_vision(exact, drawn_pictures(0), out)
    (mixing,), (depthwise,) = (weights_of_convolutions(out, depthwise=sort) for sort in (False, True))
    assert [np.abs(weight.astype(int)).max() for weight in (mixing, depthwise)] == [64, 127]
    constants = {entry.name: entry for entry in onnx.load(str(out)).graph.initializer}
    assert constants["fc"].data_type == onnx.TensorProto.FLOAT


def test_no_pair_of_products_in_the_shipped_tower_overflows_sixteen_bits() -> None:
    mixing = weights_of_convolutions(WEIGHTS / "vision.onnx", depthwise=False)
    assert len(mixing) == 43
    assert 2 * 255 * max(np.abs(weight.astype(int)).max() for weight in mixing) < 2**15
