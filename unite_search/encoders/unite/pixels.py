"""Convert pictures and frames to the patches that the vision tower takes: two resizes, normalisation, regrouping.

P counts patches; a patch is 1176 numbers: 3 colours of 2 frames of 14 x 14 pixels. Pixels are regrouped as bytes and
then converted to floats, which take four times the memory.

Source: friedrichor/UNITE unite/model/qwen_vl_utils/vision_process.py `fetch_image`, `fetch_video`; transformers 4.47.1
models/qwen2_vl/image_processing_qwen2_vl.py. Alpha and EXIF orientation are handled where files are read.
"""

from __future__ import annotations

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch.nn import functional

from unite_search.content import Clip, Image
from unite_search.encoders.unite.sizes import PATCH, Grid, PixelLimits, Size, grid_of

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32).reshape(3, 1, 1, 1)  # colour, frame, y, x
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32).reshape(3, 1, 1, 1)
FRAMES_PER_PATCH = 2
MERGE = 2


def grid_of_part(part: Image | Clip, limits: PixelLimits) -> Grid:
    """Return how many patches a part will have in time, height and width, without processing pixels."""
    if isinstance(part, Image):
        return grid_of(1, limits.image_steps(_size(part.pixels))[1])
    return grid_of(len(part.frames), limits.frame_steps(_size(part.frames[0]))[1])


def patches_of_part(part: Image | Clip, limits: PixelLimits) -> NDArray[np.float32]:
    """Compute the (P, 1176) patches of a picture or clip."""
    if isinstance(part, Image):
        first, second = limits.image_steps(_size(part.pixels))
        return processed(resize_image(part.pixels, first)[None], second)
    first, second = limits.frame_steps(_size(part.frames[0]))
    return processed(resize_frames(part.frames, first), second)


def processed(frames: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
    """Apply the second resize and all following steps: (F, H, W, 3) to (P, 1176)."""
    return _patches(np.stack([resize_image(frame, size) for frame in frames]))


def resize_image(pixels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Resize (H, W, 3) by Pillow's bicubic filter."""
    return np.asarray(PIL.Image.fromarray(pixels).resize(size[::-1], PIL.Image.Resampling.BICUBIC))


def resize_frames(frames: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """Apply the first resize to frames, (F, H, W, 3): bicubic with antialiasing, rounded, as in torchvision."""
    resized = [
        functional.interpolate(_channels_first(frame), size, mode="bicubic", antialias=True, align_corners=False)
        for frame in frames
    ]
    whole = torch.cat(resized).clamp(0, 255).round().to(torch.uint8)  # (F, 3, H, W)
    return np.asarray(whole.permute(0, 2, 3, 1))


def _channels_first(frame: NDArray[np.uint8]) -> torch.Tensor:
    return torch.tensor(frame).permute(2, 0, 1)[None].float()


def _size(pixels: NDArray[np.uint8]) -> Size:
    return pixels.shape[0], pixels.shape[1]


def _patches(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Regroup (F, H, W, 3) and normalise: the patches of one token are adjacent; an odd last frame is repeated."""
    if len(frames) % FRAMES_PER_PATCH:
        frames = np.concatenate([frames, frames[-1:]])
    times, height, width, _ = frames.shape
    rows, columns = height // PATCH, width // PATCH
    cells = frames.reshape(
        times // FRAMES_PER_PATCH, FRAMES_PER_PATCH, rows // MERGE, MERGE, PATCH, columns // MERGE, MERGE, PATCH, 3
    )
    grouped = cells.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)  # time, row, column, row, column, colour, frame, y, x
    values: NDArray[np.float32] = grouped.astype(np.float32, order="C")
    values /= np.float32(255)
    values -= MEAN
    values /= STD
    return values.reshape(-1, 3 * FRAMES_PER_PATCH * PATCH * PATCH)
