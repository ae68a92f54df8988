"""Damage media files in every way that chance finds, and index them beside good ones.

Each damaged file must be indexed or skipped with a reason, every good file must be indexed as if it were alone, the run
must end with code 0 and without leaving a process behind, and its memory must stay bounded.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import lance
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.reliability.commands import Ended, Program

SIDE = (96, 72)
FRAMES = 30
SAME = 0.98
"""Cosine of a good file's vector with that of a run without bad files; batches round differently."""
STILL = ("jpg", "png", "webp", "heic", "avif", "tif")
CLIPS = ("mp4", "mkv", "avi")
TEXTS = ("txt", "srt")
SIDECARS = ("jpg.json", "jpg.txt", "mp4.srt")
KINDS = (*STILL, "gif", *CLIPS, *TEXTS, *SIDECARS)
"""`jpg.json` is a good photo with a damaged .json beside it, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is done.

    Attributes:
        mutants: damaged files.
        good: good photos beside them.
    """

    mutants: int = 700
    good: int = 58


SMALL = Scale(mutants=30, good=4)


def run(scale: Scale = Scale()) -> dict[str, Any]:
    """Index good files alone, then good and damaged ones, with the built-in encoder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        program = Program(folder / "encoder")
        for name in ("good", "both"):
            (folder / name / "good").mkdir(parents=True)
            for number in range(scale.good):
                _picture(10_000 + number).save(folder / name / "good" / f"{number:03}.jpg")
        damaged = damage(folder / "originals", folder / "both" / "damaged", scale.mutants)
        alone = _index(program, folder / "good", folder / "alone")
        ended = _index(program, folder / "both", folder / "db")
        again = _index(program, folder / "both", folder / "db")
        verified = program.run("verify", "--db", str(folder / "db"))
        report = json.loads(ended.stdout) if not ended.code else {"skipped": []}
        vectors = _vectors(folder / "db", folder / "both") if not ended.code else {}
        expected = _vectors(folder / "alone", folder / "good")
    skipped = {entry["uri"]: entry["reason"] for entry in report["skipped"]}
    outcomes = {name: _outcome(name, vectors, skipped) for name in damaged}
    lost = sorted(name for name, vector in expected.items() if not _is_same(vector, vectors.get(name)))
    return {
        "files": len(damaged),
        "kinds": len(KINDS),
        "indexed": sum(outcome == "indexed" for outcome in outcomes.values()),
        "skipped_with_a_reason": sum(outcome == "skipped" for outcome in outcomes.values()),
        "unaccounted": [name for name, outcome in outcomes.items() if outcome == "unaccounted"],
        "good_files": len(expected),
        "good_files_lost": lost,
        "exit_code": ended.code,
        "exit_code_again": again.code,
        "verify_exit_code": verified.code,
        "raw_errors": sum(one.is_raw for one in (ended, again, verified)),
        "left_running": ended.left_running + again.left_running,
        "seconds": round(ended.seconds, 1),
        "peak_mib": round(ended.peak_bytes / 2**20),
        "peak_mib_good_files_alone": round(alone.peak_bytes / 2**20),
        "reasons": report.get("skipped_by_reason", {"": ended.last_line}),
    }


def damage(originals: Path, folder: Path, count: int) -> list[str]:
    """Draw a good file of each kind, and write damaged copies of them, the kinds in turn.

    Returns:
        The names, relative to the parent of `folder`, of the files that must be indexed or skipped.
    """
    originals.mkdir()
    folder.mkdir()
    contents = {kind: draw(originals, kind).read_bytes() for kind in KINDS}
    names, chance = [], random.Random(0)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        mutant = mutate(contents[kind], chance, contents[chance.choice(KINDS)])
        path = folder / f"{number:04}.{kind}"
        if kind in SIDECARS:
            main, sidecar = kind.split(".")
            path = folder / f"{number:04}.{main}"
            path.write_bytes(contents[main] + number.to_bytes(4, "big"))
            path.with_suffix(f".{sidecar}").write_bytes(mutant)
        else:
            path.write_bytes(mutant)
        names.append(f"{folder.name}/{path.name}")
    return names


def mutate(content: bytes, chance: random.Random, other: bytes) -> bytes:
    """Return a damaged copy: bits flipped, cut off, a part overwritten, removed, repeated or foreign."""
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: _flipped(content, chance),
        lambda: content[: chance.randrange(len(content))],
        lambda: _replaced(content, chance, bytes),
        lambda: _replaced(content, chance, chance.randbytes),
        lambda: _replaced(content, chance, lambda length: b""),
        lambda: _replaced(content, chance, lambda length: 3 * content[:length]),
        lambda: _replaced(content, chance, lambda length: other[-length:]),
    )
    return chance.choice(ways)()


def draw(folder: Path, kind: str) -> Path:
    """Write a good file of one kind; for a sidecar, the sidecar alone."""
    suffix = kind.rsplit(".", 1)[-1]
    path = folder / f"{kind}.{suffix}"
    if suffix in STILL:
        _picture(1).save(path)
    elif suffix == "gif":
        frames = [_picture(number) for number in range(6)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=200)
    elif suffix in CLIPS:
        write_clip(path, [np.asarray(_picture(number // 10)) for number in range(FRAMES)])
    elif suffix == "json":
        path.write_text(json.dumps({"caption": "a drawn picture", "tags": ["a", "b"], "place": {"lat": 1.5}}))
    elif suffix == "srt":
        cues = (f"{n + 1}\n00:00:{n:02},000 --> 00:00:{n:02},900\nspoken words, {n}\n" for n in range(40))
        path.write_text("\n".join(cues))
    else:
        path.write_text("".join(f"Sentence {number} of a text that is damaged.\n" for number in range(100)))
    return path


def write_clip(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Write a clip at ten frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if path.suffix == ".avi" else "libx264", rate=10)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _picture(seed: int) -> Image.Image:
    """Draw a picture of eight by six soft patches; registering the formats of phones makes .heic writable."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    rough = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(rough).resize(SIDE)


def _flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 4, 16, 64])):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _replaced(content: bytes, chance: random.Random, by: Callable[[int], bytes]) -> bytes:
    """Replace a part of at most half of the content by what `by` makes of its length."""
    length = chance.randint(1, max(1, len(content) // 2))
    start = chance.randrange(len(content) - length + 1)
    return content[:start] + by(length) + content[start + length :]


def _index(program: Program, folder: Path, database: Path) -> Ended:
    return program.run("index", str(folder), "--db", str(database), "--json", with_memory=True)


def _vectors(database: Path, root: Path) -> dict[str, NDArray[np.float32]]:
    """Return a vector of each file, by its name below a folder, read by Lance alone."""
    table = lance.dataset(str(database / "catalog" / "items.lance")).to_table(columns=["uri", "embedding"])
    names = (uri.removeprefix(f"{root}/") for uri in table["uri"].to_pylist())
    return {
        name: np.asarray(vector, np.float32) for name, vector in zip(names, table["embedding"].to_pylist(), strict=True)
    }


def _outcome(name: str, vectors: dict[str, NDArray[np.float32]], skipped: dict[str, str]) -> str:
    if name in vectors:
        return "indexed"
    return "skipped" if any(uri.endswith(f"/{name}") and reason for uri, reason in skipped.items()) else "unaccounted"


def _is_same(expected: NDArray[np.float32], found: NDArray[np.float32] | None) -> bool:
    return found is not None and float(expected @ found) > SAME
