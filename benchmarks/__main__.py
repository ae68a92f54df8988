"""The command line of the benchmarks: `python -m benchmarks NAME [--data DIR]` writes `docs/results/NAME.json`.

Public data sets, `datasets` and `compare` have options of their own, see `quality.command_line`; so have `speed`,
`answers` and `typed-queries`.
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
from benchmarks.quality import command_line, typed_queries
from benchmarks.quality.answers import parts as answers
from benchmarks.system.peers import VARIABLES as PEERS
from unite_search.encoders.base import DEFAULT_ENCODER, Encoder, EncoderOptions, load_encoder

NEEDS_TORCH = {"parity", "unite-batching", "grad-cache"}
NEEDS_TRAINING = {"starter-seeds"}
TINY = "parity/checkpoints/tiny-unite"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.

    Attributes:
        module: module inside `benchmarks`; its function `run` returns the results for the JSON file.
        about: what is measured, for the help.
        arguments: maps the command line and the encoder to the arguments of `run`.
        has_small: the module has a scale `SMALL`, which `--small` passes to `run` to try it.
    """

    module: str
    about: str
    arguments: Callable[[argparse.Namespace, Encoder], tuple[Any, ...]]
    has_small: bool = False

    def run(self, given: argparse.Namespace, encoder: Encoder) -> dict[str, Any]:
        """Run the benchmark and return its results."""
        module = import_module(f"benchmarks.{self.module}")
        arguments = (module.SMALL,) if self.has_small and given.small else self.arguments(given, encoder)
        result: dict[str, Any] = module.run(*arguments)
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
    "retrieval": Benchmark("quality.retrieval", "recall of photos and clips by caption and label", _data_and_encoder),
    "composed": Benchmark("quality.composed", "recall of edited photos by photo and edit", _data_and_encoder),
    "mixed": Benchmark("quality.mixed", "merging of photos and captions into one ranking", _data_and_encoder),
    "queries": Benchmark("quality.queries", "single words, and queries in other languages", _data_and_encoder),
    "copies": Benchmark("quality.copies", "copies of photos that are found, by hash and threshold", _data_and_encoder),
    "calibration": Benchmark(
        "quality.log_odds", "predicted against observed log-odds, and what is called weak", _data_and_encoder
    ),
    "showcase": Benchmark("quality.showcase", "ten example queries with their hits, as a page", _data_and_encoder),
    "ingest": Benchmark("system.ingest", "speed of index against its upper bound; memory", _data_and_encoder),
    "stages": Benchmark("system.index_stages", "CPU time of each stage of index", _data_and_encoder),
    "scaling": Benchmark("system.scaling", "time and memory by size of the collection, with a plot", _nothing),
    "startup": Benchmark("system.startup", "CPU time of whole commands", _encoder),
    "install": Benchmark("system.install", "size of an installation by extra; downloads 4 GB", _nothing),
    "import-memory": Benchmark("system.import_memory", "peak memory of import, up to a million rows", _nothing),
    "small-writes": Benchmark(
        "system.small_writes", "bytes written by one added text, and space taken by many small runs", _nothing
    ),
    "parity": Benchmark(
        "encoders.unite_parity", "the UNITE encoder against numbers of the official code (needs torch)", _golden_data
    ),
    "unite-batching": Benchmark(
        "encoders.unite_batching",
        "padding saved and work overlapped by batching, with a tiny UNITE model (needs torch)",
        _data_and_tiny_model,
    ),
    "grad-cache": Benchmark(
        "encoders.grad_cache",
        "memory and time of a batch of 4096 in chunks of 16, with a tiny Qwen2-VL model (needs torch)",
        _data_and_tiny_model,
    ),
    "starter-speed": Benchmark(
        "encoders.starter_speed", "photos per second, decoding included, and texts per second", _data_and_encoder
    ),
    "starter-seeds": Benchmark(
        "encoders.starter_seeds",
        "quality of the starter with the head of each seed and of all seeds (needs `make starter`)",
        _data,
    ),
    "serve": Benchmark("system.serve", "latency over HTTP against that of encoder and index, 100,000 items", _encoder),
    "serve-soak": Benchmark("system.serve_soak", "ten minutes of queries while another process indexes", _encoder),
    "covr-miniature": Benchmark(
        "quality.covr_miniature",
        "protocols of WebVid-CoVR on 77 real clips with edits written by hand",
        _data_and_encoder,
    ),
    "captions": Benchmark(
        "quality.captions", "Flickr8k dev and the clips, scored here and by trec_eval", _data_and_encoder
    ),
    "peers": Benchmark(
        "system.peers",
        "rclip and clip-retrieval on the same machine (needs $RCLIP_PYTHON or $CLIP_RETRIEVAL_PYTHON)",
        _data,
    ),
    "scoring": Benchmark("quality.scoring_speed", "time to score 2,556 queries against 2,556 candidates", _nothing),
    "reliability-kills": Benchmark(
        "reliability.kills", "what is lost when commands are killed at random moments", _nothing, has_small=True
    ),
    "reliability-flips": Benchmark(
        "reliability.flips",
        "whether `verify` notices single flipped bits in each kind of file",
        _nothing,
        has_small=True,
    ),
    "reliability-media": Benchmark(
        "reliability.media",
        "what becomes of 700 damaged media files and of the good ones beside them",
        _nothing,
        has_small=True,
    ),
    "reliability-disk": Benchmark(
        "reliability.disk", "every command on a full disk and on a read-only one", _nothing, has_small=True
    ),
    "reliability-readers": Benchmark(
        "reliability.readers", "100 readers beside a writer and copies of the folder", _nothing, has_small=True
    ),
    "reliability-budget": Benchmark(
        "reliability.budget", "files without end beside 58 photos", _nothing, has_small=True
    ),
    "bad-files": Benchmark("system.bad_files", "handling of damaged and unreadable files", _nothing),
    "one-file": Benchmark(
        "system.one_file", "what one large file costs the others; messages of workers", _data_and_encoder
    ),
}


