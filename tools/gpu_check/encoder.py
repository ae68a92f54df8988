"""Part 2: compare GPU and CPU vectors of the UNITE encoder with random weights, and measure its speed in the 2B shape.

Random weights tell nothing about quality; shapes, precision and computation are those of the real model.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tools.gpu_check.hardware import watched
from tools.gpu_check.random_checkpoint import page_words, write_checkpoint
from unite_search import Clip, Content, EncoderOptions, Image, load_encoder

DEFAULT_BATCH = 32
"""What `unite-search index` gives the encoder at once unless `--batch-size` says otherwise."""
LARGE_BATCH = 256
LARGEST_DIFFERENCE = {"float32": 1e-3, "bfloat16": 2e-2}
"""Of one number of a unit vector. float32 convolutions may run in TF32 on a GPU."""

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EncodingLoad:
    """The contents that are embedded repeatedly, the number of them in one call, and the seconds to spend."""

    name: str
    contents: Sequence[Content]
    batch_size: int
    seconds: float


def measure(*, is_small: bool) -> dict[str, Any]:
    """Compare vectors and measure speed.

    Args:
        is_small: use the tiny shape throughout, on the CPU.
    """
    device, shape = ("cpu", "tiny") if is_small else ("cuda", "2b")
    dtypes = ("float32",) if is_small else ("float32", "bfloat16")  # bfloat16 takes minutes on many processors
    if not is_small and not torch.cuda.is_available():
        return {"not run": "torch sees no GPU"}
    with tempfile.TemporaryDirectory() as folder:
        tiny, large = Path(folder) / "tiny", Path(folder) / "large"
        write_checkpoint(tiny, "tiny", device="cpu", dtype="float32")
        weights = write_checkpoint(large, shape, device=device, dtype="bfloat16")
        precision = {f"tiny {dtype}": _compare(tiny, device, dtype, mixed_contents()) for dtype in dtypes}
        precision[f"{shape} {dtypes[-1]}"] = _compare(large, device, dtypes[-1], mixed_contents())
        return {
            "passed": all(one["passed"] for one in precision.values()),
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "weights": weights,
            "vectors_against_float32_on_cpu": precision,
            "speed": _speed(large, device, workloads(is_small=is_small)),
        }


def mixed_contents() -> list[Content]:
    """Return six contents, one of each kind, with small pictures that the CPU embeds quickly."""
    photos = [Image(picture(seed, 90, 130)) for seed in (1, 2)]
    clip = Clip(picture(3, 2, 90, 90), np.arange(2.0))
    return [
        Content(("a dog",)),
        Content(("a longer caption about a dog that runs along the beach at night",)),
        Content((photos[0],)),
        Content((photos[1], "make it red")),
        Content((clip,)),
        Content((clip, "the sea")),
    ]


def workloads(*, is_small: bool) -> list[EncodingLoad]:
    """Return texts, photos of three sizes and clips, as indexing passes them: decoded, in full size."""
    seconds, count, shrink = (0.1, 2, 16) if is_small else (8.0, 16, 1)
    batch, large_batch = DEFAULT_BATCH // shrink, LARGE_BATCH // shrink
    texts = _captions(1024)
    sizes = {"photos 500x375": (375, 500), "photos 1632x1224": (1224, 1632), "photos 4000x3000": (3000, 4000)}
    photos = {
        name: [Content((Image(picture(seed, height // shrink, width // shrink)),)) for seed in range(count)]
        for name, (height, width) in sizes.items()
    }
    times_s = np.arange(12.0)
    clips = [Content((Clip(picture(seed, 12, 720 // shrink, 1280 // shrink), times_s),)) for seed in range(count)]
    return [
        EncodingLoad("texts", texts, batch, seconds),
        EncodingLoad("texts", texts, large_batch, seconds),
        *(EncodingLoad(name, contents, batch, seconds) for name, contents in photos.items()),
        EncodingLoad("photos 500x375", photos["photos 500x375"], large_batch, seconds),
        EncodingLoad("clips 1280x720, 12 frames", clips, batch, seconds),
    ]


def picture(seed: int, *shape: int) -> NDArray[np.uint8]:
    """Draw coarse random pixels (H, W, 3), or (F, H, W, 3) for a shape (F, H, W)."""
    rough = np.random.default_rng(seed).integers(0, 255, (*shape[:-2], 7, 9, 3), dtype=np.uint8)
    rows, columns = (np.arange(side) * part // side for side, part in zip(shape[-2:], (7, 9), strict=True))
    return np.ascontiguousarray(rough[..., rows, :, :][..., columns, :])


def _captions(count: int) -> list[Content]:
    rng, words = np.random.default_rng(0), page_words()
    return [Content((" ".join(rng.choice(words, rng.integers(6, 16))),)) for _ in range(count)]


def _compare(folder: Path, device: str, dtype: Any, contents: Sequence[Content]) -> dict[str, Any]:
    """Compare the vectors of a device with those of the CPU in float32, and check that each finds its counterpart."""
    expected, vectors = (
        load_encoder(str(folder), options).encode(contents, role="candidate")
        for options in (EncoderOptions(device="cpu", dtype="float32"), EncoderOptions(device=device, dtype=dtype))
    )
    scores = vectors @ expected.T
    others = expected @ expected.T
    difference = float(np.abs(vectors - expected).max())
    finds_own = bool((scores.argmax(axis=1) == np.arange(len(contents))).all())
    return {
        "passed": finds_own and difference <= LARGEST_DIFFERENCE[dtype],
        "largest_difference": difference,
        "smallest_cosine": float(np.diag(scores).min()),
        "largest_cosine_of_two_contents": float(others[~np.eye(len(contents), dtype=bool)].max()),
        "finds_own": finds_own,
    }


def _speed(folder: Path, device: str, wanted: Sequence[EncodingLoad]) -> dict[str, Any]:
    encoder: Any = load_encoder(str(folder), EncoderOptions(device=device))
    started = time.perf_counter()
    encoder.encode([Content(("warm up",))], role="query")
    load_s = time.perf_counter() - started
    return {
        "dtype": encoder.options.dtype,
        "load_s": round(load_s, 2),
        "one_text_query_ms": _query_ms(encoder),
        "workloads": [_run(encoder, workload, device) for workload in wanted],
    }


def _query_ms(encoder: Any) -> float:
    times = []
    for _ in range(20):
        started = time.perf_counter()
        encoder.encode([Content(("a dog on the beach at night",))], role="query")
        times.append(1e3 * (time.perf_counter() - started))
    return round(float(np.median(times)), 2)


def _run(encoder: Any, workload: EncodingLoad, device: str) -> dict[str, Any]:
    """Call `encode` with one batch after another, as indexing does, until the time is up; skip the first call."""
    batches = _batches(workload)
    encoder.encode(next(batches), role="candidate")
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    items = 0
    with watched() as busy, _forward_passes(encoder) as passes:
        started = time.perf_counter()
        while (passed_s := time.perf_counter() - started) < workload.seconds:
            items += len(encoder.encode(next(batches), role="candidate"))
    return {
        "name": workload.name,
        "batch_size": workload.batch_size,
        "items": items,
        "seconds": round(passed_s, 2),
        "items_per_s": round(items / passed_s, 2),
        "tokens_per_item": round(sum(tokens for _, tokens in passes) / items, 1),
        "gpu_busy_percent": busy.mean,
        "time_in_model_percent": round(100 * sum(seconds for seconds, _ in passes) / passed_s, 1),
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2) if device == "cuda" else None,
    }


def _batches(workload: EncodingLoad) -> Iterator[Sequence[Content]]:
    contents, at = workload.contents, 0
    while True:
        yield [contents[(at + offset) % len(contents)] for offset in range(workload.batch_size)]
        at += workload.batch_size


@contextmanager
def _forward_passes(encoder: Any) -> Iterator[list[tuple[float, int]]]:
    """Collect the seconds of each forward pass, with copies to and from the GPU, and its tokens without padding."""
    embed, passes = encoder.model.embed, []

    def timed(batch: Any) -> Any:
        started = time.perf_counter()
        rows = embed(batch)
        passes.append((time.perf_counter() - started, int(batch.attention_mask.sum())))
        return rows

    encoder.model.embed = timed
    try:
        yield passes
    finally:
        del encoder.model.embed
