"""The interface of encoders, their options, and how an encoder is found by its name.

The module of an encoder is imported only when that encoder is needed. Besides the encoders listed here, other packages
offer encoders under the entry point group `unite_search.encoders`, and any UNITE checkpoint is named by its folder or
its hub id. docs/guides/own-encoder.md shows how to write an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

from unite_search.content import Content, MediaSpec
from unite_search.encoders.unite.checkpoint import find_checkpoint
from unite_search.encoders.unite.hub import ALIASES, INSTALL, is_hub_name
from unite_search.errors import EncoderUnavailableError, UniteSearchError
from unite_search.modality import Modality

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Role = Literal["query", "candidate"]
DType = Literal["float32", "bfloat16", "float16"]
Attention = Literal["sdpa", "flash_attention_2", "eager"]
DTYPES: tuple[str, ...] = get_args(DType)
PER_MACHINE = ("device", "attention")

UNITE = "unite_search.encoders.unite.encoder:UniteEncoder"
ENCODERS: dict[str, str] = {
    "starter": "unite_search.encoders.starter.encoder:StarterEncoder",
    **dict.fromkeys(ALIASES, UNITE),
}
DEFAULT_ENCODER = "starter"
ENTRY_POINTS = "unite_search.encoders"
UNITE_PACKAGES = ("torch", "transformers", "huggingface_hub", "safetensors")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderOptions:
    """Options of an encoder; None is the choice of the encoder. All but `device` and `attention` change the vectors.

    Attributes:
        max_pixels: most pixels of a picture or frame; larger ones are reduced.
        fps: frames per second that are taken from a clip.
        max_frames: most frames that are taken from a clip.
        dtype: precision of weights and activations.
        device: `cpu`, `cuda`, `cuda:1`, or `all` to distribute the model over every GPU.
        attention: implementation of attention; `flash_attention_2` needs the package flash-attn and a GPU.
    """

    max_pixels: int | None = None
    fps: float | None = None
    max_frames: int | None = None
    dtype: DType | None = None
    device: str | None = None
    attention: Attention | None = None

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}; expected {', '.join(DTYPES)}")

    def over(self, other: EncoderOptions) -> EncoderOptions:
        """Return these options, completed by those of `other` where an option is None."""
        return replace(other, **{name: value for name, value in asdict(self).items() if value is not None})

    def stored(self) -> dict[str, Any]:
        """Return the options that a collection stores: all that are set, except those that depend on the machine."""
        return {name: value for name, value in asdict(self).items() if value is not None and name not in PER_MACHINE}


@dataclass(slots=True)
class Workload:
    """The work of an encoder since it was loaded.

    Attributes:
        items: number of contents embedded.
        tokens: number of their tokens, without padding.
        padded_tokens: number of tokens computed, with padding.
    """

    items: int = 0
    tokens: int = 0
    padded_tokens: int = 0


class Encoder(Protocol):
    """Embeds contents of any modality into one space.

    Any class with these attributes is an encoder; `EncoderDefaults` has default values for those that few need.

    Attributes:
        name: the name that a user types, such as `starter` or `unite-2b`.
        fingerprint: changes whenever the same content would get another vector; stored with a collection.
        dim: D, the length of a vector.
        modalities: all modalities that it can embed.
        media: how images and videos are decoded for it.
        options: the options that it was loaded with; `EncoderOptions()` for an encoder without options.
        concurrency: number of threads that may call `encode` at once; indexing uses as many.
        workload: tokens computed so far; None for an encoder that does not count them.
        short_text_templates: sentences with `{}` for a short query, such as `there is a {}`; the query's vector is the
            mean of theirs. Empty to encode short queries as they are.
        languages: English names of the languages that it knows; None for an encoder that knows many or whose languages
            are not known.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102
    @property
    def modalities(self) -> Modality: ...  # noqa: D102
    @property
    def media(self) -> MediaSpec: ...  # noqa: D102
    @property
    def options(self) -> EncoderOptions: ...  # noqa: D102
    @property
    def concurrency(self) -> int: ...  # noqa: D102
    @property
    def workload(self) -> Workload | None: ...  # noqa: D102
    @property
    def short_text_templates(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def languages(self) -> frozenset[str] | None: ...  # noqa: D102

    def encode(self, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
        """Embed contents.

        Args:
            contents: N contents; each may mix text, images and clips.
            role: `query` for queries, `candidate` for items to index.

        Returns:
            (N, D) float32, rows of unit length, in the order given.
        """
        ...


class EncoderDefaults:
    """Default attributes: no options, one thread at a time, no counted tokens, queries and languages as they come."""

    options = EncoderOptions()
    concurrency = 1
    workload: Workload | None = None
    short_text_templates: tuple[str, ...] = ()
    languages: frozenset[str] | None = None


def load_encoder(name: str, options: EncoderOptions | None = None) -> Encoder:
    """Load an encoder by its name.

    Args:
        name: a listed name, the folder of a UNITE checkpoint or adapter, or its hub id.
        options: options for encoders that have any.

    Raises:
        ValueError: the name is unknown; the message lists the known names.
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


def embedding_options(*, dtype: str | None = None, **others: Any) -> EncoderOptions:
    """Make options from values of the command line, where `dtype` may be any text.

    Raises:
        ValueError: `dtype` is none of `DTYPES`.
    """
    return EncoderOptions(dtype=cast("DType | None", dtype), **others)


def encoder_names() -> list[str]:
    """Return the sorted names of the encoders of this package and of other packages."""
    return sorted({*ENCODERS, *_plugins()})


def canonical_name(name: str) -> str:
    """Return the name that a collection stores for an encoder; for a folder its absolute path.

    Raises:
        ValueError: no encoder has that name.
    """
    if name in ENCODERS or name in _plugins():
        return name
    folder = Path(name).expanduser()
    if folder.is_dir() or folder.is_absolute():
        return str(folder.resolve())
    if is_hub_name(name):
        return name
    known = ", ".join(encoder_names())
    raise ValueError(f"unknown encoder {name!r}; known are {known}, and the folder or hub id of a UNITE model")


def is_folder(encoder: object) -> bool:
    """Return whether an encoder is given as a folder. Folders may be moved, so only the fingerprint identifies it."""
    if not isinstance(encoder, str) or encoder in ENCODERS or encoder in _plugins():
        return False
    return Path(encoder).expanduser().is_dir()


def is_checkpoint(name: str) -> bool:
    """Return whether a name stands for a UNITE checkpoint."""
    return ENCODERS[name] == UNITE if name in ENCODERS else name not in _plugins()


def _plugins() -> dict[str, EntryPoint]:
    """Return the encoders of other packages by name; names of this package cannot be replaced."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS) if entry.name not in ENCODERS}


def _load_entry_point(entry: EntryPoint, options: EncoderOptions) -> Encoder:
    """Call the factory of an entry point, and check that the encoder has the name of the entry point."""
    package = entry.dist.name if entry.dist else entry.module
    try:
        encoder = cast(Encoder, entry.load()(options))
        problem = _problem_of(encoder)
    except Exception as error:
        raise EncoderUnavailableError(f"encoder {entry.name} of {package} cannot be loaded: {error}") from error
    if problem:
        raise UniteSearchError(f"encoder {entry.name} of {package} breaks the contract: {problem}")
    if encoder.name != entry.name:
        raise UniteSearchError(
            f"package {package} offers an encoder as {entry.name!r} that calls itself {encoder.name!r}; they must agree"
        )
    return encoder


def _problem_of(encoder: Encoder) -> str | None:
    """Return what is wrong with the attributes of an encoder that another package made, or None."""
    checks = {
        "name": isinstance(encoder.name, str),
        "fingerprint": isinstance(encoder.fingerprint, str),
        "dim": isinstance(encoder.dim, int) and encoder.dim > 0,
        "modalities": isinstance(encoder.modalities, Modality),
        "media": isinstance(encoder.media, MediaSpec),
        "options": isinstance(encoder.options, EncoderOptions),
        "concurrency": isinstance(encoder.concurrency, int) and encoder.concurrency > 0,
        "workload": encoder.workload is None or isinstance(encoder.workload, Workload),
        "short_text_templates": isinstance(encoder.short_text_templates, tuple)
        and all(isinstance(one, str) and "{}" in one for one in encoder.short_text_templates),
        "languages": encoder.languages is None or isinstance(encoder.languages, frozenset),
    }
    wrong = next((name for name, is_right in checks.items() if not is_right), None)
    return None if wrong is None else f"{wrong} is {getattr(encoder, wrong)!r}"


def encode(encoder: Encoder, contents: Sequence[Content], *, role: Role) -> NDArray[np.float32]:
    """Encode contents, and check what comes back.

    Returns:
        (N, D) float32. Rows of candidates may have any values: an index run checks them one by one, so that one
        faulty vector costs one file.

    Raises:
        UniteSearchError: the encoder returned another shape, or for queries numbers that are not finite.
    """
    import numpy as np

    rows = np.asarray(encoder.encode(contents, role=role))
    expected = (len(contents), encoder.dim)
    if rows.shape != expected or rows.dtype.kind != "f":
        raise UniteSearchError(
            f"encoder {encoder.name} returned {rows.dtype} of shape {rows.shape}; expected float32 of shape {expected}"
        )
    if role == "query" and not np.isfinite(rows).all():
        raise UniteSearchError(f"encoder {encoder.name} returned numbers that are not finite")
    return rows.astype(np.float32, copy=False)


def _import_unite() -> Any:
    """Import the module of UNITE encoders, and name the missing packages if that fails."""
    try:
        return import_module(UNITE.partition(":")[0])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in UNITE_PACKAGES:
            raise EncoderUnavailableError(f"UNITE models need packages that are not installed; {INSTALL}") from error
        raise
