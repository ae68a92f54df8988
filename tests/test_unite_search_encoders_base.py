from __future__ import annotations

import subprocess
import sys

import pytest

from unite_search.encoders.base import DEFAULT_ENCODER, ENCODERS, load_encoder

pytestmark = pytest.mark.base


def test_default_encoder_is_built_in_and_loads() -> None:
    encoder = load_encoder(DEFAULT_ENCODER)
    assert (encoder.name, encoder.dim) == ("starter", 941)
    assert encoder.modalities.value == 7


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown encoder 'clip'; known are .*starter"):
        load_encoder("clip")


def test_naming_the_encoders_imports_none_of_them() -> None:
    program = "import sys, unite_search.encoders.base as r; print(len(r.ENCODERS), 'onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(len(ENCODERS)), "False"]
