"""Recall of captions and photos on held-out data, while a run goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from train.config import RunConfig, SourceConfig
from train.data.pairs import Pair, Side
from train.data.sources import captioned
from train.trainee import Trainee
from unite_search.encoders.base import Role

CHUNK = 256
DEPTHS = (1, 10)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Photos with captions, one right answer each; only the first caption is used."""

    pairs: tuple[Pair, ...]

    @classmethod
    def read(cls, config: RunConfig) -> Evaluation:
        """The photos that a config names; none where it names none."""
        if not config.evaluation:
            return cls(())
        source = SourceConfig(kind="captions", path=config.evaluation, split=config.evaluation_split)
        photos = captioned(source)
        return cls(tuple(Pair(query=Side(text=texts[0]), candidate=Side(images=(path,))) for path, texts in photos))

    def measure(self, trainee: Trainee) -> dict[str, float]:
        """R@K in percent from captions to photos and back; the first number is the one to stop by."""
        if not self.pairs:
            return {}
        texts, photos = ([getattr(pair, side) for pair in self.pairs] for side in ("query", "candidate"))
        scores = {
            "text_to_image": _embed(trainee, texts, "query") @ _embed(trainee, photos, "candidate").T,
            "image_to_text": _embed(trainee, photos, "query") @ _embed(trainee, texts, "candidate").T,
        }
        return {f"{way}_{depth}": recall(found, depth) for depth in reversed(DEPTHS) for way, found in scores.items()}


def recall(scores: torch.Tensor, depth: int) -> float:
    """Percent of rows of (N, N) scores whose diagonal is among the `depth` highest; ties count against."""
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1)  # 1 is the first
    return round(100 * float((rank <= depth).float().mean()), 2)


def _embed(trainee: Trainee, sides: Sequence[Side], role: Role) -> torch.Tensor:
    chunks = [sides[start : start + CHUNK] for start in range(0, len(sides), CHUNK)]
    with torch.no_grad():
        return torch.cat([trainee.embed(chunk, role) for chunk in chunks])
