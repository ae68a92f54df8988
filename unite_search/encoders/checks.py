"""Checking an encoder on this machine: what any UNITE model must do, and the golden data of the official code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from unite_search.encoders.options import EncoderOptions
from unite_search.encoders.registry import is_checkpoint, load_encoder
from unite_search.errors import UniteSearchError

if TYPE_CHECKING:
    from unite_search.encoders.unite.findings import Finding


def check_encoder(name: str, options: EncoderOptions, parity: Path | None) -> Iterator[Finding]:
    """Check a UNITE model, and where golden data is given this installation with it.

    Raises:
        UniteSearchError: the encoder is of another kind, or the folder holds no golden data.
    """
    if not is_checkpoint(name):
        raise UniteSearchError(f"encoder {name} has no checks; expected a UNITE model")
    encoder = load_encoder(name, options)
    from unite_search.encoders.unite.encoder import UniteEncoder
    from unite_search.encoders.unite.golden import Golden
    from unite_search.encoders.unite.parity import check_parity
    from unite_search.encoders.unite.selfcheck import check_model

    golden = None if parity is None else Golden(parity)
    if isinstance(encoder, UniteEncoder):
        yield from check_model(encoder)
    if golden is not None:
        yield from check_parity(golden, options.device or "cpu")
