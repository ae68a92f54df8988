"""Encoders by name. A name leads to a module that is imported only when that encoder is wanted.

Besides the names listed here, any UNITE checkpoint can be named by its folder or its hub id.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from unite_search.encoders.base import Encoder
from unite_search.encoders.options import EncoderOptions
from unite_search.encoders.unite.checkpoint import find_checkpoint
from unite_search.encoders.unite.hub import ALIASES, INSTALL, is_hub_name
from unite_search.errors import EncoderUnavailableError, UniteSearchError

UNITE = "unite_search.encoders.unite.encoder:UniteEncoder"
ENCODERS: dict[str, str] = {
    "starter": "unite_search.encoders.starter.encoder:StarterEncoder",
    **dict.fromkeys(ALIASES, UNITE),
}
DEFAULT_ENCODER = "starter"
UNITE_PACKAGES = ("torch", "transformers", "huggingface_hub", "safetensors")


def load_encoder(name: str, options: EncoderOptions | None = None) -> Encoder:
    """Load an encoder.

    Args:
        name: a listed name, the folder of a UNITE checkpoint or adapter, or its hub id.
        options: embedding options, for encoders that have any.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
        UniteSearchError: the encoder has no such options.
        EncoderUnavailableError: its weights or packages are not installed.
    """
    name = canonical_name(name)
    module, _, attribute = ENCODERS.get(name, UNITE).partition(":")
    if is_checkpoint(name):
        find_checkpoint(name)
        return cast(Encoder, getattr(_import_unite(module), attribute)(name, options))
    if options is not None and options.stored():
        raise UniteSearchError(f"encoder {name} has no options; given were {', '.join(options.stored())}")
    return cast(Encoder, getattr(import_module(module), attribute)())


def canonical_name(name: str) -> str:
    """The name that a collection remembers; for a folder its absolute path.

    Raises:
        ValueError: it is no encoder.
    """
    if name in ENCODERS:
        return name
    folder = Path(name).expanduser()
    if folder.is_dir() or folder.is_absolute():
        return str(folder.resolve())
    if is_hub_name(name):
        return name
    known = ", ".join(sorted(ENCODERS))
    raise ValueError(f"unknown encoder {name!r}; known are {known}, and the folder or hub id of a UNITE model")


def is_folder(encoder: object) -> bool:
    """Whether an encoder is named by a folder, which may have been moved: only its fingerprint tells what it is."""
    return isinstance(encoder, str) and encoder not in ENCODERS and Path(encoder).expanduser().is_dir()


def is_checkpoint(name: str) -> bool:
    """Whether a name stands for a UNITE checkpoint."""
    return ENCODERS.get(name, UNITE) == UNITE


def _import_unite(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in UNITE_PACKAGES:
            raise EncoderUnavailableError(f"UNITE models need packages that are not installed: {INSTALL}") from error
        raise
