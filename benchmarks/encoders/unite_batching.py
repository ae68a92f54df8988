"""Measure the padding that ordering by length saves, and how close `encode` comes to the speed of the model alone.

The items are 2000 captions, 200 photos and 79 clips, in random order. Padding is counted in tokens, with default
options. Speed is measured on the same mix with fewer pixels and frames, because it would take an hour otherwise. The
model alone is given the same batches, already prepared. Where the model uses all cores, preparing pixels takes time
from it; the bound is the best ratio that `encode` can reach. In a tiny model preparation takes a larger share of the
time than in any real one, so speed is also measured with random weights of 30 million parameters, a seventieth of the
smallest real model.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from transformers import Qwen2VLConfig, Qwen2VLModel

from benchmarks.common.photos import read_clips, read_photos
from unite_search.content import Clip, Content
from unite_search.encoders.base import EncoderOptions
from unite_search.encoders.unite.batches import padded_tokens, plan_batches
from unite_search.encoders.unite.collate import Batch, collate
from unite_search.encoders.unite.encoder import UniteEncoder
from unite_search.media.load import load_image
from unite_search.media.video import Video

CAPTIONS, PHOTOS = 2000, 200
ARRIVAL_BATCHES = (8, 32)
FEWER = EncoderOptions(max_pixels=64 * 28 * 28, max_frames=4)
ROUNDS = 3
MAX_FRAME_PIXELS = 10_000_000
LARGER = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 4}
LARGER_VISION = {"depth": 4, "embed_dim": 256, "num_heads": 8, "hidden_size": 768}


def run(data: Path, checkpoint: Path) -> dict[str, Any]:
    """Measure padding, then speed."""
    encoder = UniteEncoder(str(checkpoint))
    kinds = _read_mix(data, encoder)
    lengths = [len(encoder.inputs.tokenize(content, "candidate")) for content in _shuffled(kinds)]
    contents = _shuffled(_read_mix(data, UniteEncoder(str(checkpoint), FEWER)))
    with tempfile.TemporaryDirectory() as folder:
        models = {"tiny": checkpoint, "30 million parameters": _make_larger(checkpoint, Path(folder))}
        speeds = {size: _speeds(UniteEncoder(str(model), FEWER), contents) for size, model in models.items()}
    return {
        "items": {kind: len(contents) for kind, contents in kinds.items()},
        "padding": _padding(lengths, encoder.tokens_per_batch),
        "speed": {"options": FEWER.stored(), **speeds},
    }


def _shuffled(kinds: dict[str, list[Content]]) -> list[Content]:
    mix = [content for contents in kinds.values() for content in contents]
    return [mix[at] for at in np.random.default_rng(0).permutation(len(mix))]


def _read_mix(data: Path, encoder: UniteEncoder) -> dict[str, list[Content]]:
    photos = read_photos(data, "dev")
    captions = [caption for photo in photos for caption in photo.captions][:CAPTIONS]
    return {
        "texts": [Content((caption,)) for caption in captions],
        "photos": [Content((load_image(photo.path, encoder.media)[0],)) for photo in photos[:PHOTOS]],
        "clips": [Content((_clip(clip.path, encoder),)) for clip in read_clips(data)],
    }


def _clip(path: Path, encoder: UniteEncoder) -> Clip:
    video = Video(path, max_pixels=MAX_FRAME_PIXELS)
    return video.clip(video.choose(encoder.media.sampler, 0.0, video.duration_s), side=None)


def _padding(lengths: Sequence[int], budget: int) -> dict[str, Any]:
    """Count the tokens computed, padding included, per real token, by order and size of batches."""
    real = sum(lengths)
    plan = plan_batches(lengths, budget)
    result: dict[str, Any] = {"tokens": real, "tokens_per_batch": budget, "batches": len(plan)}
    result["by_length"] = round(padded_tokens(plan, lengths) / real, 4)
    for size in ARRIVAL_BATCHES:
        arrival = [range(start, min(start + size, len(lengths))) for start in range(0, len(lengths), size)]
        result[f"arrival_order_batches_of_{size}"] = round(padded_tokens(arrival, lengths) / real, 4)
    return result


def _speeds(encoder: UniteEncoder, contents: Sequence[Content]) -> dict[str, Any]:
    """Time `encode`, and the model alone on the batches of `encode`, in alternating rounds."""
    with threadpool_limits(1, user_api="openmp"):
        started = time.process_time()
        prepared = _prepared(encoder, contents)
        preparing_s = time.process_time() - started
    encoder.model.embed(prepared[-1])
    rounds = [
        (
            _seconds(lambda: [encoder.model.embed(batch) for batch in prepared]),
            _seconds(lambda: encoder.encode(contents, role="candidate")),
        )
        for _ in range(ROUNDS)
    ]
    alone_s, encode_s = (statistics.median(times) for times in zip(*rounds, strict=True))
    return {
        "model_alone_items_per_s": round(len(contents) / alone_s, 2),
        "encode_items_per_s": round(len(contents) / encode_s, 2),
        "preparing_cpu_s": round(preparing_s, 2),
        "bound": round(alone_s / (alone_s + preparing_s / torch.get_num_threads()), 3),
        "ratios": [round(alone / whole, 3) for alone, whole in rounds],
        "median_ratio": round(statistics.median(alone / whole for alone, whole in rounds), 3),
    }


def _prepared(encoder: UniteEncoder, contents: Sequence[Content]) -> list[Batch]:
    """Prepare the batches that `encode` would run."""
    items = [encoder.inputs.tokenize(content, "candidate") for content in contents]
    plan = plan_batches([len(item) for item in items], encoder.tokens_per_batch)
    prepare, pad_id = encoder.inputs.prepare, encoder.inputs.pad_id
    return [collate([prepare(items[at]) for at in batch], pad_id=pad_id) for batch in plan]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _make_larger(checkpoint: Path, folder: Path) -> Path:
    """Write a larger model with random weights and the tokenizer of the tiny checkpoint; returns its folder."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    heads = {"num_attention_heads": 12, "num_key_value_heads": 4}
    rope = {"rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]}}
    config |= {**LARGER, **heads, **rope, "model_type": "qwen2_vl"}
    config["vision_config"] |= LARGER_VISION
    torch.manual_seed(0)
    Qwen2VLModel(Qwen2VLConfig.from_dict(config)).save_pretrained(folder)
    for path in checkpoint.iterdir():
        if path.name.startswith(("tokenizer", "vocab", "merges")):
            shutil.copyfile(path, folder / path.name)
    return folder
