"""A small retrieval task in memory, through mteb's own evaluation; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest
from toy import COLOURS, ToyEncoder

mteb: Any = pytest.importorskip("mteb")

from unite_search.content import Clip, Content, Image, UniformFrames  # noqa: E402
from unite_search.integrations.mteb import MtebEncoder, contents_of  # noqa: E402

SAMPLER = UniformFrames(2)


def picture(colour: tuple[int, int, int]) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (40, 30), colour)


class ColourTask(mteb.abstasks.AbsTaskRetrieval):  # type: ignore[misc]
    """Colour words ask for pictures."""

    metadata = mteb.TaskMetadata(
        name="Colours",
        description="colour words ask for pictures",
        dataset={"path": "nowhere/colours", "revision": "1"},
        type="Any2AnyRetrieval",
        category="t2i",
        modalities=["text", "image"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
        reference=None, date=None, domains=None, task_subtypes=None, license=None, annotations_creators=None,
        dialect=None, sample_creation=None, bibtex_citation="",
    )  # fmt: skip

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        from datasets import Dataset

        names = sorted(COLOURS)
        corpus = {"id": names, "image": [picture(COLOURS[name]) for name in names]}
        queries = {"id": [f"q-{name}" for name in names], "text": names}
        split = {
            "corpus": Dataset.from_dict(corpus),
            "queries": Dataset.from_dict(queries),
            "relevant_docs": {f"q-{name}": {name: 1} for name in names},
            "top_ranked": None,
        }
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


@pytest.mark.filterwarnings("default")
def test_a_task_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = mteb.evaluate(MtebEncoder(ToyEncoder()), ColourTask(), cache=None, show_progress_bar=False)
    (scores,) = result.task_results[0].scores["test"]
    assert scores["ndcg_at_10"] == 1.0
    assert scores["recall_at_1"] == 1.0
    assert result.model_name == "unite-search/toy"
    assert result.model_revision == "toy-1"


def test_it_is_an_encoder_in_the_eyes_of_mteb() -> None:
    encoder = MtebEncoder(ToyEncoder())
    assert isinstance(encoder, mteb.EncoderProtocol)
    assert encoder.mteb_model_meta.embed_dim == 56
    assert encoder.mteb_model_meta.modalities == ["text", "image", "video"]


def test_queries_get_their_own_instruction_then_the_prompt_of_the_task() -> None:
    batch = {"text": ["Find it. red", "blue"], "query": ["red", "blue"], "instruction": ["Find it.", ""]}
    contents = contents_of(batch, SAMPLER, "Find a picture.")
    assert [content.parts for content in contents] == [("red",), ("blue",)]
    assert [content.instruction for content in contents] == ["Find it.", "Find a picture."]


def test_roles_and_prompts_follow_the_prompt_type() -> None:
    asked: list[tuple[str, str | None]] = []

    class Listening(ToyEncoder):
        def encode(self, contents: Any, *, role: Any) -> Any:
            asked.extend((role, content.instruction) for content in contents)
            return super().encode(contents, role=role)

    encoder, metadata = MtebEncoder(Listening()), SimpleNamespace(prompt={"query": "Find."})
    for prompt_type in (mteb.types.PromptType.query, mteb.types.PromptType.document, None):
        encoder.encode([{"text": ["red"]}], task_metadata=metadata, prompt_type=prompt_type)
    assert asked == [("query", "Find."), ("candidate", None), ("candidate", None)]


def test_images_and_clips_of_any_form_become_contents() -> None:
    frames = np.arange(4 * 3 * 5 * 6, dtype=np.uint8).reshape(4, 3, 5, 6)

    class Decoder:
        metadata = SimpleNamespace(average_fps=2.0)

        def __len__(self) -> int:
            return len(frames)

        def get_frames_at(self, indices: list[int]) -> SimpleNamespace:
            return SimpleNamespace(data=frames[indices])

    batch: dict[str, Any] = {"image": [picture((1, 2, 3)), picture((4, 5, 6))], "video": [frames, Decoder()]}
    both = contents_of({**batch, "text": ["a", "b"]}, SAMPLER, None)
    for content in both:
        assert [type(part) for part in content.parts] == [Image, Clip, str]
    first, second = both[0].parts[1], both[1].parts[1]
    assert isinstance(first, Clip)
    assert isinstance(second, Clip)
    np.testing.assert_array_equal(first.frames, np.transpose(frames, (0, 2, 3, 1)))
    assert second.times_s.tolist() == [0.5, 1.5]
    np.testing.assert_array_equal(second.frames, first.frames[[1, 3]])


def test_similarity_is_the_cosine() -> None:
    encoder = MtebEncoder(ToyEncoder())
    rows = ToyEncoder().encode([Content((name,)) for name in COLOURS], role="query")
    np.testing.assert_allclose(encoder.similarity(rows, rows), rows @ rows.T)
    np.testing.assert_allclose(encoder.similarity_pairwise(rows, rows), 1, atol=1e-6)
    assert encoder.encode([], task_metadata=None).shape == (0, 56)
