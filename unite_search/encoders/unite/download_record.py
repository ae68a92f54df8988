"""The record of a download: the commit and the SHA-256 of each file, written once and compared whenever they are used.

Trust on first use: nobody has vouched for the published models, so the first download is believed as far as the hub's
own hashes agree, and from then on the same bytes are expected. The record lies in the model's folder of the hub's
cache. Loading compares sizes and times, and reads only files whose time has changed; `encoders check` reads all.

The hub's cache names each stored file by its hash: the SHA-256 of a large file, the Git hash of a small one. It checks
neither after a download; that is done here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from indexers.atomic import write_text
from unite_search.errors import EncoderUnavailableError

NAME = "unite-search.json"
FORMAT = 1
BLOBS = "blobs"
BLOCK_BYTES = 1 << 20
SHA256_DIGITS, GIT_DIGITS = 64, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file: its SHA-256 (hexadecimal), its size, and its time of modification when it was last read."""

    sha256: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRecord:
    """The commit of a repository that was fetched, and its files by name."""

    commit: str
    files: dict[str, FileRecord]


def read_record(folder: Path) -> DownloadRecord | None:
    """Return the record in the cache folder of a repository; None where nothing was recorded.

    Raises:
        EncoderUnavailableError: the record is damaged.
    """
    path = folder / NAME
    try:
        content = json.loads(path.read_bytes())
        files = {name: FileRecord(**facts) for name, facts in content["files"].items()}
        return DownloadRecord(commit=content["commit"], files=files)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EncoderUnavailableError(f"{path} is damaged; delete it to trust the files beside it again") from error


def write_record(folder: Path, record: DownloadRecord) -> None:
    """Write the record into the cache folder of a repository, whole or not at all."""
    files = {name: asdict(file) for name, file in sorted(record.files.items())}
    content = {"format": FORMAT, "commit": record.commit, "files": files}
    write_text(folder / NAME, json.dumps(content, indent=1) + "\n")


def recorded(paths: Iterable[Path], commit: str, known: DownloadRecord | None) -> DownloadRecord:
    """Read downloaded files and return their record.

    Args:
        paths: the files, as they lie in the folder of their commit.
        commit: the commit that they belong to.
        known: an earlier record; where it is of the same commit, the same bytes are expected.

    Raises:
        EncoderUnavailableError: a file is not what the hub or the earlier record says. It is deleted, so that the next
            download fetches it again.
    """
    before = known.files if known is not None and known.commit == commit else {}
    files = {}
    for path in sorted(paths):
        sha256, git = _hashes(path)
        expected = _promised_hash(path)
        if expected not in (None, sha256, git) or (path.name in before and before[path.name].sha256 != sha256):
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise EncoderUnavailableError(f"{path.name} did not arrive as it was sent; run the command again")
        status = path.stat()
        files[path.name] = FileRecord(sha256=sha256, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)
    return DownloadRecord(commit=commit, files=files)


def compare(folder: Path, record: DownloadRecord, *, whole: bool = False) -> None:
    """Compare the files of a commit's folder with their record; files that nobody recorded are refused.

    Args:
        folder: the folder of the commit.
        record: what was fetched.
        whole: read every file; otherwise only those whose time has changed.

    Raises:
        EncoderUnavailableError: a file is missing, has changed, or was added.
    """
    present = {
        path.name: path for path in folder.iterdir() if path.is_file() and path.suffix in (".json", ".safetensors")
    }
    for name, file in record.files.items():
        path = folder / name
        if not path.is_file():
            raise EncoderUnavailableError(f"{folder} lacks {name}; fetch the model again")
        status = path.stat()
        is_unchanged = (status.st_size, status.st_mtime_ns) == (file.size_bytes, file.modified_ns)
        if (whole or not is_unchanged) and (status.st_size != file.size_bytes or _hashes(path)[0] != file.sha256):
            raise EncoderUnavailableError(
                f"{path} has changed since it was fetched; delete it and fetch the model again"
            )
        present.pop(name, None)
    if present:
        raise EncoderUnavailableError(f"{min(present.values())} was not fetched with the model; delete it")


def _promised_hash(path: Path) -> str | None:
    """Return the hash by which the hub's cache knows a file; None where the cache holds it under its own name."""
    stored = path.resolve()
    is_hash = len(stored.name) in (SHA256_DIGITS, GIT_DIGITS)
    return stored.name if is_hash and stored.parent.name == BLOBS else None


def _hashes(path: Path) -> tuple[str, str]:
    """Return the SHA-256 of a file, and its hash as a blob of Git."""
    sha256, git = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    git.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            sha256.update(block)
            git.update(block)
    return sha256.hexdigest(), git.hexdigest()
