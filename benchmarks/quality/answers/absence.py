"""Measure whether an answer says that something is not there: captions of photos, absent things, and nonsense.

Photos are searched by captions that were written for some of them, by things that none of their five captions names,
and by strings without meaning. The captions are not in the collection. The best hit's log-odds by meaning should be
higher where there is an answer; AUC is the share of pairs for which it is, with ties half (Fawcett 2006, "An
introduction to ROC analysis", section 7).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned
from benchmarks.indexers.speed import at_least, at_most
from benchmarks.quality.answers.library import DATABASE, Setting, ask, share, spoken
from benchmarks.quality.log_odds import NONSENSE
from unite_search.collection import Collection
from unite_search.encoders.measure import auc

ABSENT: dict[str, str] = {
    "an x-ray of a broken arm": "x-ray",
    "a screenshot of a spreadsheet": "spreadsheet",
    "the surface of the moon": "moon",
    "a bowl of ramen": "ramen",
    "a harp": "harp",
    "a solar panel": "solar",
    "a whale": "whale",
    "an aircraft carrier": "aircraft",
    "a chess board": "chess",
    "a penguin on ice": "penguin",
    "an octopus": "octopus",
    "a giraffe": "giraffe",
    "a zebra": "zebra",
    "a hospital bed": "hospital",
    "a washing machine": "washing machine",
    "a tax form": "tax",
    "a microscope": "microscope",
    "a volcano erupting": "volcano",
    "a nuclear power plant": "nuclear",
    "a grand piano": "piano",
    "a submarine": "submarine",
    "a cactus in the desert": "cactus",
    "a plate of sushi": "sushi",
    "a bowl of spaghetti": "spaghetti",
    "a handwritten letter": "handwritten",
    "a keyboard and a mouse": "keyboard",
    "a court room": "court room",
    "a chandelier": "chandelier",
    "a space shuttle launch": "shuttle",
    "a tornado": "tornado",
    "a beehive": "beehive",
    "a spider web with dew": "spider web",
    "a lighthouse at night": "lighthouse",
    "a grocery receipt": "receipt",
    "a barcode": "barcode",
    "a dentist at work": "dentist",
    "a jellyfish": "jellyfish",
    "an ancient Egyptian pyramid": "egyptian",
    "a coral reef": "coral",
    "a stack of gold bars": "gold bar",
    "a wind turbine": "turbine",
    "a lobster": "lobster",
    "a kitchen sink full of dishes": "dishes",
    "a sewing machine": "sewing",
    "a passport": "passport",
    "a snake in the grass": "snake",
    "an elephant bathing": "elephant",
    "a crocodile": "crocodile",
    "a panda eating bamboo": "panda",
    "a cash register": "register",
    "a fighter jet": "jet",
    "a bank note": "bank note",
    "a polar bear": "polar",
    "a stethoscope": "stethoscope",
    "a pair of earrings": "earrings",
    "a tractor ploughing a field": "tractor",
    "a pineapple": "pineapple",
    "a mushroom in the forest": "mushroom",
    "a diagram of the heart": "diagram",
    "a floor plan of a house": "floor plan",
}
"""What is asked for, and the word by which captions are checked for it."""
ROC_POINTS = 21


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The best hits for Q queries: their (Q,) log-odds by meaning, and whether each answer was called weak."""

    meaning: NDArray[np.float64]
    weak: list[bool]


def run(setting: Setting) -> dict[str, Any]:
    """Ask for what is there, for what is not, and for nonsense."""
    photos = setting.unseen()
    absent = [text for text, word in ABSENT.items() if not any(mentions(photo, word) for photo in photos)]
    step = max(1, len(photos) // setting.scale.true_captions)
    true = [spoken(photo.captions[0]) for photo in photos[::step]][: setting.scale.true_captions]
    folder = setting.plain("absence", photos)
    with Collection.open(folder / DATABASE, encoder=setting.encoder) as collection:
        present, missing, nonsense = (_ask(collection, texts) for texts in (true, absent, NONSENSE))
    return {
        "photos": len(photos),
        "queries": {"true": len(true), "absent": len(absent), "nonsense": len(NONSENSE)},
        "named_by_a_caption": sorted(set(ABSENT) - set(absent)),
        "auc_absent": at_least(0.85, auc(present.meaning, missing.meaning)),
        "auc_nonsense": at_least(0.97, auc(present.meaning, nonsense.meaning)),
        "true_called_weak": at_most(0.10, share(present.weak)),
        "absent_called_weak": share(missing.weak),
        "nonsense_called_weak": share(nonsense.weak),
        "percentiles": {
            name: np.percentile(one.meaning, [0, 10, 25, 50, 75, 90, 100]).round(2).tolist()
            for name, one in (("true", present), ("absent", missing), ("nonsense", nonsense))
        },
        "roc": roc(present.meaning, missing.meaning, nonsense.meaning),
    }


def roc(present: NDArray[np.float64], *missing: NDArray[np.float64]) -> list[dict[str, float]]:
    """Return points of the curve: a floor, the share of true answers below it, and that of each other kind."""
    floors = np.quantile(present, np.linspace(0, 1, ROC_POINTS)[:-1])
    return [
        {
            "floor": round(float(floor), 3),
            "true_below": share((present < floor).tolist()),
            "absent_below": share((missing[0] < floor).tolist()),
            "nonsense_below": share((missing[1] < floor).tolist()),
        }
        for floor in floors
    ]


def mentions(photo: Captioned, word: str) -> bool:
    """Return whether a caption of a photo holds a word, or a word that it begins."""
    return any(re.search(rf"\b{re.escape(word)}", caption.lower()) for caption in photo.captions)


def _ask(collection: Collection, texts: Sequence[str]) -> _Asked:
    results = [ask(collection, text, k=1) for text in texts]
    meaning = [result.hits[0].evidence.meaning or 0.0 for result in results]
    return _Asked(np.array(meaning), [result.is_weak for result in results])
