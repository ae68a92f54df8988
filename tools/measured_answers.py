"""The rows of `docs/results/answers.json`, whose benchmark writes each number beside what was asked."""

from __future__ import annotations

from tools.measured_row import Row


def _answer(what: str, target: str, key: str, shown: str) -> Row:
    return Row(what, target, "answers", f"{key} / reached", shown)


ANSWERS = (
    _answer(
        "An item is found first by its own caption or text; worst of 1 to 100 beside 5,000 photos",
        "≥ 0.99",
        "tiny-partitions / worst / own_text_first",
        "{:.3f}",
    ),
    _answer(
        "Another caption of it finds it among the first ten, less the share where it competes with its own kind alone",
        "≥ -0.05",
        "tiny-partitions / worst / paraphrase_in_first_ten_minus_alone",
        "{:.3f}",
    ),
    _answer(
        "Plain photos that are not among the first ten any more",
        "≤ 0.01",
        "tiny-partitions / worst / plain_in_first_ten_lost",
        "{:.3f}",
    ),
    _answer(
        "Notes found first by a code in them, 300 notes",
        "≥ 1.00",
        "known-items / code_first",
        "{:.3f}",
    ),
    _answer(
        "Files found first by their names, 1,000 files",
        "≥ 0.99",
        "known-items / name_first",
        "{:.3f}",
    ),
    _answer(
        "Captions found among the first ten by a rare word",
        "≥ 0.95",
        "known-items / rare_word_in_first_ten",
        "{:.3f}",
    ),
    _answer(
        "The same by two words, one of them misspelt",
        "≥ 0.80",
        "known-items / misspelt_in_first_ten",
        "{:.3f}",
    ),
    _answer(
        "The best score tells captions of 600 photos from things that are on none, AUC",
        "≥ 0.85",
        "absence / auc_absent",
        "{:.3f}",
    ),
    _answer(
        "The same from nonsense",
        "≥ 0.97",
        "absence / auc_nonsense",
        "{:.3f}",
    ),
    _answer(
        "Captions whose photo is called weak",
        "≤ 0.10",
        "absence / true_called_weak",
        "{:.3f}",
    ),
    _answer(
        "Right hits among the first twenty by `dog`, less those by `a dog`; 42 words",
        "≥ 0",
        "bare-words / bare_minus_with_an_article",
        "{:.0f}",
    ),
    _answer(
        "Precision at ten gained by two rounds of `--like` and `--unlike`",
        "≥ 0",
        "feedback / mean_gain_of_two_rounds",
        "{:.3f}",
    ),
    _answer(
        "What words add to a search of 100,000 items",
        "≤ 10",
        "costs / search / words_add_ms",
        "{:.1f} ms",
    ),
    _answer(
        "Share of the words in the time of an index run, notes",
        "≤ 0.05",
        "costs / index / notes / share",
        "{:.3f}",
    ),
    _answer(
        "CPU time of a whole query divided by that before words",
        "≤ 1.1",
        "costs / command / ratio_to_other",
        "{:.2f}",
    ),
)
