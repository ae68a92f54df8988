"""The encoder of a collection: the one that made its vectors, or one that someone names in its place, checked."""

from __future__ import annotations

from collections.abc import Mapping

from unite_search.encoders.base import Encoder
from unite_search.encoders.options import EncoderOptions, stored_options
from unite_search.encoders.registry import is_folder, load_encoder
from unite_search.errors import EncoderMismatchError
from unite_search.store import Store

OTHER_ENCODER = "use the encoder and options that built it, or index into another collection"
OTHER_VERSION = "that is another version: index the folders again, into another collection"


class EncoderChoice:
    """An encoder, loaded when first needed.

    A wrong name is refused at once. A folder may have been moved, so that only the loaded encoder tells whether it is
    the right one: the fingerprint decides, whatever the name.
    """

    def __init__(self, store: Store, given: str | Encoder | None, options: EncoderOptions | None) -> None:
        """Take note of what was given.

        Raises:
            EncoderMismatchError: it is the name of another encoder.
        """
        self._store = store
        self._given = given
        self._options = options or EncoderOptions()
        self._loaded: Encoder | None = None
        if given is not None and not is_folder(given):
            name = given if isinstance(given, str) else given.name
            if name != store.manifest.encoder:
                raise self._mismatch(name, OTHER_ENCODER)

    @property
    def encoder(self) -> Encoder:
        """The encoder.

        Raises:
            EncoderMismatchError: it makes other vectors than those of the collection.
        """
        if self._loaded is None:
            made_by = self._store.manifest
            given = made_by.encoder if self._given is None else self._given
            options = self._options.over(EncoderOptions(**made_by.encoder_options))
            encoder = load_encoder(given, options) if isinstance(given, str) else given
            if encoder.fingerprint != made_by.fingerprint:
                is_other_version = (encoder.name, stored_options(encoder)) == (made_by.encoder, made_by.encoder_options)
                given = _described(encoder.name, encoder.fingerprint, stored_options(encoder))
                raise self._mismatch(given, OTHER_VERSION if is_other_version else OTHER_ENCODER)
            self._loaded = encoder
        return self._loaded

    def _mismatch(self, given: str, advice: str) -> EncoderMismatchError:
        by = self._store.manifest
        built_by = _described(by.encoder, by.fingerprint, by.encoder_options)
        return EncoderMismatchError(
            f"{self._store.directory} was built by encoder {built_by}, this is {given}; {advice}"
        )


def _described(name: str, fingerprint: str, options: Mapping[str, object]) -> str:
    """An encoder as a mismatch shows it."""
    chosen = "".join(f", {option} {value}" for option, value in options.items())
    return f"{name} ({fingerprint}{chosen})"
