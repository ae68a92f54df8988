"""`python -m benchmarks NAME [--data DIR]`: measure, print, and write `docs/results/NAME.json`.

Names of public sets, `datasets` and `compare` have options of their own, see `command_line`; so has `speed`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.common.results import RESULTS, write_result
from benchmarks.indexers import speed
from benchmarks.quality import command_line
from benchmarks.system.peers import VARIABLES as PEERS
from unite_search.encoders.base import DEFAULT_ENCODER, Encoder, EncoderOptions, load_encoder

NEEDS_TORCH = {"parity", "unite-batching", "grad-cache"}
NEEDS_TRAINING = {"starter-seeds"}
TINY = "parity/checkpoints/tiny-unite"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One measurement.

    Attributes:
        module: below `benchmarks`; its function `run` returns what goes into the JSON.
        about: what is measured, for the help.
        arguments: from the command line and the encoder to the arguments of `run`.
    """

    module: str
    about: str
    arguments: Callable[[argparse.Namespace, Encoder], tuple[Any, ...]]

    def run(self, given: argparse.Namespace, encoder: Encoder) -> dict[str, Any]:
        """Measure."""
        result: dict[str, Any] = import_module(f"benchmarks.{self.module}").run(*self.arguments(given, encoder))
        return result


def _nothing(_given: argparse.Namespace, _encoder: Encoder) -> tuple[Any, ...]:
    return ()


def _data(given: argparse.Namespace, _encoder: Encoder) -> tuple[Any, ...]:
    return (given.data,)


def _encoder(_given: argparse.Namespace, encoder: Encoder) -> tuple[Any, ...]:
    return (encoder,)


def _data_and_encoder(given: argparse.Namespace, encoder: Encoder) -> tuple[Any, ...]:
    return (given.data, encoder)


def _data_and_tiny_model(given: argparse.Namespace, _encoder: Encoder) -> tuple[Any, ...]:
    return (given.data, given.data.parent / TINY)


def _golden_data(given: argparse.Namespace, _encoder: Encoder) -> tuple[Any, ...]:
    return (given.data.parent / "parity",)


BENCHMARKS: dict[str, Benchmark] = {
    "retrieval": Benchmark("quality.retrieval", "captions find photos and clips", _data_and_encoder),
    "composed": Benchmark("quality.composed", "a photo and an edit find the edited photo", _data_and_encoder),
    "mixed": Benchmark("quality.mixed", "merging photos and captions in one list", _data_and_encoder),
    "showcase": Benchmark("quality.showcase", "ten real questions and what came back", _data_and_encoder),
    "ingest": Benchmark("system.ingest", "index against the bound of its parts; memory", _data_and_encoder),
    "stages": Benchmark("system.stages", "CPU time of each stage of index", _data_and_encoder),
    "scaling": Benchmark("system.scaling", "costs by the size of a collection, with a plot", _nothing),
    "startup": Benchmark("system.startup", "CPU seconds of whole commands", _encoder),
    "kills": Benchmark("system.kills", "50 runs of index killed at random", _data_and_encoder),
    "parity": Benchmark(
        "encoders.unite_parity", "the UNITE encoder against the official numbers (needs torch)", _golden_data
    ),
    "unite-batching": Benchmark(
        "encoders.unite_batching",
        "padding saved, and overlap, with a tiny UNITE model (needs torch)",
        _data_and_tiny_model,
    ),
    "grad-cache": Benchmark(
        "encoders.grad_cache",
        "memory and time of a batch of 4096 in chunks of 16, tiny Qwen2-VL (needs torch)",
        _data_and_tiny_model,
    ),
    "starter-speed": Benchmark(
        "encoders.starter_speed", "photos a second, decoding included, and texts a second", _data_and_encoder
    ),
    "starter-seeds": Benchmark(
        "encoders.starter_seeds",
        "the starter with the head of each seed, and with all (needs what `make starter` leaves)",
        _data,
    ),
    "serve": Benchmark("system.serve", "queries over HTTP against their bare parts, 100,000 items", _encoder),
    "serve-soak": Benchmark("system.serve_soak", "ten minutes of queries while another process indexes", _encoder),
    "covr-miniature": Benchmark(
        "quality.covr_miniature",
        "WebVid-CoVR's rules on 77 real clips with edits written by hand, both protocols",
        _data_and_encoder,
    ),
    "captions": Benchmark(
        "quality.captions", "Flickr8k dev and the clips, scored here and again from the TREC run", _data_and_encoder
    ),
    "peers": Benchmark(
        "system.peers",
        "rclip and clip-retrieval on the same machine (needs $RCLIP_PYTHON, $CLIP_RETRIEVAL_PYTHON)",
        _data,
    ),
    "scoring": Benchmark("quality.scoring_speed", "2,556 queries against 2,556 candidates from the cache", _nothing),
    "bad-files": Benchmark("system.bad_files", "a folder of files that go wrong", _nothing),
}


def _can_run(name: str) -> bool:
    if name == "peers":
        return any(os.environ.get(variable) for variable in PEERS.values())
    return name not in NEEDS_TORCH or find_spec("torch") is not None


def main() -> None:
    """Parse the command line and run one benchmark, or all."""
    if sys.argv[1:2] and sys.argv[1] in command_line.COMMANDS:
        command_line.main(sys.argv[1:])
        return
    if sys.argv[1:2] == ["speed"]:
        speed.main(sys.argv[2:])
        return
    names = "\n".join(f"  {name:14} {benchmark.about}" for name, benchmark in BENCHMARKS.items())
    names += f"\n\nwith options of their own (NAME --help):\n  {', '.join([*command_line.COMMANDS, 'speed'])}"
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
        results = BENCHMARKS[name].run(given, encoder)
        path = write_result(f"{name}{suffix}", results, given.out)
        sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


if __name__ == "__main__":
    main()
