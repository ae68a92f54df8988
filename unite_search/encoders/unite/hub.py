"""Find models on this disk, in a folder or in the cache of the Hugging Face hub. Only `pull` uses the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.errors import EncoderUnavailableError

FILES = ("*.json", "*.txt", "*.safetensors")
INSTALL = 'pip install "unite-search[unite]"'


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
        EncoderUnavailableError: the model is not on this disk.
    """
    given = Path(name).expanduser()
    if given.is_dir():
        return given.resolve()
    if not is_hub_name(name):
        raise EncoderUnavailableError(f"there is no folder {name}")
    hub = _import_hub()
    try:
        return Path(hub.snapshot_download(repository_of(name), allow_patterns=FILES, local_files_only=True))
    except (hub.errors.LocalEntryNotFoundError, FileNotFoundError) as error:
        raise EncoderUnavailableError(
            f"{name} is not on this disk{_size_note(name)}; fetch it with `unite-search encoders pull {name}`"
        ) from error


def is_hub_name(name: str) -> bool:
    """Return whether a name is an alias or has the form of a hub id, `owner/model`."""
    parts = name.split("/")
    return name in ALIASES or (len(parts) == 2 and all(part.strip(".~") for part in parts) and " " not in name)


def pull(name: str) -> Path:
    """Download a model from the hub into its cache, or the missing files of it; returns the folder.

    Raises:
        EncoderUnavailableError: the name is not a model name, there is no network, or no such model.
    """
    repository, hub = repository_of(name), _import_hub()
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=FILES))
    except (hub.errors.HfHubHTTPError, hub.errors.LocalEntryNotFoundError, hub.errors.OfflineModeIsEnabled) as error:
        raise EncoderUnavailableError(f"cannot fetch {repository}: {_reason(error)}") from error
    except OSError as error:
        raise EncoderUnavailableError(f"cannot fetch {repository}: {error}") from error


def _reason(error: Exception) -> str:
    from huggingface_hub.constants import is_offline_mode

    if is_offline_mode():
        return "HF_HUB_OFFLINE is set"
    cause = error.__cause__ or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _size_note(name: str) -> str:
    return f" ({ALIASES[name].size_gb} GB)" if name in ALIASES else ""


def _import_hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise EncoderUnavailableError(f"UNITE models need packages that are not installed: {INSTALL}") from error
    return huggingface_hub
