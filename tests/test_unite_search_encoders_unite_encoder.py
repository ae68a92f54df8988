"""Batching, memory and options of the encoder, on a tiny checkpoint; the GPU tests run on a CPU too where they can."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
pytest.importorskip("transformers")

from unite_search.content import Clip, Content, Image  # noqa: E402
from unite_search.encoders.base import EncoderOptions  # noqa: E402
from unite_search.encoders.unite.encoder import UniteEncoder  # noqa: E402
from unite_search.encoders.unite.execution import run_within_memory  # noqa: E402
from unite_search.encoders.unite.inputs import InputBuilder  # noqa: E402
from unite_search.encoders.unite.model import UniteModel  # noqa: E402
from unite_search.encoders.unite.sizes import PixelLimits  # noqa: E402
from unite_search.errors import EncoderUnavailableError  # noqa: E402

CPU = EncoderOptions(device="cpu")


def drawn(seed: int, *shape: int) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 255, (*shape[:-3], 7, 9, 3), dtype=np.uint8)
    rows, columns = (np.arange(side) * part // side for side, part in zip(shape[-3:-1], (7, 9), strict=True))
    return rough[..., rows, :, :][..., columns, :]


MIXED = [
    Content(("a dog",)),
    Content((Image(drawn(1, 60, 80, 3)),)),
    Content(("a longer caption about a dog that runs along the beach",)),
    Content((Clip(drawn(2, 4, 48, 64, 3), np.arange(4.0)), "night")),
    Content((Image(drawn(3, 90, 40, 3)), "make it red")),
    Content((Clip(drawn(4, 3, 64, 48, 3), np.arange(3.0)),)),
]


@pytest.fixture(scope="module")
def encoder(unite_checkpoint: Path) -> UniteEncoder:
    return UniteEncoder(str(unite_checkpoint), CPU)


@pytest.fixture(scope="module")
def alone(encoder: UniteEncoder) -> np.ndarray:
    return np.concatenate([encoder.encode([content], role="candidate") for content in MIXED])


def test_rows_are_unit_float32_in_the_order_given(encoder: UniteEncoder, alone: np.ndarray) -> None:
    together = encoder.encode(MIXED, role="candidate")
    assert together.dtype == np.float32
    assert together.shape == (len(MIXED), encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(together, alone, atol=5e-6)
    assert np.abs(alone[:, None] - alone[None]).max(-1)[~np.eye(len(MIXED), dtype=bool)].min() > 1e-3


def test_nothing_in_gives_nothing_out(encoder: UniteEncoder) -> None:
    assert encoder.encode([], role="query").shape == (0, encoder.dim)


def test_a_query_is_embedded_with_its_instruction(encoder: UniteEncoder) -> None:
    content = Content(("red",))
    asked = [encoder.encode([Content(("red",), instruction=text)], role="query") for text in (None, "", "Find a car.")]
    assert np.abs(asked[0] - asked[2]).max() > 1e-3
    np.testing.assert_array_equal(asked[1], encoder.encode([content], role="candidate"))


def test_a_long_text_is_cut_but_no_picture_is(encoder: UniteEncoder) -> None:
    words = "many words " * 4000
    assert len(encoder.inputs.tokenize(Content((words,)), "candidate")) == 2048
    pictured = encoder.inputs.tokenize(Content((Image(drawn(5, 56, 56, 3)), words)), "candidate")
    assert list(pictured.token_ids).count(encoder.inputs.image_id) == 256
    assert encoder.encode([Content((Image(drawn(5, 56, 56, 3)), words[:50]))], role="candidate").shape == (1, 64)


def test_a_tokenizer_of_another_model_is_refused() -> None:
    class Other:
        def get_added_vocab(self) -> dict[str, int]:
            return {"<|endoftext|>": 0, "<|image_pad|>": 1}

    with pytest.raises(EncoderUnavailableError, match=r"the tokenizer has no token <\|video_pad\|>"):
        InputBuilder(Other(), PixelLimits())


def test_it_counts_its_work(unite_checkpoint: Path) -> None:
    encoder = UniteEncoder(str(unite_checkpoint), CPU)
    encoder.encode(MIXED, role="candidate")
    lengths = [len(encoder.inputs.tokenize(content, "candidate")) for content in MIXED]
    assert (encoder.workload.items, encoder.workload.tokens) == (len(MIXED), sum(lengths))
    assert sum(lengths) <= encoder.workload.padded_tokens <= len(MIXED) * max(lengths)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_batch_that_does_not_fit_is_halved_and_the_run_goes_on(
    encoder: UniteEncoder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    words = [Content((word,)) for word in ("red", "sea", "sky", "dog", "cat", "car", "sun", "box")]
    expected = np.concatenate([encoder.encode([word], role="candidate") for word in words])
    whole, sizes = UniteModel.embed, []

    def embed_two_at_most(self: UniteModel, batch: Any) -> Any:
        sizes.append(len(batch.token_ids))
        if sizes[-1] > 2:
            raise error
        return whole(self, batch)

    monkeypatch.setattr(UniteModel, "embed", embed_two_at_most)
    rows = encoder.encode(words, role="candidate")
    np.testing.assert_allclose(rows, expected, atol=5e-6)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_one_item_too_large_is_said_in_words_and_other_errors_pass() -> None:
    def fail(error: Exception) -> Any:
        def forward(_: Sequence[int]) -> np.ndarray:
            raise error

        return forward

    with pytest.raises(MemoryError, match="one item alone does not fit; try smaller --max-pixels"):
        run_within_memory(fail(torch.OutOfMemoryError("no room")), [1, 2, 3])
    with pytest.raises(RuntimeError, match="shapes"):
        run_within_memory(fail(RuntimeError("shapes do not match")), [1, 2, 3])


def test_options_that_change_vectors_change_the_fingerprint(unite_checkpoint: Path) -> None:
    name = str(unite_checkpoint)
    plain = UniteEncoder(name, CPU).fingerprint
    assert plain == UniteEncoder(name, EncoderOptions(device="cpu", dtype="float32", fps=1.0)).fingerprint
    others = [
        EncoderOptions(device="cpu", dtype="bfloat16"),
        EncoderOptions(device="cpu", max_pixels=100_352),
        EncoderOptions(device="cpu", fps=2.0),
        EncoderOptions(device="cpu", max_frames=8),
    ]
    assert len({plain, *(UniteEncoder(name, other).fingerprint for other in others)}) == len(others) + 1


def test_fewer_pixels_and_frames_make_fewer_tokens(encoder: UniteEncoder) -> None:
    small = UniteEncoder(encoder.name, EncoderOptions(device="cpu", max_pixels=64 * 784, max_frames=4))
    for content, steps in ((MIXED[1], 1), (MIXED[3], 2)):
        tokens = [_shown_tokens(given, content) for given in (small, encoder)]
        assert 32 * steps <= tokens[0] <= 64 * steps
        assert 256 * steps <= tokens[1] <= 1280 * steps
    assert small.media.sampler(np.arange(100.0), 0.0, 100.0).tolist() == [0, 33, 66, 99]
    pickle.dumps(small.media)


def _shown_tokens(encoder: UniteEncoder, content: Content) -> int:
    inputs = encoder.inputs
    return sum(token in (inputs.image_id, inputs.video_id) for token in inputs.tokenize(content, "candidate").token_ids)


def test_a_device_that_is_not_there_is_refused(encoder: UniteEncoder) -> None:
    for device in ("tpu", "cuda:99"):
        with pytest.raises(EncoderUnavailableError, match=f"device '{device}' cannot be used"):
            UniteEncoder(encoder.name, EncoderOptions(device=device))
    with pytest.raises(ValueError, match="dtype is 'int8'; expected float32, bfloat16, float16"):
        EncoderOptions(dtype="int8")  # type: ignore[arg-type]


def test_attention_changes_no_vector(encoder: UniteEncoder, alone: np.ndarray) -> None:
    eager = UniteEncoder(encoder.name, EncoderOptions(device="cpu", attention="eager"))
    assert eager.fingerprint == encoder.fingerprint
    assert eager.model.backbone.config._attn_implementation == "eager"
    np.testing.assert_allclose(eager.encode(MIXED, role="candidate"), alone, atol=5e-6)
    with pytest.raises(EncoderUnavailableError, match="flash attention 2 needs a GPU"):
        UniteEncoder(encoder.name, EncoderOptions(device="cpu", attention="flash_attention_2"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_half_precision_is_near(encoder: UniteEncoder, alone: np.ndarray, device: str, dtype: Any) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    half = UniteEncoder(encoder.name, EncoderOptions(device=device, dtype=dtype))
    assert next(half.model.backbone.parameters()).dtype == getattr(torch, dtype)
    assert half.model.input_device.type == device
    np.testing.assert_allclose(half.encode(MIXED[:3], role="candidate"), alone[:3], atol=2e-2)


@pytest.mark.gpu
def test_a_model_spread_over_gpus_gives_the_same_vectors(encoder: UniteEncoder, alone: np.ndarray) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    spread = UniteEncoder(encoder.name, EncoderOptions(device="all", dtype="float32"))
    np.testing.assert_allclose(spread.encode(MIXED, role="candidate"), alone, atol=1e-4)


def test_a_model_under_a_device_map_gives_the_same_vectors(encoder: UniteEncoder, alone: np.ndarray) -> None:
    accelerate = pytest.importorskip("accelerate")
    mapped = UniteEncoder(encoder.name, CPU)
    parts = {"visual": "cpu", "language_model": "cpu"}
    mapped.model.backbone = accelerate.dispatch_model(mapped.model.backbone, parts, force_hooks=True)
    np.testing.assert_array_equal(
        mapped.encode(MIXED[:2], role="candidate"), encoder.encode(MIXED[:2], role="candidate")
    )
