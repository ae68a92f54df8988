"""Find models on this disk, in a folder or in the cache of the Hugging Face hub. Only `pull` uses the network.

Of a repository only JSON, text and safetensors are fetched. Pickles and Python files, which could run code, are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexers.extras import how_to_install
from unite_search.encoders.unite.download_record import DownloadRecord, compare, read_record, recorded, write_record
from unite_search.errors import EncoderUnavailableError

FILES = ("*.json", "*.txt", "*.safetensors")
INSTALL = how_to_install("unite")


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model on the hub, and its size on disk."""

    repository: str
    size_gb: float


ALIASES = {
    "unite-2b": PublishedModel("friedrichor/Unite-Instruct-Qwen2-VL-2B", 4.4),
    "unite-7b": PublishedModel("friedrichor/Unite-Instruct-Qwen2-VL-7B", 16.6),
    "unite-base-2b": PublishedModel("friedrichor/Unite-Base-Qwen2-VL-2B", 4.4),
    "unite-base-7b": PublishedModel("friedrichor/Unite-Base-Qwen2-VL-7B", 16.6),
}


def repository_of(name: str) -> str:
    """Return the hub id of an alias, or of a name that is one.

    Raises:
        EncoderUnavailableError: the name is neither an alias nor a hub id.
    """
    if not is_hub_name(name):
        raise EncoderUnavailableError(f"{name!r} is no model name; known are {', '.join(ALIASES)}, or OWNER/MODEL")
    return ALIASES[name].repository if name in ALIASES else name


def local_folder(name: str) -> Path:
    """Return the folder of a model: the name itself, or its place in the hub's cache. Never uses the network.

    Raises:
        EncoderUnavailableError: the model is not on this disk, or is not what `pull` fetched.
    """
    given = Path(name).expanduser()
    if given.is_dir():
        return given.resolve()
    if not is_hub_name(name):
        raise EncoderUnavailableError(f"there is no folder {name}")
    hub, record = import_hub(), record_of(name)
    revision = None if record is None else record.commit
    try:
        found = hub.snapshot_download(
            repository_of(name), allow_patterns=FILES, revision=revision, local_files_only=True
        )
    except (hub.errors.LocalEntryNotFoundError, FileNotFoundError) as error:
        raise EncoderUnavailableError(
            f"{name} is not on this disk{_size_note(name)}; fetch it with `unite-search encoders pull {name}`"
        ) from error
    if record is not None:
        compare(Path(found), record)
    return Path(found)


def check_files(name: str) -> DownloadRecord | None:
    """Read every file of a model that `pull` fetched and compare it with its record; None for any other model.

    Raises:
        EncoderUnavailableError: the model is not on this disk, or a file differs.
    """
    folder = local_folder(name)
    record = None if Path(name).expanduser().is_dir() else record_of(name)
    if record is not None:
        compare(folder, record, whole=True)
    return record


def record_of(name: str) -> DownloadRecord | None:
    """Return what `pull` recorded of a model; None if it fetched none.

    Raises:
        EncoderUnavailableError: the name is not a model name, or the record is damaged.
    """
    return read_record(_cache_folder(repository_of(name)))


def is_hub_name(name: str) -> bool:
    """Return whether a name is an alias or has the form of a hub id, `owner/model`."""
    parts = name.split("/")
    return name in ALIASES or (len(parts) == 2 and all(part.strip(".~") for part in parts) and " " not in name)


def pull(name: str, revision: str | None = None) -> Path:
    """Download a model from the hub into its cache, or the missing files of it; returns the folder.

    The first download records the commit and the files, and later ones keep to that commit.

    Args:
        name: alias or hub id.
        revision: commit, tag or branch to fetch instead of the recorded commit, or of the newest if there is no record.

    Raises:
        EncoderUnavailableError: the name is not a model name, there is no network, no such model, or a file is not what
            the hub or the record says.
    """
    repository, hub, known = repository_of(name), import_hub(), record_of(name)
    wanted = revision or (None if known is None else known.commit)
    try:
        folder = Path(hub.snapshot_download(repository, allow_patterns=FILES, revision=wanted))
    except (hub.errors.HfHubHTTPError, hub.errors.LocalEntryNotFoundError, hub.errors.OfflineModeIsEnabled) as error:
        raise EncoderUnavailableError(f"cannot fetch {repository}: {_reason(error)}") from error
    except OSError as error:
        raise EncoderUnavailableError(f"cannot fetch {repository}: {error}") from error
    paths = [path for pattern in FILES for path in folder.glob(pattern)]
    write_record(_cache_folder(repository), recorded(paths, folder.name, known))
    return folder


def _cache_folder(repository: str) -> Path:
    """Return the folder of a repository in the hub's cache; above `snapshots`, which has one folder a commit."""
    cache = Path(import_hub().constants.HF_HUB_CACHE).expanduser()
    return cache / f"models--{repository.replace('/', '--')}"


def _reason(error: Exception) -> str:
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    cause = error.__cause__ or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _size_note(name: str) -> str:
    return f" ({ALIASES[name].size_gb} GB)" if name in ALIASES else ""


def import_hub() -> Any:
    """Import and return `huggingface_hub`.

    Raises:
        EncoderUnavailableError: it is not installed.
    """
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError as error:
        raise EncoderUnavailableError(f"UNITE models need packages that are not installed; {INSTALL}") from error
    return huggingface_hub
