"""A UNITE checkpoint on disk: its files, its config and a fingerprint of its weights.

A folder with an `adapter_config.json` is a LoRA adapter; its base is looked for at the path relative to that folder,
then as a model name. This module does not import torch, and reads safetensors only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.encoders.unite.hub import local_folder
from unite_search.errors import EncoderUnavailableError

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
TOKENIZERS = ("tokenizer.json", "vocab.json")
MODEL_TYPES = ("qwen2_vl", "unite_qwen2_vl")
SAMPLE_BYTES = 4096
LENGTH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The folder of a model and, if there is one, of the adapter on top of it."""

    folder: Path
    adapter: Path | None = None

    def config(self) -> dict[str, Any]:
        """Read `config.json`, with the model type replaced by the one that transformers knows.

        Raises:
            EncoderUnavailableError: it is not the config of a Qwen2-VL model.
        """
        config = read_json(self.folder / CONFIG)
        if config.get("model_type") not in MODEL_TYPES:
            raise EncoderUnavailableError(
                f"{self.folder} holds a {config.get('model_type')!r} model; expected one of {', '.join(MODEL_TYPES)}"
            )
        return {**config, "model_type": MODEL_TYPES[0]}

    def dim(self) -> int:
        """Return the length of an embedding; newer versions of transformers write it into `text_config`."""
        config = self.config()
        return int(config.get("text_config", config)["hidden_size"])

    def fingerprint(self) -> str:
        """Return a hash of name, shape and a sample of every weight, adapter included; folder names do not matter."""
        digest = hashlib.blake2b(digest_size=8)
        for folder in filter(None, (self.folder, self.adapter)):
            for path in weight_files(folder):
                _hash_weights(path, digest)
        return digest.hexdigest()


def find_checkpoint(name: str) -> Checkpoint:
    """Find a model or adapter by folder, hub id or alias, on this disk only.

    Raises:
        EncoderUnavailableError: it is not on this disk, or a part is missing; the message says how to get it.
    """
    folder = local_folder(name)
    if (folder / ADAPTER_CONFIG).is_file():
        return Checkpoint(_base_of(folder), adapter=folder)
    if not (folder / CONFIG).is_file():
        raise EncoderUnavailableError(f"{folder} has no {CONFIG}; expected a UNITE model or a LoRA adapter of one")
    weight_files(folder)
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise EncoderUnavailableError(f"{folder} lacks its tokenizer ({TOKENIZERS[0]})")
    return Checkpoint(folder)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model or adapter, sorted.

    Raises:
        EncoderUnavailableError: there are none, the index names one that does not exist, or one is damaged.
    """
    found = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    listed = set(read_json(index)["weight_map"].values()) if index.is_file() else set()
    missing = sorted(listed - {path.name for path in found})
    if missing or not found:
        raise EncoderUnavailableError(f"{folder} lacks {missing[0] if missing else 'its weights (*.safetensors)'}")
    for path in found:
        _read_header(path)
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file of a checkpoint.

    Raises:
        EncoderUnavailableError: the file does not hold one.
    """
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise EncoderUnavailableError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise EncoderUnavailableError(f"{path} is damaged: expected an object")
    return content


def _base_of(adapter: Path) -> Path:
    """Find the folder of the model that an adapter adapts."""
    base = read_json(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise EncoderUnavailableError(f"{adapter / ADAPTER_CONFIG} does not name the model that it adapts")
    beside = (adapter / base).resolve()
    try:
        return find_checkpoint(str(beside) if beside.is_dir() else base).folder
    except EncoderUnavailableError as error:
        raise EncoderUnavailableError(f"{adapter} adapts {base}: {error}") from error


def _hash_weights(path: Path, digest: hashlib.blake2b) -> None:
    """Hash the header and the middle of each tensor; that is enough, since training changes all parts of a tensor."""
    tensors, begin = _read_header(path)
    with path.open("rb") as stream:
        for name, tensor in sorted(tensors.items()):
            start, end = tensor["data_offsets"]
            stream.seek(begin + max(start, (start + end - SAMPLE_BYTES) // 2))
            digest.update(f"{name} {tensor['dtype']} {tensor['shape']}".encode())
            digest.update(stream.read(min(SAMPLE_BYTES, end - start)))


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Read the header of a safetensors file: the description of each tensor, and the offset of the first one.

    Raises:
        EncoderUnavailableError: the file is truncated, or not a safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(LENGTH_BYTES), "little")
        begin = LENGTH_BYTES + length
        try:
            tensors = json.loads(stream.read(length)) if begin <= size else None
        except ValueError:
            tensors = None
    if not isinstance(tensors, dict):
        raise EncoderUnavailableError(f"{path} holds no weights; fetch it again (with `git lfs pull`, if from git)")
    tensors.pop("__metadata__", None)
    expected = begin + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
    if size != expected:
        raise EncoderUnavailableError(f"{path} is damaged: {size:,} bytes, expected {expected:,}; fetch it again")
    return tensors, begin
