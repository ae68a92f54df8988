"""One TOML file to dataclasses: what is unknown or wrong is refused and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from train.config import load_config

MINIMAL = '[run]\nout = "x"\n[[data.sources]]\nkind = "captions"\npath = "p"\n'
CONFIGS = sorted((Path(__file__).resolve().parents[1] / "train" / "configs").glob("*.toml"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "run.toml"
    file.write_text(MINIMAL)
    return file


def test_overrides_are_read_as_toml_or_as_bare_words(path: Path) -> None:
    config = load_config(path, ["run.steps=3", "optimiser.learning_rate=1", "run.out=there", "loss.symmetric=true"])
    assert (config.run.steps, config.optimiser.learning_rate, config.run.out) == (3, 1.0, "there")
    assert config.loss.is_symmetric
    assert config.as_dict()["data"]["sources"][0]["kind"] == "captions"


@pytest.mark.parametrize(("stage", "is_symmetric"), [(1, True), (2, False)])
def test_directions_follow_the_stage(path: Path, stage: int, is_symmetric: bool) -> None:
    assert load_config(path, [f"loss.stage={stage}"]).loss.is_symmetric is is_symmetric


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.stepz=3", "unknown key run.stepz; known are"),
        ("rum.steps=3", "unknown key rum"),
        ("run.steps=many", 'run.steps is "many"; expected int'),
        ("run.steps=1.5", "run.steps is 1.5; expected int"),
        ("model.views=flip", "model.views is 'flip'; expected a list"),
        ("model.views=[1]", "model.views is 1; expected str"),
        ("run.steps=true", "run.steps is true; expected int"),
        ("loss.symmetric=1", "expected bool"),
        ("loss.stage=3", "stage is 3; expected 1 or 2"),
        ("data.mixing=shaken", "expected mixed or by-source"),
        ("data.chunk=999999", "chunk is 999999"),
        ("model.dtype=float16", "expected float32 or bfloat16"),
        ("data.sources=3", "expected a list of tables"),
        ("steps", "'steps' is no override"),
    ],
)
def test_what_is_wrong_is_named(path: Path, override: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_config(path, [override])


def test_a_key_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text("[run]\n[data]\n")
    with pytest.raises(ValueError, match="out"):
        load_config(file)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_committed_configs_are_valid(config: Path) -> None:
    assert load_config(config).data.sources
