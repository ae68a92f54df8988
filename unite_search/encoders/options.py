"""What a person may choose about an encoder; stored with a collection, so that queries are embedded like its items."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

DType = Literal["float32", "bfloat16", "float16"]
Attention = Literal["sdpa", "flash_attention_2", "eager"]
DTYPES: tuple[str, ...] = get_args(DType)
OF_A_MACHINE = ("device", "attention")


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderOptions:
    """Embedding options; None is the encoder's own choice. All but `device` and `attention` change the vectors.

    Attributes:
        max_pixels: of a picture or frame; larger ones are reduced.
        fps: frames a second that are taken of a clip.
        max_frames: of a clip.
        dtype: precision of weights and activations.
        device: `cpu`, `cuda`, `cuda:1`, or `all` to spread the model over every GPU.
        attention: how it is computed; `flash_attention_2` needs the package flash-attn and a GPU.
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
        """These options, and those of `other` where nothing was chosen."""
        return replace(other, **{name: value for name, value in asdict(self).items() if value is not None})

    def stored(self) -> dict[str, Any]:
        """What a collection keeps: everything that was chosen, but for what belongs to a machine."""
        return {name: value for name, value in asdict(self).items() if value is not None and name not in OF_A_MACHINE}


def embedding_options(*, dtype: str | None = None, **others: Any) -> EncoderOptions:
    """Options from a command line, whose precision is any text.

    Raises:
        ValueError: it is no precision.
    """
    return EncoderOptions(dtype=cast("DType | None", dtype), **others)
