"""`encoders calibrate`: measure what the similarities of an encoder mean, on photos and clips with captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unite_search.cli import options as o
from unite_search.cli.output import literal, messages, new_table, print_json, print_lines, print_table, say
from unite_search.cli.progress import shown_count
from unite_search.display import counted, printable, shown_path
from unite_search.encoders.base import DEFAULT_ENCODER, embedding_options

if TYPE_CHECKING:
    from unite_search.encoders.calibration import Calibration
    from unite_search.ingest.examples import Measured

FEWEST, MOST = 20, 2000
"""How many examples may be read. All pairs of them are compared, which takes about 100 MB for the most."""
LINES_SHOWN = 20


def calibrate(  # noqa: PLR0913 (the parameters of a command are its options)
    model: Annotated[
        str,
        typer.Argument(
            metavar="NAME|DIR",
            callback=o.check_encoder,
            help="A name that `unite-search encoders` lists, or the folder or hub id of a UNITE model.",
        ),
    ] = DEFAULT_ENCODER,
    *,
    data: Annotated[
        Path,
        typer.Option(
            metavar="DIR|FILE",
            exists=True,
            help="Folder of photos and clips with captions in NAME.txt or NAME.json beside them, or a manifest.jsonl "
            "with path and text, one caption or a list of them, in each line.",
        ),
    ],
    limit: Annotated[int, typer.Option(min=FEWEST, max=MOST, help="Most photos and clips to read.")] = 1000,
    max_pixels: o.MaxPixels = None,
    fps: o.Fps = None,
    max_frames: o.MaxFrames = None,
    dtype: o.Precision = None,
    device: o.Device = None,
    as_json: o.AsJson = False,
    quiet: o.Quiet = False,
) -> None:
    """Measure which similarities of an encoder mean that an item is relevant, and use that in searches from then on.

    It needs at least 20 photos or clips with captions, better some hundreds, and better with two captions each.

    The encoder must not have been trained on them: it would seem surer than it is.

    The result is kept for this user and this version of the encoder, and counts before what comes with the encoder.

    Example: unite-search encoders calibrate unite-2b --data ~/captioned
    """
    from unite_search.encoders.base import load_encoder
    from unite_search.encoders.calibration import measured_path
    from unite_search.ingest.examples import captioned_files, measure_files
    from unite_search.media.types import Skipped

    options = embedding_options(max_pixels=max_pixels, fps=fps, max_frames=max_frames, dtype=dtype, device=device)
    encoder = load_encoder(model, options)
    skipped: list[Skipped] = []
    files = captioned_files(data, limit, skipped.append)
    with shown_count("Measuring", quiet=quiet) as progress:
        measured = measure_files(encoder, files, str(data.absolute()), progress)
    measured.skipped[:0] = skipped
    path = measured_path(encoder.fingerprint)
    measured.calibration.write(path)
    if as_json:
        _print_json(measured, path)
    elif not quiet:
        _show(measured, path)


def _print_json(measured: Measured, path: Path) -> None:
    from unite_search.media.uri import path_to_uri

    skipped = [{"uri": path_to_uri(skip.path), "reason": skip.reason} for skip in measured.skipped]
    print_json({**measured.calibration.record(), "examples": measured.examples, "skipped": skipped, "path": path})


def _show(measured: Measured, path: Path) -> None:
    """Print what was left out to stderr, and what was measured to stdout."""
    most = LINES_SHOWN if messages.is_terminal else None
    for skip in measured.skipped[:most]:
        say(f"Skipped {shown_path(skip.path)}: {printable(skip.reason)}")
    if most is not None and len(measured.skipped) > most:
        say(f"and {len(measured.skipped) - most:,} more skipped; --json lists them all")
    for query, item in _missing(measured.calibration):
        say(f"Note: nothing could be told of {item} items asked for by {query}; similar kinds stand in")
    numbers = ("related pairs", "AUC", "floor")
    table = new_table("query", "item", *numbers, right=numbers)
    for (query, item), line in measured.calibration.lines.items():
        table.add_row(*map(literal, (query, item, f"{line.pairs:,}", f"{line.auc:.3f}", f"{line.floor:.2f}")))
    print_table(table)
    print_lines([f"{counted(measured.examples, 'example')} measured; written to {printable(str(path))}"])


def _missing(calibration: Calibration) -> list[tuple[str, str]]:
    """Return the pairs of kinds that were met, but of which nothing could be told."""
    asked = dict.fromkeys(query for query, _ in calibration.lines)
    return [(query, item) for query in asked for item in calibration.means if (query, item) not in calibration.lines]
