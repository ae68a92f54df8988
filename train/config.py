"""What a run is asked to do: one TOML file to frozen dataclasses; an unknown key is an error.

python -m train train/configs/starter-1.toml --set run.steps=10 --set loss.stage=2
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceConfig:
    """One source of pairs.

    Attributes:
        kind: a name in `train.data.sources.SOURCES`.
        path: the file or folder that it reads, relative to where the command runs.
        media: folder that relative media paths start from; without one, the folder of `path`.
        weight: its share of every batch, relative to the other sources.
        split: the part of the data, where the format has parts.
    """

    kind: str
    path: str
    media: str = ""
    weight: float = 1.0
    split: str = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Where pairs come from and how they are joined.

    Attributes:
        sources: at least one.
        batch: rows of a batch, in each process.
        chunk: rows that are embedded with a graph at a time.
        mixing: `mixed` takes every source's share in every batch, `by-source` takes each batch from one source.
        floor: fewest rows of each target modality in a mixed batch.
    """

    sources: tuple[SourceConfig, ...] = ()
    batch: int = 256
    chunk: int = 256
    mixing: str = "mixed"
    floor: int = 2

    def __post_init__(self) -> None:
        _expect(self.mixing in ("mixed", "by-source"), f"mixing is {self.mixing!r}; expected mixed or by-source")
        _expect(self.batch >= self.chunk >= 1, f"chunk is {self.chunk}; expected 1 to batch, which is {self.batch}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """What is trained.

    Attributes:
        kind: a name in `train.trainee.TRAINEES`.
        checkpoint: where it starts: a model's folder, or what an earlier stage wrote.
        lora_rank: of the adapter, for a Qwen2-VL model.
        lora_alpha: its scale is alpha / rank.
        dropout: while training.
        dtype: of frozen weights and activations; bfloat16 is slow on CPUs without it.
        gradient_checkpointing: recompute activations instead of keeping them.
        sharded: keep a piece of the language model's weights in each process of torchrun, see `train.sharding`.
        vision_cache_mb: room for what the frozen vision tower made of photos and clips; where a batch fits into it,
            GradCache's second pass does without the tower.
        views: edits of `train.data.photo_edits`; the starter's head is shown each photo as it is or after one of them,
            at random.
    """

    kind: str = "starter-head"
    checkpoint: str = ""
    lora_rank: int = 8
    lora_alpha: int = 16
    dropout: float = 0.05
    dtype: str = "float32"
    gradient_checkpointing: bool = False
    sharded: bool = False
    vision_cache_mb: int = 4096
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _expect(self.kind == "unite" or not self.sharded, f"sharded is for kind unite; kind is {self.kind!r}")
        _expect(self.dtype in ("float32", "bfloat16"), f"dtype is {self.dtype!r}; expected float32 or bfloat16")


@dataclass(frozen=True, kw_only=True, slots=True)
class LossConfig:
    """Stage 1 is bidirectional InfoNCE, stage 2 is MAMCL.

    Attributes:
        stage: 1 or 2.
        temperature: scores are divided by it.
        symmetric: both directions; None is what the paper does, which is yes in stage 1 and no in stage 2.
        positives: see `train.losses.LossOptions`.
    """

    stage: int = 1
    temperature: float = 0.03
    symmetric: bool | None = None
    positives: str = "mean"

    def __post_init__(self) -> None:
        _expect(self.stage in (1, 2), f"stage is {self.stage}; expected 1 or 2")

    @property
    def is_symmetric(self) -> bool:
        """Whether candidates search for their queries too."""
        return self.stage == 1 if self.symmetric is None else self.symmetric


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimiserConfig:
    """AdamW with a linear rise and a cosine fall of the learning rate.

    Attributes:
        learning_rate: at its highest.
        weight_decay: of every trained weight.
        warmup: share of the steps in which the rate rises.
        clip: largest norm of the gradient; 0 for no limit.
        averaging: decay of the moving average of weights that is evaluated and exported; 0 for none.
    """

    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    warmup: float = 0.05
    clip: float = 1.0
    averaging: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """How long, and where to.

    Attributes:
        out: folder of the run.
        seed: of everything random.
        steps: optimiser steps.
        save_every: steps between checkpoints, from which a killed run goes on.
        evaluate_every: steps between evaluations.
        tell_every: steps between lines on the terminal; `metrics.jsonl` has every step.
        patience: evaluations without a better one before the run stops; 0 never stops early.
        evaluation: manifest of captioned photos to evaluate on; empty for none.
        evaluation_split: which of its photos.
        threads: of torch.
    """

    out: str
    seed: int = 0
    steps: int = 1000
    save_every: int = 100
    evaluate_every: int = 100
    tell_every: int = 50
    patience: int = 0
    evaluation: str = ""
    evaluation_split: str = "held-out"
    threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """Everything about a run."""

    run: RunConfig
    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def as_dict(self) -> dict[str, Any]:
        """Resolved, as it is saved with the run."""
        return asdict(self)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a file; each override is `table.key=value`, the value written as in TOML or a bare word.

    Raises:
        ValueError: a key that is not known, a value of the wrong kind; the message says what was expected.
    """
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    for override in overrides:
        _apply(given, override)
    return _built(TrainConfig, given, "")


def _apply(given: dict[str, Any], override: str) -> None:
    key, sign, value = override.partition("=")
    table, dot, name = key.partition(".")
    _expect(bool(sign and dot), f"{override!r} is no override; expected table.key=value")
    given.setdefault(table, {})[name] = _value(value)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _built(kind: type[Config], given: Any, where: str) -> Config:
    _expect(isinstance(given, dict), f"{where} is {given!r}; expected a table")
    types = get_type_hints(kind)
    for name in given:
        _expect(name in types, f"unknown key {where}{name}; known are {', '.join(sorted(types))}")
    arguments = {name: _converted(types[name], value, f"{where}{name}") for name, value in given.items()}
    try:
        return kind(**arguments)
    except TypeError as error:
        missing = sorted(entry.name for entry in fields(kind) if entry.name not in given)  # type: ignore[arg-type]
        raise ValueError(f"{where or 'the file '}lacks a key; not given are {', '.join(missing)}") from error


def _converted(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _built(kind, value, f"{where}.")  # type: ignore[arg-type]
    if kind == tuple[SourceConfig, ...]:
        _expect(isinstance(value, list), f"{where} is {value!r}; expected a list of tables")
        return tuple(_built(SourceConfig, entry, f"{where}.") for entry in value)
    if kind == tuple[str, ...]:
        _expect(isinstance(value, list), f"{where} is {value!r}; expected a list")
        return tuple(_converted(str, entry, where) for entry in value)
    if kind is float and type(value) is int:
        return float(value)
    allowed = (bool,) if kind == bool | None else (kind,)
    _expect(type(value) in allowed, f"{where} is {json.dumps(value, default=str)}; expected {allowed[0].__name__}")
    return value


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
