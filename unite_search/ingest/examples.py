"""Read photos and clips with captions, to measure an encoder on them; see `encoders.measure`.

They are given as a folder, where captions stand in the sidecars that `index` reads, or as a `manifest.jsonl`, an object
a line with `path` and `text`, which is one caption or a list. Of more files than are wanted some are drawn, with a
fixed seed. A file is decoded when its turn comes, in a process of its own. One that cannot be read is left out and
named.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from unite_search import strict_json
from unite_search.content import Clip, Image, MediaSpec
from unite_search.encoders.base import Encoder
from unite_search.encoders.calibration import Calibration
from unite_search.encoders.measure import FEWEST_EXAMPLES, Example, measure
from unite_search.errors import UniteSearchError, UnreadableFileError
from unite_search.media.call_pool import CallPool
from unite_search.media.images import read_image
from unite_search.media.scan import MODALITY_OF, scan
from unite_search.media.sidecars import CAPTION_KEYS, MAX_CAPTION_CHARACTERS, MAX_CAPTION_WORDS, read_sidecars
from unite_search.media.types import MediaFile, ReadOptions, Skipped
from unite_search.media.uri import absolute
from unite_search.media.video import ClipLimits, read_clip
from unite_search.modality import Modality, ModalityName

T = TypeVar("T")
MANIFEST = "manifest.jsonl"
MAX_LINE_BYTES = 1 << 20
SEED = 0
DRAWN = 4
"""How many files are drawn for each one that is wanted, since not all have captions."""
TRAIN = "train"
CAPTION_SUFFIXES = {".txt", ".json"}
KEPT_WORDS = 2 / 3
"""Share of the words of a caption that its beginning has."""
FEWEST_WORDS = 3
STEPS = 2
"""Opening a clip and decoding its frames may each take as long as a decode worker may be silent."""


@dataclass(frozen=True, slots=True)
class CaptionedFile:
    """A photo or clip on disk, and captions of it, at least one."""

    path: Path
    modality: ModalityName
    captions: tuple[str, ...]


@dataclass(slots=True)
class Measured:
    """A calibration, and what it was measured on.

    Attributes:
        calibration: the calibration.
        examples: number of photos and clips that were read.
        skipped: those that could not be.
    """

    calibration: Calibration
    examples: int = 0
    skipped: list[Skipped] = field(default_factory=list)


def measure_files(
    encoder: Encoder,
    files: Sequence[CaptionedFile],
    origin: str,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure the calibration of an encoder on files.

    Args:
        encoder: the encoder; files of a modality that it cannot embed are not read.
        files: the files; if hardly any has two captions, the beginning of its caption is the second one of a file.
        origin: what they are, in a few words.
        progress: is called with the number of files that are done and that of all.

    Raises:
        UniteSearchError: too few of them can be read.
    """
    wanted = [file for file in files if Modality.from_partition(file.modality) in encoder.modalities]
    skipped: list[Skipped] = []
    examples = read_examples(with_two_captions(wanted), encoder.media, skipped.append, progress)
    try:
        calibration = measure(encoder, examples, origin)
    except UniteSearchError as error:
        if not skipped:
            raise
        first = f"{skipped[0].path}: {skipped[0].reason}"
        raise UniteSearchError(f"{error}; {len(skipped)} could not be read, the first is {first}") from error
    return Measured(calibration, len(wanted) - len(skipped), skipped)


def captioned_files(data: Path, limit: int, skip: Callable[[Skipped], None]) -> list[CaptionedFile]:
    """List photos and clips with captions, at most `limit`, drawn from all with a fixed seed.

    Args:
        data: a folder of media with sidecars, a folder with a `manifest.jsonl`, or such a file. Files that a manifest
            assigns to the split `train` are left out: an encoder that saw them seems surer than it is.
        limit: most files to return.
        skip: is called with each file that cannot be read.

    Raises:
        UniteSearchError: there are none, or the manifest is damaged.
    """
    if (data / MANIFEST).is_file():
        data = data / MANIFEST
    if data.is_file():
        found = _drawn(read_manifest(data), limit)
    else:
        found = _described(_drawn(_scanned(data, skip), DRAWN * limit), limit, skip)
    if not found:
        raise UniteSearchError(
            f"{data}: holds no photo or clip with a caption; write captions into NAME.txt beside NAME.jpg, or list "
            f"path and text in a {MANIFEST}"
        )
    return found


