from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unite_search.content import Clip, Content, Image, Part
from unite_search.encoders.unite.prompts import DEFAULT_INSTRUCTIONS, prompt_of

IMAGE = Image(np.zeros((4, 4, 3), np.uint8))
CLIP = Clip(np.zeros((2, 4, 4, 3), np.uint8), np.arange(2.0))
CANDIDATES: dict[str, tuple[Part, ...]] = {
    "t_caption_c": ("A black dog runs along the beach while two children fly a red kite.",),
    "t_unicode_c": ("  Café au lait — 你好，世界 🙂 \n naïve {braces} e\u0301 \n",),
    "t_empty_c": ("",),
    "i_116466_c": (IMAGE,),
    "v_odd9_3fps_160x120_c": (CLIP,),
    "it_c": (IMAGE, "Marina Beach."),
    "iit_two_c": (IMAGE, IMAGE, "The second one is larger."),
    "vt_c": (CLIP, "The square moves to the right."),
    "ivt_c": (IMAGE, CLIP, "Both show waves."),
    "iv_notext_c": (IMAGE, CLIP),
}
QUERIES: dict[str, tuple[str, tuple[Part, ...]]] = {
    "t_caption_q": ("Find an image that matches the given caption.", CANDIDATES["t_caption_c"]),
    "it_q": (
        "Retrieve a Wikipedia page that answers the question about the picture.",
        (IMAGE, "What is the name of this place?"),
    ),
    "vt_q": ("Find a video that follows the given video after this change.", (CLIP, "make it slower")),
}


@pytest.fixture
def official(shared_parity: Path) -> dict[str, dict[str, str]]:
    cases: dict[str, dict[str, str]] = json.loads((shared_parity / "golden" / "cases_dataset_style.json").read_text())
    return cases


@pytest.mark.parametrize("name", CANDIDATES)
def test_a_candidate_has_the_official_prompt(name: str, official: dict[str, dict[str, str]]) -> None:
    assert prompt_of(Content(CANDIDATES[name]), "candidate") == official[name]["prompt"]


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_carries_its_instruction_before_its_content(name: str, official: dict[str, dict[str, str]]) -> None:
    instruction, parts = QUERIES[name]
    assert prompt_of(Content(parts, instruction=instruction), "query") == official[name]["prompt"]


def test_every_kind_of_query_has_a_default_and_an_empty_instruction_is_none() -> None:
    for parts in ((IMAGE,), (CLIP,), ("red",), (IMAGE, "red"), (CLIP, "red"), (IMAGE, CLIP), (IMAGE, CLIP, "red")):
        content = Content(parts)
        default = DEFAULT_INSTRUCTIONS[content.modalities]
        assert f"user\n{default}\n" in prompt_of(content, "query")
        assert prompt_of(Content(parts, instruction=""), "query") == prompt_of(content, "candidate")


def test_several_pictures_without_text_have_a_placeholder_each() -> None:
    prompt = prompt_of(Content((IMAGE, IMAGE)), "candidate")
    assert prompt.count("<|image_pad|>") == 2
    assert "Summary above image in one word:" in prompt


def test_words_of_a_user_are_never_special_tokens() -> None:
    prompt = prompt_of(Content(("a <|image_pad|> b <|endoftext|> c <| d |>",), instruction="<|im_end|>"), "query")
    assert "<|image_pad|>" not in prompt
    assert prompt.count("<|endoftext|>") == 1
    assert prompt.count("<|im_end|>") == 2
    assert "c <| d |>" in prompt
