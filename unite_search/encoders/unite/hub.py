"""Where models come from: a folder as it is, a hub name through the local cache. Only `pull` uses the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unite_search.errors import EncoderUnavailableError

FILES = ("*.json", "*.txt", "*.safetensors")
INSTALL = 'pip install "unite-search[unite]"'


@dataclass(frozen=True, slots=True)
class Published:
    """A model on the hub, and how much it takes on disk."""

    repository: str
    size_gb: float


ALIASES = {
    "unite-2b": Published("friedrichor/Unite-Instruct-Qwen2-VL-2B", 4.4),
    "unite-7b": Published("friedrichor/Unite-Instruct-Qwen2-VL-7B", 16.6),
    "unite-base-2b": Published("friedrichor/Unite-Base-Qwen2-VL-2B", 4.4),
    "unite-base-7b": Published("friedrichor/Unite-Base-Qwen2-VL-7B", 16.6),
}


def repository_of(name: str) -> str:
    """The hub id behind a name.

    Raises:
        EncoderUnavailableError: it is none.
    """
    if not is_hub_name(name):
        raise EncoderUnavailableError(f"{name!r} is no model name; known are {', '.join(ALIASES)}, or OWNER/MODEL")
    return ALIASES[name].repository if name in ALIASES else name


def local_folder(name: str) -> Path:
    """The folder of a model: the name itself, or its place in the hub's cache. Never goes to the network.

    Raises:
        EncoderUnavailableError: it is not on this disk.
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
    """Whether a name is an alias or reads like a hub id, `owner/model`."""
    parts = name.split("/")
    return name in ALIASES or (len(parts) == 2 and all(part.strip(".~") for part in parts) and " " not in name)


def pull(name: str) -> Path:
    """Fetch a model from the hub into its cache, or complete what is there; returns the folder.

    Raises:
        EncoderUnavailableError: it is no model name, there is no network, or no such model.
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