def read_manifest(manifest: Path) -> Iterator[CaptionedFile]:
    """Yield the photos and clips with captions in a `manifest.jsonl`, in its order, without those of the split `train`.

    Raises:
        UniteSearchError: a line is none of a manifest; the message names it.
    """
    with manifest.open("rb") as stream:
        for number, line in enumerate(_lines(stream), 1):
            if not line.strip():
                continue
            try:
                entry = strict_json.loads(line.decode("utf-8"))
                path, text = Path(entry["path"]), entry["text"]
                modality = entry.get("modality") or MODALITY_OF.get(path.suffix.lower())
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                message = f'{manifest}, line {number}: expected {{"path": ..., "text": ...}}, at most 1 MB'
                raise UniteSearchError(message) from error
            captions = _captions(text if isinstance(text, list) else [text])
            if captions and modality in ("image", "video") and entry.get("split") != TRAIN:
                yield CaptionedFile(absolute(manifest.parent / path), modality, captions)


def with_two_captions(files: Sequence[CaptionedFile]) -> Sequence[CaptionedFile]:
    """Return files with the beginning of its caption as another caption of each, unless enough have two anyway.

    Texts could not be compared with texts otherwise.
    """
    if sum(len(file.captions) > 1 for file in files) >= FEWEST_EXAMPLES:
        return files
    return [replace(file, captions=(*file.captions, *_beginning(file.captions))) for file in files]


def read_examples(
    files: Sequence[CaptionedFile],
    spec: MediaSpec,
    skip: Callable[[Skipped], None],
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Example]:
    """Decode files one by one, as an encoder needs them."""
    options = ReadOptions(media=spec)
    with CallPool(1, timeout_s=STEPS * options.timeout_s) as pool:
        for number, file in enumerate(files, 1):
            try:
                yield Example(_decoded(pool, file, options), file.captions)
            except UnreadableFileError as error:
                skip(Skipped(path=file.path, reason=str(error)))
            if progress is not None:
                progress(number, len(files))


def read_picture(path: Path, spec: MediaSpec, max_pixels: int) -> Image:
    """Decode an image as an encoder needs it; called in a decode process."""
    return read_image(path, side=spec.image_side, max_pixels=max_pixels).image


def _decoded(pool: CallPool, file: CaptionedFile, options: ReadOptions) -> Image | Clip:
    if file.modality == "image":
        return pool.call(read_picture, file.path, options.media, options.max_pixels)
    return pool.call(read_clip, file.path, options.media, ClipLimits(pixels=options.max_pixels))


def _drawn(files: Iterable[T], limit: int) -> list[T]:
    """Return at most `limit` of some files in the order of a lottery with a fixed seed; no more are held in memory."""
    lottery = random.Random(SEED)
    numbered = ((lottery.random(), number, file) for number, file in enumerate(files))
    return [file for _, _, file in heapq.nsmallest(limit, numbered)]


def _scanned(folder: Path, skip: Callable[[Skipped], None]) -> Iterator[MediaFile]:
    """Yield the photos and clips in a folder that have a sidecar which may hold a caption."""
    for found in scan([folder], exclude=[]):
        if isinstance(found, Skipped):
            skip(found)
        elif isinstance(found, MediaFile) and any(path.suffix.lower() in CAPTION_SUFFIXES for path in found.sidecars):
            yield found


def _described(files: Iterable[MediaFile], limit: int, skip: Callable[[Skipped], None]) -> list[CaptionedFile]:
    """Return the first `limit` files that have captions; report what is wrong with the sidecars of the others."""
    found: list[CaptionedFile] = []
    for file in files:
        if len(found) == limit:
            break
        said = read_sidecars(file.sidecars)
        captions = _captions([said.caption, *(said.metadata.get(key) for key in CAPTION_KEYS)])
        if captions:
            found.append(CaptionedFile(file.path, file.modality, captions))
        elif said.problems:
            problems = "; ".join(said.problems)
            skip(Skipped(path=file.path, reason=problems))
    return found


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; one that is too long is cut, so that it is no JSON any more."""
    while line := stream.readline(MAX_LINE_BYTES):
        yield line


def _captions(values: Iterable[object]) -> tuple[str, ...]:
    """Return the texts among some values, each once, cut to the length that the captions of an index have."""
    texts = (" ".join(value.split()[:MAX_CAPTION_WORDS]) for value in values if isinstance(value, str))
    return tuple(dict.fromkeys(text[:MAX_CAPTION_CHARACTERS] for text in texts if text))


def _beginning(captions: Sequence[str]) -> tuple[str, ...]:
    """Return the beginning of a single caption that has enough words."""
    words = captions[0].split()
    if len(captions) > 1 or len(words) < FEWEST_WORDS:
        return ()
    return (" ".join(words[: round(len(words) * KEPT_WORDS)]),)
