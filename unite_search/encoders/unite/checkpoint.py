"""A UNITE checkpoint on disk: which files it is made of, what its config says, and a fingerprint of its weights.

A folder with an `adapter_config.json` is a LoRA adapter; its base is looked for beside it, then as a model name. No
torch here. Only safetensors are read.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.encoders.unite.hub import local_folder
from unite_search.errors import EncoderUnavailableError

CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
MODEL_TYPES = ("qwen2_vl", "unite_qwen2_vl")
SAMPLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The folder of a model and, where there is one, of the adapter on top of it."""

    folder: Path
    adapter: Path | None = None

    def config(self) -> dict[str, Any]:
        """The content of `config.json`, with the model type that transformers knows.

        Raises:
            EncoderUnavailableError: it is not a Qwen2-VL model.
        """
        config: dict[str, Any] = json.loads((self.folder / CONFIG).read_text(encoding="utf-8"))
        if config.get("model_type") not in MODEL_TYPES:
            raise EncoderUnavailableError(
                f"{self.folder} holds a {config.get('model_type')!r} model; expected one of {', '.join(MODEL_TYPES)}"
            )
        return {**config, "model_type": MODEL_TYPES[0]}

    def dim(self) -> int:
        """Vector length; newer transformers write it one level down."""
        config = self.config()
        return int(config.get("text_config", config)["hidden_size"])

    def fingerprint(self) -> str:
        """A hash of names, shapes and a sample of every weight, adapter included; the folder's name does not count."""
        digest = hashlib.blake2b(digest_size=8)
        for folder in filter(None, (self.folder, self.adapter)):
            for path in weight_files(folder):
                _hash_weights(path, digest)
        return digest.hexdigest()


def find_checkpoint(name: str) -> Checkpoint:
    """Find a model or adapter by folder, hub id or alias, on this disk only.

    Raises:
        EncoderUnavailableError: it is not here, or lacks its weights; the message says how to get it.
    """
    folder = local_folder(name)
    if (folder / ADAPTER_CONFIG).is_file():
        base = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))["base_model_name_or_path"]
        beside = (folder / base).resolve()
        return Checkpoint(find_checkpoint(str(beside) if beside.is_dir() else base).folder, adapter=folder)
    if not (folder / CONFIG).is_file():
        raise EncoderUnavailableError(f"{folder} has no {CONFIG}; expected a UNITE model or a LoRA adapter of one")
    weight_files(folder)
    return Checkpoint(folder)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model or adapter, sorted.

    Raises:
        EncoderUnavailableError: there are none, or the index names one that is not there.
    """
    found = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else set()
    missing = sorted(listed - {path.name for path in found})
    if missing or not found:
        raise EncoderUnavailableError(f"{folder} lacks {missing[0] if missing else 'its weights (*.safetensors)'}")
    return found


def _hash_weights(path: Path, digest: hashlib.blake2b) -> None:
    """Header and the middle of each tensor: a file is not read whole, and training changes every tensor throughout."""
    with path.open("rb") as stream:
        (header_bytes,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(header_bytes))
        header.pop("__metadata__", None)
        for name, tensor in sorted(header.items()):
            start, end = tensor["data_offsets"]
            stream.seek(8 + header_bytes + max(start, (start + end - SAMPLE_BYTES) // 2))
            digest.update(f"{name} {tensor['dtype']} {tensor['shape']}".encode())
            digest.update(stream.read(min(SAMPLE_BYTES, end - start)))
