"""Encoders by name. A name leads to a module that is imported only when that encoder is wanted."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from unite_search.encoders.base import Encoder

ENCODERS: dict[str, str] = {
    "starter": "unite_search.encoders.starter.encoder:StarterEncoder",
}
DEFAULT_ENCODER = "starter"


def load_encoder(name: str) -> Encoder:
    """Load an encoder.

    Raises:
        ValueError: the name is unknown; the message lists the known ones.
        EncoderUnavailableError: its weights or packages are not installed.
    """
    try:
        module, _, attribute = ENCODERS[name].partition(":")
    except KeyError:
        raise ValueError(f"unknown encoder {name!r}; known are {', '.join(sorted(ENCODERS))}") from None
    return cast(Encoder, getattr(import_module(module), attribute)())
