"""The device, precision and attention implementation that a model runs with."""

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
    """Where and how a model runs.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`, or `all` for a model spread over all GPUs.
        dtype: type of weights and activations.
        attention: attention implementation; flash attention 2 needs the package flash-attn and a GPU.
    """

    device: str
    dtype: DType
    attention: Attention = "sdpa"

    @classmethod
    def choose(cls, device: str | None, dtype: DType | None, attention: Attention | None = None) -> Placement:
        """Fill in what is not given: a GPU if there is one, with bfloat16; otherwise the CPU with float32.

        On a CPU without native bfloat16 support, bfloat16 is far slower than float32: matrix products of torch ran at
        1.3 GFLOP/s on one with AVX2, and at 95 GFLOP/s in float32 on one core of it, about 70 times as fast.

        Raises:
            EncoderUnavailableError: the device does not exist, or flash attention cannot be used on it.
        """
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        _check_device(device)
        if attention == "flash_attention_2" and (device == "cpu" or find_spec("flash_attn") is None):
            raise EncoderUnavailableError("flash attention 2 needs a GPU and `pip install flash-attn`; leave it out")
        precision: DType = dtype or ("float32" if device == "cpu" else "bfloat16")
        return cls(device=device, dtype=precision, attention=attention or "sdpa")

    @property
    def is_spread(self) -> bool:
        """Whether the layers are spread over several devices."""
        return self.device == ALL_DEVICES


def _check_device(device: str) -> None:
    if device == ALL_DEVICES:
        if torch.cuda.device_count() == 0:
            raise EncoderUnavailableError("device 'all' needs a CUDA GPU; this machine has none")
        if find_spec("accelerate") is None:
            raise EncoderUnavailableError(f"device 'all' needs the package accelerate; {INSTALL}")
        return
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderUnavailableError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from error
