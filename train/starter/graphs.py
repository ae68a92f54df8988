"""The graphs of the starter encoder: what of the published networks goes into ONNX files, and in which form.

Each graph holds everything between raw input and result, so that the program that runs it holds no constants of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from unite_search.encoders.starter.towers import VISION_SIDE

OPSET = 18
PIXEL_MEAN, PIXEL_SPREAD = 127.0, 128.0
"""Source: tensorflow/tpu models/official/efficientnet/lite/efficientnet_lite_builder.py MEAN_RGB, STDDEV_RGB."""
MAX_TOKENS = 256
"""Source: sentence-transformers/all-MiniLM-L6-v2 sentence_bert_config.json max_seq_length."""
WORD_TABLE = "inner.embeddings.word_embeddings.weight"


class Vision(torch.nn.Module):
    """EfficientNet-Lite2 from raw pixels to logits and pooled features."""

    def __init__(self, backbone: torch.nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (N, 252, 252, 3) uint8 to (N, 1000) logits and (N, 1280) features."""
        normal = (pixels.float() - PIXEL_MEAN) / PIXEL_SPREAD
        features = self.backbone.extract_features(normal.permute(0, 3, 1, 2)).mean((2, 3))
        return self.backbone._fc(features), features


def export_vision(vision: Vision, path: Path) -> None:
    """Write the vision graph; names of source files that the exporter leaves in it are removed."""
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


def export_text(source: bytes, path: Path) -> None:
    """Write the text graph: ids alone go in, the mean of the token states comes out at unit length.

    Padding is id 0, so the mask is found in the graph; token types are all 0. Rows of the word table are picked before
    they become float32 and not after, which saves 0.1 s of CPU time whenever the graph is opened.
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
    """Write the tokenizer without padding, cut at the length that MiniLM was used with."""
    spec = json.loads(source)
    spec["padding"] = None
    spec["truncation"]["max_length"] = MAX_TOKENS
    path.write_text(json.dumps(spec, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
