"""What the vision tower made of media: kept up to a limit, the same as looking again, and looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch: Any = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from train.config import ModelConfig  # noqa: E402
from train.data.pairs import Side  # noqa: E402
from train.grad_cache import GradCache  # noqa: E402
from train.unite.trainee import UniteTrainee  # noqa: E402
from train.unite.vision_cache import Key, LanguageInput, VisionCache  # noqa: E402

# PEFT asks a model for an attribute whose name transformers has just changed.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

ROOM = 4
"""Items of ten bytes that fit into the cache under test."""


def item(key: Key) -> LanguageInput:
    """Ten bytes of features that name the key; none for a text."""
    _, side = key
    return LanguageInput([1], {2: torch.full((10,), int(side.text), dtype=torch.uint8)} if side.images else {})


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), max_size=20))
def test_items_used_last_are_cached_and_the_others_are_computed_again(batches: list[list[int]]) -> None:
    cache, asked = VisionCache(10 * ROOM), list[Key]()
    recent: list[int] = []
    for batch in batches:
        asked.clear()
        keys: list[Key] = [("query", Side(text=str(number), images=("a.jpg",))) for number in batch]

        def compute(keys: Sequence[Key], asked: list[Key] = asked) -> list[Any]:
            asked.extend(keys)
            return [item(key) for key in keys]

        found = cache.get(keys, compute)
        assert [int(one.features[2][0]) for one in found] == batch
        unknown = [number for number in dict.fromkeys(batch) if number not in recent]
        assert [int(side.text) for _, side in asked] == unknown
        used = [number for number in dict.fromkeys(batch) if number in recent] + unknown
        recent = ([number for number in recent if number not in used] + used)[-ROOM:]


def test_texts_take_no_room_and_roles_are_told_apart() -> None:
    cache, calls = VisionCache(10), list[int]()

    def compute(keys: Sequence[Key]) -> list[LanguageInput]:
        calls.append(len(keys))
        return [item(key) for key in keys]

    photo, text = Side(text="1", images=("a.jpg",)), Side(text="2")
    asked: list[Key] = [("query", photo), ("query", text), ("query", photo), ("candidate", photo)]
    for key in asked:
        cache.get([key], compute)
    assert calls == [1, 1, 1]


@pytest.mark.slow
def test_both_passes_of_a_batch_look_once_and_the_gradient_is_that_of_looking_twice(shared_parity: Path) -> None:
    photos = sorted((shared_parity / "inputs" / "images").glob("*.jpg"))[:3]
    sides = [Side(text="a dog", images=(str(path),)) for path in photos] + [Side(text="snow")]
    chunks = [[sides[:2], sides[2:]], [sides[2:], sides[:2]]]
    gradients, looked = [], []
    for megabytes in (0, 100):
        torch.manual_seed(0)
        checkpoint = shared_parity / "checkpoints" / "tiny-lora-adapter"
        trainee = UniteTrainee(ModelConfig(kind="unite", checkpoint=str(checkpoint), vision_cache_mb=megabytes))
        seen = list[int]()

        def count(_: Any, given: Any, __: Any, seen: list[int] = seen) -> None:
            seen.append(len(given[0]))

        trainee._embedder.backbone.visual.register_forward_hook(count)
        cache = GradCache(partial(trainee.embed, role="query"))
        cache.backward(chunks, lambda q, c: (q @ c.T).exp().sum())
        gradients.append({name: value.grad for name, value in trainee.module.named_parameters() if value.requires_grad})
        looked.append(sum(seen))
    assert looked[0] == 4 * looked[1] > 0
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7)
