"""The ONNX graphs of the starter encoder, made from the published networks; the vision graph is quantised to int8.

Each graph contains all steps from raw input to result, so that the program that runs it needs none of their constants.

In the int8 graph, activations are uint8 and weights of convolutions int8 with a scale for each channel; the classifier
at the end stays float32. The graph has less than half the bytes of the float32 graph and is more than twice as fast.

x86 processors without VNNI add pairs of products of uint8 and int8 in 16 bits, and two of 255 * 127 overflow there. So
the weights of convolutions that mix channels are limited to 64, and all processors give the same numbers; depthwise
convolutions are accumulated in 32 bits everywhere and use all eight bits.

Source: onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "When and why do I need to try U8U8".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from unite_search.encoders.starter.towers import VISION_SIDE

OPSET = 18
PIXEL_MEAN, PIXEL_SPREAD = 127.0, 128.0
"""Source: tensorflow/tpu models/official/efficientnet/lite/efficientnet_lite_builder.py MEAN_RGB, STDDEV_RGB."""
MAX_TOKENS = 256
"""Source: sentence-transformers/all-MiniLM-L6-v2 sentence_bert_config.json max_seq_length."""
WORD_TABLE = "inner.embeddings.word_embeddings.weight"
SEVEN_BITS = {"axis": 0, "quant_type": QuantType.QInt8, "symmetric": True, "reduce_range": True}
"""Weights from -64 to 64: 2 * 255 * 64 is below 2^15."""


class VisionNetwork(torch.nn.Module):
    """EfficientNet-Lite2 from raw pixels to logits and pooled features."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 252, 252, 3) uint8 to (N, 1000) logits and (N, 1280) features."""
        normal = (pixels.float() - PIXEL_MEAN) / PIXEL_SPREAD
        features = self.backbone.extract_features(normal.permute(0, 3, 1, 2)).mean((2, 3))
        return self.backbone._fc(features), features


def export_vision(vision: VisionNetwork, path: Path) -> None:
    """Write the float32 vision graph, without the names of source files that the exporter records in it."""
    example = torch.zeros((2, VISION_SIDE, VISION_SIDE, 3), dtype=torch.uint8)
    program = torch.onnx.export(
        vision,
        (example,),
        dynamo=True,
        dynamic_shapes={"pixels": {0: torch.export.Dim("N", min=1, max=4096)}},
        input_names=["pixels"],
        output_names=["logits", "features"],
        opset_version=OPSET,
    )
    model = program.model_proto
    for entry in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        entry.ClearField("metadata_props")
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


class CalibrationPictures(CalibrationDataReader):
    """Feeds pictures, each (1, 252, 252, 3) uint8, to the calibration, which finds the range of every activation."""

    def __init__(self, pictures: Iterable[NDArray[np.uint8]]) -> None:
        self._rest = iter(pictures)

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """Return the next input of the graph, or None after the last."""
        picture = next(self._rest, None)
        return None if picture is None else {"pixels": picture}


def quantise_vision(exact: Path, pictures: Iterable[NDArray[np.uint8]], out: Path) -> None:
    """Quantise the vision graph to int8.

    Args:
        exact: the float32 graph that `export_vision` wrote.
        pictures: photos for the calibration, (1, 252, 252, 3) uint8 each; a hundred are enough.
        out: the file to write.
    """
    with TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"
        quant_pre_process(exact, folded, skip_symbolic_shape=True)
        graph = onnx.load(folded).graph
        quantize_static(
            folded,
            out,
            CalibrationPictures(pictures),
            nodes_to_exclude=[node.name for node in graph.node if node.op_type == "Gemm"],
            activation_type=QuantType.QUInt8,
            per_channel=True,
            extra_options={"TensorQuantOverrides": {name: [dict(SEVEN_BITS)] for name in mixing_weights(graph)}},
        )


def mixing_weights(graph: onnx.GraphProto) -> list[str]:
    """Return the names of the weights of convolutions that mix channels."""
    return [node.input[1] for node in graph.node if node.op_type == "Conv" and not _is_depthwise(node)]


def _is_depthwise(convolution: onnx.NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in convolution.attribute)


def export_text(source: bytes, path: Path) -> None:
    """Write the text graph, which maps token ids to the mean of the token states at unit length.

    Padding is id 0, so the graph computes the mask itself; token types are all 0. Rows of the word table are gathered
    before they are converted to float32, which saves 0.1 s of CPU time whenever the graph is opened.
    """
    model = onnx.load_from_string(source)
    graph = model.graph
    kept = [node for node in graph.node if node.output[0] not in (WORD_TABLE, f"{WORD_TABLE}_f")]
    body = [new for node in kept for new in (_word_nodes(node) if WORD_TABLE in node.input else [node])]
    nodes = [*_text_input_nodes(), *body, *_text_output_nodes(graph.output[0].name)]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.append(helper.make_tensor("pad_id", TensorProto.INT64, [], [0]))
    graph.initializer.append(helper.make_tensor("token_axis", TensorProto.INT64, [1], [1]))
    graph.initializer.append(helper.make_tensor("last_axis", TensorProto.INT64, [1], [-1]))
    graph.input.append(helper.make_tensor_value_info("ids", TensorProto.INT64, ["N", "T"]))
    graph.output.append(helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["N", 384]))
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _text_input_nodes() -> list[onnx.NodeProto]:
    return [
        helper.make_node("Identity", ["ids"], ["input_ids"]),
        helper.make_node("Equal", ["ids", "pad_id"], ["is_pad"]),
        helper.make_node("Not", ["is_pad"], ["is_token"]),
        helper.make_node("Cast", ["is_token"], ["attention_mask"], to=TensorProto.INT64),
        helper.make_node("Sub", ["ids", "ids"], ["token_type_ids"]),
    ]


def _word_nodes(gather: onnx.NodeProto) -> list[onnx.NodeProto]:
    ids = gather.input[1]
    return [
        helper.make_node("Gather", [f"{WORD_TABLE}_q", ids], ["words_q"]),
        helper.make_node("Cast", ["words_q"], ["words_f"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{WORD_TABLE}_scale", ids], ["word_scales"]),
        helper.make_node("Mul", ["words_f", "word_scales"], [gather.output[0]]),
    ]


def _text_output_nodes(states: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", ["is_token"], ["token_weight"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["token_weight", "last_axis"], ["token_weights"]),
        helper.make_node("Mul", [states, "token_weights"], ["token_states"]),
        helper.make_node("ReduceSum", ["token_states", "token_axis"], ["pooled"], keepdims=0),
        helper.make_node("ReduceL2", ["pooled"], ["length"], axes=[-1], keepdims=1),
        helper.make_node("Div", ["pooled", "length"], ["embeddings"]),
    ]


def export_tokenizer(source: bytes, path: Path) -> None:
    """Write the tokenizer without padding, with truncation at the length that MiniLM is published with."""
    spec = json.loads(source)
    spec["padding"] = None
    spec["truncation"]["max_length"] = MAX_TOKENS
    path.write_text(json.dumps(spec, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
