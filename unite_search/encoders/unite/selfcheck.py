"""Checks that any UNITE model must pass whatever its weights are, and `Finding`, the outcome of one check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unite_search.content import Clip, Content, Image
from unite_search.encoders.unite.collate import collate
from unite_search.encoders.unite.encoder import UniteEncoder

Vectors = NDArray[np.float32]
TOLERANCES = {"float32": 5e-6, "float16": 1e-2, "bfloat16": 3e-2}
EXTRA_PADDING = 17
SIDE = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one comparison over several cases.

    Attributes:
        check: what was compared.
        model: name of the checkpoint.
        cases: number of cases.
        worst: the case with the largest difference, or with the smallest if `is_minimum`.
        difference: absolute difference of the worst case.
        limit: largest allowed difference, or the smallest if `is_minimum`.
        is_minimum: whether the vectors must differ by at least `limit`.
    """

    check: str
    model: str
    cases: int
    worst: str
    difference: float
    limit: float
    is_minimum: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the difference is within the limit."""
        return self.difference >= self.limit if self.is_minimum else self.difference <= self.limit

    def record(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return {**asdict(self), "is_ok": self.is_ok}


def worst_of(check: str, model: str, differences: Mapping[str, float], limit: float) -> Finding:
    """Return the finding over several cases, given the difference of each."""
    worst = max(differences, key=lambda name: differences[name])
    return Finding(
        check=check, model=model, cases=len(differences), worst=worst, difference=differences[worst], limit=limit
    )


def distance(ours: Vectors, expected: Vectors) -> float:
    """Return the largest absolute difference of two arrays of the same shape."""
    return float(np.abs(ours.astype(np.float64) - expected).max())


def check_model(encoder: UniteEncoder) -> Iterator[Finding]:
    """Embed a few contents alone, in one batch and with padding, and compare the vectors."""
    contents = _contents()
    tolerance = TOLERANCES[encoder.options.dtype or "float32"]
    name = encoder.name
    alone = {what: encoder.encode([content], role="candidate")[0] for what, content in contents.items()}
    lengths = {what: abs(float(np.linalg.norm(row)) - 1) for what, row in alone.items()}
    finite = {what: float(not np.isfinite(row).all()) for what, row in alone.items()}
    yield worst_of("finite vectors", name, finite, 0.0)
    yield worst_of("unit vectors", name, lengths, 1e-5)
    together = dict(zip(contents, encoder.encode(list(contents.values()), role="candidate"), strict=True))
    yield _compared("batched equals single", together, alone, name, tolerance)
    padded = {what: _left_padded(encoder, content) for what, content in contents.items()}
    yield _compared("left padding has no effect", padded, alone, name, tolerance)


def _compared(
    check: str, vectors: dict[str, Vectors], alone: dict[str, Vectors], name: str, tolerance: float
) -> Finding:
    return worst_of(check, name, {what: distance(row, alone[what]) for what, row in vectors.items()}, tolerance)


def _left_padded(encoder: UniteEncoder, content: Content) -> Vectors:
    """Embed a content in a batch with a longer one."""
    inputs = encoder.inputs
    item = inputs.prepare(inputs.tokenize(content, "candidate"))
    longer = inputs.tokenize(Content(("word " * (len(item.token_ids) + EXTRA_PADDING),)), "candidate")
    batch = collate([item, inputs.prepare(longer)], pad_id=inputs.pad_id)
    row: Vectors = encoder.model.embed(batch).numpy()[0]
    return row


def _contents() -> dict[str, Content]:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, SIDE).astype(np.uint8)
    shade = np.broadcast_to(ramp[:, None, None], (SIDE, SIDE, 3)).copy()
    noise = rng.integers(0, 255, (4, SIDE, SIDE, 3), dtype=np.uint8)
    return {
        "a text": Content(("A dog runs along the beach.",)),
        "a picture": Content((Image(shade),)),
        "a clip": Content((Clip(noise, np.arange(4.0)),)),
        "a picture and a text": Content((Image(noise[0]), "make it red")),
    }
