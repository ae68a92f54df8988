"""Where a model runs, in which precision, and with which attention."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import torch

from unite_search.encoders.base import Attention, DType
from unite_search.encoders.unite.hub import INSTALL
from unite_search.errors import EncoderUnavailableError

ALL_DEVICES = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Where and how to run.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, or `all`: spread over every GPU.
        dtype: of weights and activations.
        attention: flash attention 2 needs the package flash-attn and a GPU.
    """

    device: str
    dtype: DType
    attention: Attention = "sdpa"

    @classmethod
    def choose(cls, device: str | None, dtype: DType | None, attention: Attention | None = None) -> Placement:
        """Fill in what is not said: a GPU where there is one, bfloat16 on it, float32 on a CPU.

        bfloat16 is 70 times slower than float32 on processors without native support, see docs/guides/gpu-model.md.

        Raises:
            EncoderUnavailableError: there is no such device, or no flash attention on it.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        _check_device(device)
        if attention == "flash_attention_2" and (device == "cpu" or find_spec("flash_attn") is None):
            raise EncoderUnavailableError("flash attention 2 needs a GPU and `pip install flash-attn`; leave it out")
        precision: DType = dtype or ("float32" if device == "cpu" else "bfloat16")
        return cls(device=device, dtype=precision, attention=attention or "sdpa")

    @property
    def is_spread(self) -> bool:
        """Whether layers go to several devices."""
        return self.device == ALL_DEVICES


def _check_device(device: str) -> None:
    if device == ALL_DEVICES:
        if torch.cuda.device_count() == 0:
            raise EncoderUnavailableError("device 'all' needs a CUDA GPU; this machine has none")
        if find_spec("accelerate") is None:
            raise EncoderUnavailableError(f"device 'all' needs the package accelerate: {INSTALL}")
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderUnavailableError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
