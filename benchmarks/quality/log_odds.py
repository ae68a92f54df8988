"""Check the calibration of an encoder on photos that it was not measured on.

- Pairs: the log-odds that are predicted for pairs of photos and captions against those observed, where one pair in a
  hundred is related, as in the fit; and the share of related pairs below the floor.
- Answers: whether the best hit among 600 photos tells captions of photos that are there from things that none of
  them shows, and from nonsense; and which share of each has a best hit below some bounds.
- Floors: how the share of right items that would be called weak varies with the percentile that is the floor. This is
  measured on the photos of the calibration: halves of them give a floor for the other halves.

There are no held-out clips: the calibration of the starter was measured on all 79.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.photos import Captioned, embed, read_photos
from benchmarks.quality.retrieval import LABELS
from unite_search.encoders.base import Encoder
from unite_search.encoders.calibration import Calibration, find_calibration
from unite_search.encoders.measure import PRIOR, Encoded, auc, encoded_views
from unite_search.errors import UniteSearchError
from unite_search.ingest.examples import CaptionedFile, read_examples
from unite_search.media.types import Skipped

MEASURED_PHOTOS = 400
"""The first dev photos are those of the calibration, see `train/starter/calibrate.py`."""
HELD_OUT_PHOTOS = 600
EDGES = (-8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0)
"""Bounds of the bins of log-odds."""
BOUNDS = (-4.0, -3.0, -2.5, -2.0, -1.5, -1.0, 0.0)
"""Log-odds of a best hit for which the share of queries below is reported, beside the floor."""
EVERY = 4
"""Every fourth held-out photo gives a caption that asks."""
PERCENTILES = (2, 3, 5, 7, 10)
SPLITS = 200
ABSENT = (
    *("an x-ray of a broken arm", "a screenshot of a spreadsheet", "the surface of the moon", "a bowl of ramen"),
    *("a violin on a table", "a circuit board", "a wedding cake", "an aircraft carrier", "a chess board"),
    *("a penguin on ice", "an octopus", "a giraffe", "a zebra", "a hospital bed", "a washing machine", "a tax form"),
    *("a microscope", "a volcano erupting", "a nuclear power plant", "a grand piano", "a submarine"),
    *("a cactus in the desert", "a plate of sushi", "a map of Europe", "a handwritten letter"),
    *("a keyboard and a mouse", "a court room", "a chandelier", "a space shuttle launch", "a tornado", "a beehive"),
    *("a spider web with dew", "a lighthouse at night", "a grocery receipt", "a barcode", "a dentist at work"),
    *("a jellyfish", "an ancient Egyptian pyramid", "a coral reef", "a stack of gold bars", "a wind turbine"),
    *("a lobster", "a kitchen sink full of dishes", "a sewing machine", "a passport", "a snake in the grass"),
    *("an elephant bathing", "a crocodile", "a panda eating bamboo", "a library with old books", "a fighter jet"),
    *("a bank note", "a telescope", "a bottle of perfume", "a pair of earrings", "a tractor ploughing a field"),
    *("a pineapple", "a mushroom in the forest", "a diagram of the heart", "a floor plan of a house"),
)
NONSENSE = (
    *("asdf qwer zxcv", "qwertyuiop", "lorem ipsum dolor sit amet", "xkcd zzyx qqq", "blarg flibber wug"),
    *("1234567890", "aaaa bbbb cccc", "foo bar baz qux", "hjkl hjkl", "mxyzptlk", "vbn fgh rty", "ololo trololo"),
    *("zxzxzx", "plugh xyzzy", "gnip gnop", "qaz wsx edc", "snarfblat", "kjh gfd sa", "!!!???", "tgif brb afk"),
    *("wibble wobble wubble", "0x7ffe 0xdead", "uuuu iiii oooo", "frobnicate the quux", "dkfjg lskdjf", "pqpqpq"),
    *("grumbo flanx", "jjjjjj", "sdfg dfgh fghj", "nnn mmm lll"),
)

Floats = NDArray[np.float64]


def run(data: Path, encoder: Encoder) -> dict[str, Any]:
    """Check the calibration of an encoder on dev photos.

    Args:
        data: the folder that holds `captioned/`.
        encoder: the encoder.

    Raises:
        UniteSearchError: the encoder has no calibration, or a photo cannot be read.
    """
    calibration = find_calibration(encoder.name, encoder.fingerprint)
    if calibration is None:
        raise UniteSearchError(f"{encoder.name} has no calibration; make one with `unite-search encoders calibrate`")
    dev = read_photos(data, "dev")
    held_out = dev[MEASURED_PHOTOS : MEASURED_PHOTOS + HELD_OUT_PHOTOS]
    queries, items = _views(encoder, held_out)
    return {
        "measured_on": calibration.origin,
        "held_out_photos": len(held_out),
        "prior": PRIOR,
        "pairs": {
            f"{kind} -> {item}": _check(calibration, (kind, item), queries[kind][1], items[item][1])
            for kind in queries
            for item in items
        },
        "answers": _answers(calibration, encoder, queries["text"][1], items["image"][1]),
        "floors": _floors(calibration, *_views(encoder, dev[:MEASURED_PHOTOS])),
    }


def reliability(related: Floats, unrelated: Floats) -> dict[str, Any]:
    """Compare predicted log-odds with what is observed, where related pairs weigh as `PRIOR` together.

    Returns:
        Brier score and expected calibration error of the probabilities, and for each bin of predicted log-odds that
        has pairs of both kinds the log-odds of its mean probability and of the observed share.
    """
    values = np.concatenate([related, unrelated])
    is_related = np.arange(len(values)) < len(related)
    weights = np.where(is_related, PRIOR / len(related), (1 - PRIOR) / len(unrelated))
    chances = 1 / (1 + np.exp(-values))
    numbers = np.digitize(values, EDGES)
    bins, error = [], 0.0
    for number in range(len(EDGES) + 1):
        inside = numbers == number
        weight, found = weights[inside].sum(), weights[inside & is_related].sum()
        predicted = (weights * chances)[inside].sum()
        error += abs(predicted - found)
        if 0 < found < weight:
            row = {"predicted": _log_odds(predicted / weight), "observed": _log_odds(found / weight)}
            bins.append({**row, "related_pairs": int((inside & is_related).sum()), "pairs": int(inside.sum())})
    brier = float((weights * (is_related - chances) ** 2).sum())
    return {
        "brier": round(brier, 5),
        "brier_of_the_prior_alone": round(PRIOR * (1 - PRIOR), 5),
        "expected_calibration_error": round(float(error), 5),
        "bins": bins,
    }


def _check(
    calibration: Calibration, kinds: tuple[str, str], queries: NDArray[np.float32], items: NDArray[np.float32]
) -> dict[str, Any]:
    """Check one pair of kinds on (N, D) queries and the (N, D) items that are right for them."""
    scores = _scores(calibration, kinds, queries, items)
    is_related = np.eye(len(items), dtype=bool)
    related, unrelated = scores[is_related], scores[~is_related]
    return {
        "auc": round(auc(related, unrelated), 4),
        "related_below_the_floor": _share(related < calibration.floor(*kinds)),
        "unrelated_below_the_floor": _share(unrelated < calibration.floor(*kinds)),
        **reliability(related, unrelated),
    }


def _answers(
    calibration: Calibration, encoder: Encoder, captions: NDArray[np.float32], photos: NDArray[np.float32]
) -> dict[str, Any]:
    """Compare the best hits of captions, of things that are on no photo, of nonsense and of labels."""
    kinds = ("text", "image")
    floor = calibration.floor(*kinds)
    scores = _scores(calibration, kinds, captions, photos)
    right, present = np.diag(scores)[::EVERY], scores.max(axis=1)[::EVERY]
    asked = {"absent": ABSENT, "nonsense": NONSENSE, "labels": tuple(f"a {label}" for label in LABELS)}
    best = {
        name: _scores(calibration, kinds, embed(encoder, texts, "query"), photos).max(axis=1)
        for name, texts in asked.items()
    }
    best = {"captions": present, **best}
    return {
        "queries": {"captions": len(present), **{name: len(texts) for name, texts in asked.items()}},
        "auc_of_captions_against_absent": round(auc(present, best["absent"]), 4),
        "auc_of_captions_against_nonsense": round(auc(present, best["nonsense"]), 4),
        "floor": floor,
        "right_items_below_the_floor": _share(right < floor),
        "best_hits_below": {
            f"{bound:g}": {name: _share(top < bound) for name, top in best.items()} for bound in (floor, *BOUNDS)
        },
    }


def _floors(calibration: Calibration, queries: Encoded, items: Encoded) -> dict[str, Any]:
    """Return for each percentile the share of right items below a floor that other examples gave."""
    right = {
        (kind, item): np.diag(_scores(calibration, (kind, item), queries[kind][1], items[item][1]))
        for kind in queries
        for item in items
    }
    drawn = np.random.default_rng(0)
    splits = [drawn.permutation(MEASURED_PHOTOS) for _ in range(SPLITS)]
    table = {}
    for percent in PERCENTILES:
        shares = [_weak(values, split, percent) for values in right.values() for split in splits]
        table[str(percent)] = {
            "mean_share_of_right_items_below": round(float(np.mean(shares)), 4),
            "at_most_in_97.5_percent_of_halves": round(float(np.percentile(shares, 97.5)), 4),
        }
    return table


def _weak(values: Floats, split: NDArray[np.int64], percent: int) -> float:
    """Return the share of one half of some values below a percentile of the other half."""
    known, others = np.array_split(values[split], 2)
    return float((others < np.percentile(known, percent)).mean())


def _scores(
    calibration: Calibration, kinds: tuple[str, str], queries: NDArray[np.float32], items: NDArray[np.float32]
) -> Floats:
    """Return (Q, N) log-odds of items, as a search does it query by query."""
    return np.stack([calibration.log_odds(query, *kinds, items @ query) for query in queries])


def _views(encoder: Encoder, photos: Sequence[Captioned]) -> tuple[Encoded, Encoded]:
    files = [CaptionedFile(photo.path, "image", photo.captions) for photo in photos]
    skipped: list[Skipped] = []
    found = encoded_views(encoder, read_examples(files, encoder.media, skipped.append))
    if skipped:
        raise UniteSearchError(f"{skipped[0].path}: {skipped[0].reason}")
    return found


def _log_odds(share: float) -> float:
    return round(float(np.log(share / (1 - share))), 2)


def _share(chosen: NDArray[np.bool_]) -> float:
    return round(float(chosen.mean()), 4)
