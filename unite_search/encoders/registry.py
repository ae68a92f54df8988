"""Encoders by name. A name leads to a module that is imported only when that encoder is wanted.

Besides the encoders listed here there are those of other packages, under the entry point group `unite_search.encoders`,
and any UNITE checkpoint, named by its folder or its hub id.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
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
ENTRY_POINTS = "unite_search.encoders"
UNITE_PACKAGES = ("torch", "transformers", "huggingface_hub", "safetensors")


def load_encoder(name: str, options: EncoderOptions | None = None) -> Encoder:
    """Load an encoder.

    Args:
        name: a listed name, the folder of a UNITE checkpoint or adapter, or its hub id.
        options: embedding options, for encoders that have any.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
        UniteSearchError: the encoder has no such options, or the package that offers it is faulty.
        EncoderUnavailableError: its weights or packages are not installed.
    """
    name = canonical_name(name)
    if is_checkpoint(name):
        find_checkpoint(name)
        return cast(Encoder, _import_unite().UniteEncoder(name, options))
    if name not in ENCODERS:
        return _load_entry_point(_plugins()[name], options or EncoderOptions())
    if options is not None and options.stored():
        raise UniteSearchError(f"encoder {name} has no options; given were {', '.join(options.stored())}")
    module, _, attribute = ENCODERS[name].partition(":")
    return cast(Encoder, getattr(import_module(module), attribute)())


def encoder_names() -> list[str]:
    """The names of the encoders of this package and of those that other packages offer, sorted."""
    return sorted({*ENCODERS, *_plugins()})


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
    if is_hub_name(name) or name in _plugins():
        return name
    known = ", ".join(encoder_names())
    raise ValueError(f"unknown encoder {name!r}; known are {known}, and the folder or hub id of a UNITE model")


def is_folder(encoder: object) -> bool:
    """Whether an encoder is named by a folder, which may have been moved: only its fingerprint tells what it is."""
    return isinstance(encoder, str) and encoder not in ENCODERS and Path(encoder).expanduser().is_dir()


def is_checkpoint(name: str) -> bool:
    """Whether a name stands for a UNITE checkpoint."""
    return ENCODERS[name] == UNITE if name in ENCODERS else name not in _plugins()


def _plugins() -> dict[str, EntryPoint]:
    """What other packages offer, by name; names of this package cannot be replaced."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS) if entry.name not in ENCODERS}


def _load_entry_point(entry: EntryPoint, options: EncoderOptions) -> Encoder:
    """Call the factory of an entry point, and check that the encoder is one that a collection can remember."""
    package = entry.dist.name if entry.dist else entry.module
    try:
        encoder = cast(Encoder, entry.load()(options))
    except Exception as error:
        raise EncoderUnavailableError(f"encoder {entry.name} of {package} cannot be loaded: {error}") from error
    if encoder.name != entry.name:
        raise UniteSearchError(
            f"package {package} offers an encoder as {entry.name!r} that calls itself {encoder.name!r}; they must agree"
        )
    return encoder


def _import_unite() -> Any:
    try:
        return import_module(UNITE.partition(":")[0])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in UNITE_PACKAGES:
            raise EncoderUnavailableError(f"UNITE models need packages that are not installed: {INSTALL}") from error
        raise
