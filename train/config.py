"""The configuration of a run: one TOML file, read into frozen dataclasses; an unknown key is an error.

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
        path: file or folder to read, relative to the working directory.
        media: folder that relative media paths start from; the folder of `path` if empty.
        weight: share of every batch, relative to the other sources.
        split: part of the data to use, where the format has splits.
    """

    kind: str
    path: str
    media: str = ""
    weight: float = 1.0
    split: str = "train"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Where pairs come from and how they are mixed into batches.

    Attributes:
        sources: sources of pairs, at least one.
        batch: rows per batch in each process.
        chunk: rows embedded with a graph at one time.
        mixing: `mixed` takes every source's share in every batch, `by-source` takes each batch from one source.
        floor: smallest number of rows of each target modality in a mixed batch.
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
        checkpoint: weights to start from: a model's folder, or the export of an earlier stage.
        lora_rank: rank of the adapter of a Qwen2-VL model.
        lora_alpha: the adapter's scale is alpha / rank.
        dropout: dropout rate in training.
        dtype: type of frozen weights and activations; bfloat16 is slow on CPUs without native support.
        gradient_checkpointing: recompute activations in the backward pass instead of keeping them.
        sharded: keep one shard of the language model's weights in each process of torchrun, see `train.sharding`.
        vision_cache_mb: size of the cache of the frozen vision tower's outputs, in MB; where a batch fits into it,
            GradCache's second pass does not run the tower.
        views: edits of `train.data.photo_edits` used as augmentation: the starter's head is given each photo
            unchanged or after one of them, at random.
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
    """The loss: stage 1 is bidirectional InfoNCE, stage 2 is MAMCL.

    Attributes:
        stage: 1 or 2.
        temperature: scores are divided by it.
        symmetric: whether to train both directions; None does what the paper does: yes in stage 1, no in stage 2.
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
        """Whether candidates are also trained to find their queries."""
        return self.stage == 1 if self.symmetric is None else self.symmetric


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimiserConfig:
    """AdamW with linear warm-up and cosine decay of the learning rate.

    Attributes:
        learning_rate: peak learning rate.
        weight_decay: weight decay of every trained weight.
        warmup: share of the steps in which the learning rate rises.
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
    """How long a run is, what it reports, and where it writes.

    Attributes:
        out: folder of the run.
        seed: seed of every random choice.
        steps: number of optimiser steps.
        save_every: steps between checkpoints, from which a killed run resumes.
        evaluate_every: steps between evaluations.
        log_every: steps between lines on the terminal; `metrics.jsonl` has every step.
        patience: evaluations without improvement before the run stops; 0 never stops early.
        evaluation: manifest of captioned photos to evaluate on; empty for none.
        evaluation_split: split of the manifest to evaluate on.
        threads: number of threads of torch.
    """

    out: str
    seed: int = 0
    steps: int = 1000
    save_every: int = 100
    evaluate_every: int = 100
    log_every: int = 50
    patience: int = 0
    evaluation: str = ""
    evaluation_split: str = "held-out"
    threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """The complete configuration of a run."""

    run: RunConfig
    data: DataConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)

    def as_dict(self) -> dict[str, Any]:
        """Return the resolved configuration as it is saved with the run."""
        return asdict(self)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a TOML file; each override is `table.key=value`, with the value written as in TOML or as a bare word.

    Raises:
        ValueError: a key is unknown or a value has the wrong type; the message says what was expected.
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
