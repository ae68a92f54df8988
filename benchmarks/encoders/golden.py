"""Read the golden data of the official code, and convert the inputs of every case to those of this package.

Source: the folder `parity` in `shared`, whose README describes how the numbers were made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from safetensors.numpy import load_file

from unite_search.content import Clip, Image
from unite_search.encoders.unite.collate import Prepared, VisionInput
from unite_search.encoders.unite.frames import UniteFrames
from unite_search.encoders.unite.inputs import InputBuilder
from unite_search.encoders.unite.pixels import processed, resize_image
from unite_search.encoders.unite.prompts import IMAGE_TOKENS, VIDEO_TOKENS, framed
from unite_search.encoders.unite.sizes import READ_MIN_PIXELS, PixelLimits, grid_of, smart_resize, tokens_of
from unite_search.errors import UniteSearchError
from unite_search.media.video import Video

CHECKPOINTS = ("tiny-qwen2vl", "tiny-unite", "tiny-unite-modeltype", "tiny-qwen2vl-tied")
ADAPTER = "tiny-lora-adapter"
WORDS = {"text": "sentence", "image": "image", "video": "video"}
DEMO_LIMITS = PixelLimits(frame_pixels=360 * 420)
DATASET_FRAMES, DEMO_FRAMES = UniteFrames(), UniteFrames(max_frames=32)
MAX_FRAME_PIXELS = 10_000_000

Case = dict[str, Any]


class Golden:
    """The golden data in one folder."""

    def __init__(self, folder: Path) -> None:
        """Open the folder.

        Raises:
            UniteSearchError: it holds no golden data.
        """
        if not (folder / "golden").is_dir():
            raise UniteSearchError(
                f"{folder} holds no golden data; expected the folders golden, inputs and checkpoints"
            )
        self.folder = folder
        self.dataset: dict[str, Case] = self._json("cases_dataset_style")
        self.demo: dict[str, Case] = self._json("cases_demo_style")
        self.batches: dict[str, Any] = self._json("batches_truncation_errors")
        self.embeddings = self._arrays("embeddings_base")
        self.model_only = self._arrays("model_only")
        self.adapted = self._arrays("lora_and_training")

    def checkpoint(self, name: str) -> str:
        """Return the folder of a checkpoint, which is a name that an encoder can be loaded by."""
        return str(self.folder / "checkpoints" / name)

    def inputs(self, limits: PixelLimits | None = None) -> InputBuilder:
        """Return a builder of model inputs with the limits of the cases; all checkpoints share one tokenizer."""
        return InputBuilder.load(Path(self.checkpoint(CHECKPOINTS[0])), limits or PixelLimits())

    @cached_property
    def dataset_items(self) -> dict[str, Prepared]:
        """The prepared items of the dataset-style cases."""
        builder = self.inputs()
        return {name: self._dataset_item(builder, case["input"]) for name, case in self.dataset.items()}

    @cached_property
    def demo_items(self) -> dict[str, Prepared]:
        """The prepared items of the demo-style cases."""
        builder = self.inputs(DEMO_LIMITS)
        return {name: self._demo_item(builder, case) for name, case in self.demo.items()}

    def given_items(self, name: str) -> list[Prepared]:
        """Return the rows of a batch of `model_only` as prepared items, without padding."""
        given = {key.rpartition("/")[2]: array for key, array in self.model_only.items() if f"{name}/in/" in key}
        builder = self.inputs()
        waiting = {
            builder.image_id: _split(given, builder.image_id, "pixel_values", "image_grid_thw"),
            builder.video_id: _split(given, builder.video_id, "pixel_values_videos", "video_grid_thw"),
        }
        rows = zip(given["input_ids"], given["attention_mask"], strict=True)
        return [_take_row(row[mask.astype(bool)].tolist(), waiting) for row, mask in rows]

    def clip(self, path: str, sampler: UniteFrames = DATASET_FRAMES) -> tuple[Clip, NDArray[np.int64]]:
        """Decode a clip; returns its frames and their indices."""
        video = Video(self.folder / "inputs" / path, max_pixels=MAX_FRAME_PIXELS)
        indices = video.choose(sampler, 0.0, float("inf"))
        return video.clip(indices, side=None), indices

    def image(self, path: str) -> Image:
        """Read a picture as the official code does: without alpha, and without applying the EXIF orientation."""
        return Image(np.asarray(PIL.Image.open(self.folder / "inputs" / path).convert("RGB")))

    def _dataset_item(self, builder: InputBuilder, given: Case) -> Prepared:
        images = [self.image(path) for path in _many(given.get("image", []))]
        clips = [self.clip(path)[0] for path in _many(given.get("video", []))]
        return builder.prepare(builder.tokenize_prompt(official_prompt(given), [*images, *clips]))

    def _demo_item(self, builder: InputBuilder, case: Case) -> Prepared:
        parts = case["messages"][0]["content"]
        videos = [part["video"] for part in parts if part["type"] == "video"]
        if any(isinstance(video, list) for video in videos):
            return self._frame_list_item(builder, case["prompt"], parts[0])
        images = [self.image(part["image"]) for part in parts if part["type"] == "image"]
        clips = [self.clip(path, DEMO_FRAMES)[0] for path in videos]
        return builder.prepare(builder.tokenize_prompt(case["prompt"], [*images, *clips]))

    def _frame_list_item(self, builder: InputBuilder, prompt: str, part: Case) -> Prepared:
        """Prepare a clip given as picture files: the official code reads its frames as pictures, then makes a clip."""
        pictures = [self.image(path).pixels for path in part["video"]]
        height, width = pictures[0].shape[:2]
        first = smart_resize((height, width), READ_MIN_PIXELS, part["max_pixels"])
        second = DEMO_LIMITS.processed_size(first)
        grid = grid_of(len(pictures), second)
        patches = processed(np.stack([resize_image(picture, first) for picture in pictures]), second)
        token_ids = list(builder.tokenize_prompt(prompt, []).token_ids)
        at = token_ids.index(builder.video_id)
        token_ids[at : at + 1] = [builder.video_id] * tokens_of(grid)
        return Prepared(token_ids, (VisionInput(builder.video_id, grid, patches),))

    def _json(self, name: str) -> Any:
        return json.loads((self.folder / "golden" / f"{name}.json").read_text(encoding="utf-8"))

    def _arrays(self, name: str) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = load_file(self.folder / "golden" / f"{name}.safetensors")
        return arrays


def official_prompt(given: Case) -> str:
    """Return the prompt of an input of the official data sets, which has placeholders in its text."""
    text = given.get("text")
    if text is None:
        text = "\n".join({"image": "<|IMAGE|>", "video": "<|VIDEO|>"}[kind] for kind in given)
    text = text.replace("<|IMAGE|>", IMAGE_TOKENS).replace("<|VIDEO|>", VIDEO_TOKENS)
    return framed(text, [WORDS[kind] for kind in given])


def expanded(runs: Sequence[tuple[int, int]]) -> list[int]:
    """Expand token ids that are stored as (id, number of repeats)."""
    return [token for token, repeat in runs for _ in range(repeat)]


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _split(given: dict[str, NDArray[Any]], pad_id: int, pixels: str, grids: str) -> list[VisionInput]:
    parts, start = [], 0
    for grid in given.get(grids, np.empty((0, 3), np.int64)).tolist():
        stop = start + grid[0] * grid[1] * grid[2]
        parts.append(VisionInput(pad_id, tuple(grid), given[pixels][start:stop]))
        start = stop
    return parts


def _take_row(token_ids: list[int], waiting: dict[int, list[VisionInput]]) -> Prepared:
    """Take as many pictures and clips from `waiting` as the placeholders of a row need, in order."""
    taken = []
    for pad_id, parts in waiting.items():
        places = token_ids.count(pad_id)
        while places > 0:
            taken.append(parts.pop(0))
            places -= tokens_of(taken[-1].grid)
    return Prepared(token_ids, tuple(taken))
