"""The rules of an evaluation as data. They are saved with each result, because papers often do not state theirs.

Sources: CoVR's rules are those of lucas-ventura/CoVR (src/test/webvid_covr.py, src/data/webvid_covr.py; the text
clean-up is `pre_caption` of salesforce/BLIP). UNITE published no evaluation code; its preset differs from CoVR's only
in the frames, as its configuration says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any, Literal

PUNCTUATION = re.compile(r"([.!\"()*#:;~])")
SPACES = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The rules by which a data set is evaluated.

    Attributes:
        name: name of the preset.
        self_match: whether the candidate that is the query's own reference is ranked `last`, or like any other
            (`included`).
        clean_text: whether to convert texts of queries to lower case and remove . ! " ( ) * # : ; ~
        max_words: number of words that texts of queries are truncated to; None for no limit.
        reference_frames: frames of a clip in a query; 1 for the middle frame as an image, None for the encoder's own.
        candidate_frames: frames of a clip in the gallery; None for the encoder's own.
        frame_pooling: whether a clip in the gallery is embedded as a `clip`, or as the mean of its frames' embeddings,
            `weighted` by softmax(published scores / 0.1) where the data set has scores.
        prompt: template for the text of a query, with `{text}` in it.
        instruction: instruction of queries; None for the encoder's own.
        average_precision: divisor: `all` relevant candidates, as in trec_eval, or `fitting`, at most k, as in CIRCO.
        depths: k of the metrics.
        means: names of additional numbers, and the metrics that each is the mean of.
    """

    name: str
    self_match: Literal["last", "included"] = "last"
    clean_text: bool = False
    max_words: int | None = None
    reference_frames: int | None = None
    candidate_frames: int | None = None
    frame_pooling: Literal["clip", "weighted"] = "clip"
    prompt: str = "{text}"
    instruction: str | None = None
    average_precision: Literal["all", "fitting"] = "all"
    depths: tuple[int, ...] = (1, 5, 10, 50)
    means: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if "{text}" not in self.prompt:
            raise ValueError(f"prompt is {self.prompt!r}; expected {{text}} in it")
        if self.frame_pooling == "weighted" and self.candidate_frames is None:
            raise ValueError("weighted frames need candidate_frames")

    def query_text(self, text: str) -> str:
        """Return the text of a query as it is given to the encoder."""
        if self.clean_text:
            text = SPACES.sub(" ", PUNCTUATION.sub(" ", text.lower())).strip()
        if self.max_words is not None:
            text = " ".join(text.split(" ")[: self.max_words])
        return self.prompt.replace("{text}", text)

    def described(self) -> dict[str, Any]:
        """Return all fields, to save with a result."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


PLAIN = Protocol(name="plain")
COVR_MEANS = (("meanR3", ("R@1", "R@5", "R@10")), ("meanR4", ("R@1", "R@5", "R@10", "R@50")))
PRESETS: dict[str, tuple[Protocol, ...]] = {
    "webvid-covr": (
        Protocol(
            name="covr",
            clean_text=True,
            max_words=30,
            reference_frames=1,
            candidate_frames=15,
            frame_pooling="weighted",
            means=COVR_MEANS,
        ),
        Protocol(
            name="unite", clean_text=True, max_words=30, reference_frames=16, candidate_frames=16, means=COVR_MEANS
        ),
    ),
    "cirr": (
        Protocol(name="cirr", depths=(1, 2, 3, 5, 10, 50), means=(("mean(R@5, Rsubset@1)", ("R@5", "Rsubset@1")),)),
    ),
    "fashioniq": (
        Protocol(
            name="fashioniq", self_match="included", depths=(1, 10, 50), means=(("mean(R@10, R@50)", ("R@10", "R@50")),)
        ),
    ),
    "mmeb": (Protocol(name="mmeb", self_match="included", depths=(1, 5, 10)),),
    "circo": (Protocol(name="circo", self_match="included", average_precision="fitting", depths=(5, 10, 25, 50)),),
}


def presets(dataset: str) -> dict[str, Protocol]:
    """Return the protocols of a data set by name, the usual one first."""
    return {protocol.name: protocol for protocol in PRESETS.get(dataset, (PLAIN,))}
