"""The vision graph of the starter encoder in integers: less than half the bytes, and more than twice as fast.

Activations become uint8, weights of convolutions int8 with a scale a channel; the classifier at the end stays float32.

x86 processors without VNNI add products of uint8 and int8 in pairs, in 16 bits, and two of 255 * 127 overflow there. So
convolutions that mix channels keep to weights of at most 64, and all processors give the same numbers; depthwise
ones are added up in 32 bits everywhere and use all eight.

Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8".
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SEVEN_BITS = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": True}
"""Weights from -64 to 64: 2 * 255 * 64 is below 2^15."""


class Pictures(CalibrationDataReader):
    """Hands out pictures, each (1, 252, 252, 3) uint8, to find the range of every activation."""

    def __init__(self, pictures: Iterable[NDArray[np.uint8]]) -> None:
        self._rest = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next input of the graph; None after the last."""
        picture = next(self._rest, None)
        return None if picture is None else {"pixels": picture}


def quantise_vision(exact: Path, pictures: Iterable[NDArray[np.uint8]], out: Path) -> None:
    """Write the graph `exact` in integers.

    Args:
        exact: the float32 graph that `export_vision` wrote.
        pictures: photos, (1, 252, 252, 3) uint8 each; a hundred are enough.
        out: the file to write.
    """
    with TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(exact, folded, skip_symbolic_shape=True)
        graph = onnx.load(folded).graph
        quantize_static(
            folded,
            out,
            Pictures(pictures),
            nodes_to_exclude=[node.name for node in graph.node if node.op_type == "Gemm"],
            activation_type=QuantType.QUInt8,
            per_channel=True,
            extra_options={"TensorQuantOverrides": {name: [dict(SEVEN_BITS)] for name in mixing_weights(graph)}},
        )


def mixing_weights(graph: onnx.GraphProto) -> list[str]:
    """Names of the weights of the convolutions that mix channels."""
    return [node.input[1] for node in graph.node if node.op_type == "Conv" and not _is_depthwise(node)]


def _is_depthwise(convolution: onnx.NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in convolution.attribute)
