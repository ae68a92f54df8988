"""SIGKILL at random moments of `index`: nothing committed is lost, repeated or embedded twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import lance
import numpy as np
import pytest
from PIL import Image
from toy import LOG_VARIABLE, ToyEncoder, digest_of_content

from unite_search.collection import Collection
from unite_search.content import Content
from unite_search.media.load import load_image

PICTURES = 240
KILLS = 50
COMMIT_ITEMS = 16
MOST_EMBEDDED = 24
LONGEST_S = 0.1
PATIENCE_S = 60

RUN = """
import sys
import time
from pathlib import Path
from toy import ToyEncoder
from unite_search.ingest import pipeline
from unite_search.collection import Collection
from unite_search.report import IndexOptions

class SlowEncoder(ToyEncoder):
    def encode(self, contents, *, role):
        time.sleep(0.01 * len(contents))
        return super().encode(contents, role=role)


if __name__ == "__main__":
    pipeline.COMMIT_ITEMS = int(sys.argv[3])
    with Collection.open(sys.argv[1], encoder=SlowEncoder(), create=True) as collection:
        print("open", flush=True)
        collection.index([Path(sys.argv[2])], IndexOptions(workers=1, batch_size=4))
"""


def draw(folder: Path, count: int) -> None:
    """Pictures that all differ."""
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:04}.png")


def start(database: Path, folder: Path, log: Path) -> subprocess.Popen[str]:
    script = database.parent / "run.py"
    script.write_text(RUN)
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
    environment = {**os.environ, LOG_VARIABLE: str(log), "PYTHONPATH": path}
    arguments = [sys.executable, str(script), str(database), str(folder), str(COMMIT_ITEMS)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)


def committed(database: Path) -> Counter[str]:
    """How often each file stands in the catalog, read without the program's own bookkeeping."""
    if not (database / "collection.json").exists():
        return Counter()
    rows = lance.dataset(str(database / "catalog" / "items.lance")).to_table(columns=["uri", "parent"]).to_pylist()
    return Counter(uri for uri, _ in {(row["uri"], row["parent"]) for row in rows})


def digest(path: Path) -> str:
    """What the toy encoder's log says of a picture."""
    image, _ = load_image(path, ToyEncoder.media)
    return digest_of_content(Content((image,)))


def embedded(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def wait_for_embedded(process: subprocess.Popen[str], log: Path, count: int) -> None:
    """Until the encoder has seen `count` pictures, or the process has ended."""
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and len(embedded(log)) < count:
        assert time.monotonic() < until, "the run does not come forward"
        time.sleep(0.005)


@pytest.mark.slow
def test_fifty_kills_then_one_run_to_the_end(tmp_path: Path) -> None:
    folder, database, log = tmp_path / "media", tmp_path / "db", tmp_path / "log"
    draw(folder, PICTURES)
    digest_of = {str(path): digest(path) for path in folder.iterdir()}
    assert len(set(digest_of.values())) == PICTURES
    chance = random.Random(7)
    safe: set[str] = set()
    sizes = set()
    for round_ in range(KILLS):
        if round_ % 10 == 9:
            for path in sorted(folder.iterdir())[round_ : round_ + 3]:
                renamed = path.rename(path.with_name(f"renamed {path.name}"))
                digest_of[str(renamed)] = digest_of[str(path)]
        seen = len(embedded(log))
        process = start(database, folder, log)
        assert process.stdout
        process.stdout.readline()
        wait_for_embedded(process, log, seen + chance.randint(0, MOST_EMBEDDED))
        time.sleep(chance.uniform(0, LONGEST_S))
        process.kill()
        process.wait()
        process.stdout.close()
        assert not safe & set(embedded(log)[seen:]), "a committed file was embedded again"
        now = committed(database)
        assert max(now.values(), default=1) == 1, "a file is in the catalog twice"
        assert safe <= {digest_of[uri] for uri in now}, "a committed file was lost"
        safe = {digest_of[uri] for uri in now}
        sizes.add(len(now))
    seen = len(embedded(log))
    with Collection.open(database, encoder=ToyEncoder(), create=True) as collection:
        collection.index([folder])
        assert collection.verify() == []
    assert not safe & set(embedded(log)[seen:])
    assert committed(database) == Counter(str(path) for path in folder.iterdir())
    assert len(sizes) > 5, "the kills came too early or too late to mean anything"
