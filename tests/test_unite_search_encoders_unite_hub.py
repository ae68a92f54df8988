"""Fetching models and recognising them again, with a hub that is not there or is one of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_hub import REPOSITORY, FakeHub, fake_hub

pytest.importorskip("huggingface_hub")

from unite_search.encoders.unite.hub import ALIASES, is_hub_name, pull, repository_of
from unite_search.errors import EncoderUnavailableError

MAIN = "from unite_search.cli import main; main()"
FIRST, SECOND = "a" * 40, "b" * 40
SAFE = {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"\2\0\0\0\0\0\0\0{}"}
UNSAFE = {"pytorch_model.bin": b"a pickle", "modeling.py": b"raise SystemExit"}
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    files = {**SAFE, **UNSAFE}
    with fake_hub(FakeHub(commits={FIRST: files, SECOND: {**files, "config.json": b'{"new": 1}'}}, main=FIRST)) as one:
        yield one


@pytest.fixture
def run(hub: FakeHub, tmp_path: Path) -> Run:
    """Run a command of the program that finds our hub, and keeps its cache in the folder of the test."""
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": hub.address}

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-c", MAIN, *words]
        return subprocess.run(line, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return command


def cached(folder: Path) -> Path:
    return folder / "hub" / f"models--{REPOSITORY.replace('/', '--')}"


def commit_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["commit"])


def test_aliases_lead_to_the_published_models() -> None:
    assert repository_of("unite-2b") == "friedrichor/Unite-Instruct-Qwen2-VL-2B"
    assert repository_of("owner/model") == "owner/model"
    assert [is_hub_name(name) for name in ("unite-2b", "owner/model", "clip", "../model", "a/b/c", "~/model")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip
    assert len(ALIASES) == 4
    with pytest.raises(EncoderUnavailableError, match="'clip' is no model name; known are unite-2b"):
        pull("clip")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"), ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot fetch")],
)
def test_without_a_network_one_line_comes_at_once(tmp_path: Path, variables: dict[str, str], reason: str) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path), **variables}
    started = time.monotonic()
    commands = (["encoders", "pull", "unite-2b"], ["index", str(tmp_path), "--db", "db", "--encoder", "unite-2b"])
    runs = [
        subprocess.run(
            [sys.executable, "-c", MAIN, *command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for command in commands
    ]
    assert time.monotonic() - started < 60
    assert [run.returncode for run in runs] == [1, 1]
    assert reason in runs[0].stderr
    assert runs[0].stderr.count("\n") == 2
    (line,) = runs[1].stderr.splitlines()
    assert line == ("Error: unite-2b is not on this disk (4.4 GB); fetch it with `unite-search encoders pull unite-2b`")


def test_nothing_that_could_run_code_is_fetched(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    assert commit_of(run("encoders", "pull", REPOSITORY, "--json")) == FIRST
    assert {path.name for path in (cached(tmp_path) / "snapshots" / FIRST).iterdir()} == set(SAFE)
    assert not [asked for asked in hub.asked if asked.endswith(tuple(UNSAFE)) or "telemetry" in asked]


def test_a_model_stays_at_its_first_commit_until_another_is_asked_for(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    pull = ("encoders", "pull", REPOSITORY, "--json")
    assert commit_of(run(*pull)) == FIRST
    hub.main = SECOND
    assert commit_of(run(*pull)) == FIRST
    assert json.loads((cached(tmp_path) / "unite-search.json").read_text())["commit"] == FIRST
    assert commit_of(run(*pull, "--revision", "main")) == SECOND
    assert commit_of(run(*pull)) == SECOND
    assert commit_of(run(*pull, "--revision", FIRST)) == FIRST


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_file_that_arrives_damaged_is_refused_and_fetched_again(hub: FakeHub, run: Run, name: str) -> None:
    """The hub promises one hash and sends other bytes; huggingface_hub itself compares only the size."""
    hub.commits[FIRST][f"promised {name}"] = hub.commits[FIRST][name][::-1]
    refused = run("encoders", "pull", REPOSITORY)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"Error: {name} did not arrive as it was sent; run the command again" in refused.stderr
    del hub.commits[FIRST][f"promised {name}"]
    assert commit_of(run("encoders", "pull", REPOSITORY, "--json")) == FIRST


def test_other_bytes_under_the_same_commit_are_refused(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    """A hub that changes a commit, or somebody in between: the record outlives the files."""
    assert run("encoders", "pull", REPOSITORY).returncode == 0
    for folder in ("snapshots", "blobs", "trees", "refs"):
        shutil.rmtree(cached(tmp_path) / folder, ignore_errors=True)
    hub.commits[FIRST]["config.json"] = b"[]"
    refused = run("encoders", "pull", REPOSITORY)
    assert refused.returncode == 1
    assert "config.json did not arrive as it was sent" in refused.stderr


def test_a_changed_file_is_noticed_when_the_model_is_used(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    use = ("index", str(tmp_path), "--db", "db", "--encoder", REPOSITORY)
    assert run("encoders", "pull", REPOSITORY).returncode == 0
    assert "has changed" not in run(*use).stderr
    weights = cached(tmp_path) / "snapshots" / FIRST / "model.safetensors"
    before = weights.stat()
    weights.resolve().write_bytes(b"\2\0\0\0\0\0\0\0[]")
    assert f"{weights} has changed since it was fetched; delete it and fetch the model again" in run(*use).stderr
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "has changed" not in run(*use).stderr
    assert f"{weights} has changed since it was fetched" in run("encoders", "check", REPOSITORY).stderr


def test_a_check_of_the_files_says_what_it_compared(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    assert run("encoders", "pull", REPOSITORY).returncode == 0
    assert f"3 files as fetched, commit {FIRST}" in run("encoders", "check", REPOSITORY).stderr
    added = cached(tmp_path) / "snapshots" / FIRST / "adapter_config.json"
    added.write_text("{}")
    assert f"{added} was not fetched with the model; delete it" in run("encoders", "check", REPOSITORY).stderr
    added.unlink()
    (cached(tmp_path) / "snapshots" / FIRST / "config.json").unlink()
    assert "fetch" in run("encoders", "check", REPOSITORY).stderr


@pytest.mark.parametrize("content", ["", "[]", '{"commit": "a", "files": {"config.json": {}}}'])
def test_a_damaged_record_is_named(content: str, run: Run, tmp_path: Path) -> None:
    assert run("encoders", "pull", REPOSITORY).returncode == 0
    (cached(tmp_path) / "unite-search.json").write_text(content)
    refused = run("encoders", "pull", REPOSITORY)
    assert refused.returncode == 1
    assert "unite-search.json is damaged; delete it to trust the files beside it again" in refused.stderr


def test_a_model_that_another_tool_fetched_is_used_without_a_record(hub: FakeHub, run: Run, tmp_path: Path) -> None:
    assert run("encoders", "pull", REPOSITORY).returncode == 0
    (cached(tmp_path) / "unite-search.json").unlink()
    assert "as fetched" not in run("encoders", "check", REPOSITORY).stderr
    assert commit_of(run("encoders", "pull", REPOSITORY, "--json")) == FIRST
    assert (cached(tmp_path) / "unite-search.json").is_file()
