"""`python -m benchmarks NAME [--data DIR]`: measure, print, and write `docs/results/NAME.json`.

Names of public sets, `datasets` and `compare` have options of their own, see `quality_command`; so has `speed`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import quality_command, speed
from benchmarks.peers import VARIABLES as PEERS
from benchmarks.report import RESULTS, write_result
from unite_search.encoders.base import Encoder
from unite_search.encoders.options import EncoderOptions
from unite_search.encoders.registry import DEFAULT_ENCODER, load_encoder

NEEDS_TORCH = {"parity", "unite-batching", "grad-cache"}
NEEDS_TRAINING = {"starter-seeds"}
TINY = "parity/checkpoints/tiny-unite"

Benchmark = Callable[[argparse.Namespace, Encoder], dict[str, Any]]

BENCHMARKS: dict[str, tuple[str, Benchmark]] = {
    "retrieval": ("captions find photos and clips", lambda given, encoder: _run("retrieval", given.data, encoder)),
    "composed": (
        "a photo and an edit find the edited photo",
        lambda given, encoder: _run("composed", given.data, encoder),
    ),
    "mixed": ("merging photos and captions in one list", lambda given, encoder: _run("mixed", given.data, encoder)),
    "showcase": ("ten real questions and what came back", lambda given, encoder: _run("showcase", given.data, encoder)),
    "ingest": (
        "index against the bound of its parts; memory",
        lambda given, encoder: _run("ingest", given.data, encoder),
    ),
    "stages": ("CPU time of each stage of index", lambda given, encoder: _run("stages", given.data, encoder)),
    "scaling": ("costs by the size of a collection, with a plot", lambda _given, _encoder: _run("scaling")),
    "startup": ("CPU seconds of whole commands", lambda _, encoder: _run("startup", encoder)),
    "kills": ("50 runs of index killed at random", lambda given, encoder: _run("kills", given.data, encoder)),
    "parity": (
        "the UNITE encoder against the official numbers (needs torch)",
        lambda given, _encoder: _run("unite_parity", given.data.parent / "parity"),
    ),
    "unite-batching": (
        "padding saved, and overlap, with a tiny UNITE model (needs torch)",
        lambda given, _encoder: _run("unite_batching", given.data, given.data.parent / TINY),
    ),
    "grad-cache": (
        "memory and time of a batch of 4096 in chunks of 16, tiny Qwen2-VL (needs torch)",
        lambda given, _encoder: _run("grad_cache", given.data, given.data.parent / TINY),
    ),
    "starter-speed": (
        "photos a second, decoding included, and texts a second",
        lambda given, encoder: _run("starter_speed", given.data, encoder),
    ),
    "starter-seeds": (
        "the starter with the head of each seed, and with all (needs what `make starter` leaves)",
        lambda given, _encoder: _run("starter_seeds", given.data),
    ),
    "serve": ("queries over HTTP against their bare parts, 100,000 items", lambda _, encoder: _run("serve", encoder)),
    "serve-soak": ("ten minutes of queries while another process indexes", lambda _, it: _run("serve_soak", it)),
    "covr-miniature": (
        "WebVid-CoVR's rules on 77 real clips with edits written by hand, both protocols",
        lambda given, encoder: _run("covr_miniature", given.data, encoder),
    ),
    "captions": (
        "Flickr8k dev and the clips, scored here and again from the TREC run",
        lambda given, encoder: _run("captions", given.data, encoder),
    ),
    "peers": (
        "rclip and clip-retrieval on the same machine (needs $RCLIP_PYTHON, $CLIP_RETRIEVAL_PYTHON)",
        lambda given, _encoder: _run("peers", given.data),
    ),
    "scoring": (
        "2,556 queries against 2,556 candidates from the cache",
        lambda _given, _encoder: _run("scoring_speed"),
    ),
    "bad-files": ("a folder of files that go wrong", lambda _given, _encoder: _run("bad_files")),
}


def _run(module: str, *arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = import_module(f"benchmarks.{module}").run(*arguments)
    return result


def _can_run(name: str) -> bool:
    if name == "peers":
        return any(os.environ.get(variable) for variable in PEERS.values())
    return name not in NEEDS_TORCH or find_spec("torch") is not None


def main() -> None:
    """Parse the command line and run one benchmark, or all."""
    if sys.argv[1:2] and sys.argv[1] in quality_command.COMMANDS:
        quality_command.main(sys.argv[1:])
        return
    if sys.argv[1:2] == ["speed"]:
        speed.main(sys.argv[2:])
        return
    names = "\n".join(f"  {name:14} {what}" for name, (what, _) in BENCHMARKS.items())
    names += f"\n\nwith options of their own (NAME --help):\n  {', '.join([*quality_command.COMMANDS, 'speed'])}"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=names, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of captioned/ and videos/")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="the JSON of another one has its name at the end")
    parser.add_argument("--max-pixels", type=int, help="of a picture or frame; larger ones are reduced (UNITE)")
    given = parser.parse_args()
    given.data = given.data.resolve()
    encoder = load_encoder(given.encoder, EncoderOptions(max_pixels=given.max_pixels))
    suffix = "" if given.encoder == DEFAULT_ENCODER else f"-{Path(given.encoder).name}"
    here = [
        name for name in BENCHMARKS if name not in NEEDS_TRAINING and (name not in NEEDS_TORCH or find_spec("torch"))
    ]
    for name in here if given.name == "all" else [given.name]:
        results = BENCHMARKS[name][1](given, encoder)
        path = write_result(f"{name}{suffix}", results, given.out)
        sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


if __name__ == "__main__":
    main()