def _can_run(name: str) -> bool:
    """Return whether what the benchmark needs is installed or configured."""
    if name == "peers":
        return any(os.environ.get(variable) for variable in PEERS.values())
    return name not in NEEDS_TORCH or find_spec("torch") is not None


def main() -> None:
    """Parse the command line and run one benchmark, or all that can run here."""
    if sys.argv[1:2] and sys.argv[1] in command_line.COMMANDS:
        command_line.main(sys.argv[1:])
        return
    if sys.argv[1:2] == ["speed"]:
        speed.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["answers"]:
        answers.main(sys.argv[2:])
        return
    if sys.argv[1:2] == [typed_queries.NAME]:
        typed_queries.main(sys.argv[2:])
        return
    names = "\n".join(f"  {name:20} {benchmark.about}" for name, benchmark in BENCHMARKS.items())
    names = f"Run a benchmark and write its results to a JSON file.\n\nbenchmarks:\n{names}"
    others = ", ".join([*command_line.COMMANDS, "speed", "answers", typed_queries.NAME])
    names += f"\n\ncommands with options of their own (NAME --help):\n  {others}"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=names, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", choices=[*BENCHMARKS, "all"], help="one of the benchmarks, or all")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="folder that holds captioned/ and videos/"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the JSON file (default: docs/results)")
    parser.add_argument(
        "--encoder",
        default=DEFAULT_ENCODER,
        help="encoder to measure (default: %(default)s); the name of another one is appended to the JSON's name",
    )
    parser.add_argument(
        "--max-pixels", type=int, help="pixels of a picture or frame; larger ones are reduced (UNITE only)"
    )
    parser.add_argument(
        "--small", action="store_true", help="do as little as possible, to try a benchmark (reliability-* only)"
    )
    given = parser.parse_args()
    if given.small and not (given.name in BENCHMARKS and BENCHMARKS[given.name].has_small):
        parser.error(f"--small is for reliability-* only, not for {given.name}")
    given.data = given.data.resolve()
    encoder = load_encoder(given.encoder, EncoderOptions(max_pixels=given.max_pixels))
    suffix = "" if given.encoder == DEFAULT_ENCODER else f"-{Path(given.encoder).name}"
    here = [name for name in BENCHMARKS if name not in NEEDS_TRAINING and _can_run(name)]
    for name in here if given.name == "all" else [given.name]:
        results = BENCHMARKS[name].run(given, encoder)
        path = write_result(f"{name}{suffix}", results, given.out)
        sys.stdout.write(f"{json.dumps(results, indent=2)}\n{path}\n")


if __name__ == "__main__":
    main()
