"""One training run: batches, loss and optimiser steps, with evaluation, logging and checkpoints; resumed if killed."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from train.batch_sampler import BatchSampler
from train.checkpoints import Checkpointer, MetricsLog, RunProgress, read_metrics, seed_everything
from train.config import OptimiserConfig, RunConfig, SourceConfig, TrainConfig
from train.curves import draw_curves
from train.data.pairs import Pair, Side, without_unreadable
from train.data.sources import captioned, read_pairs
from train.distributed import first_process_first, process_count, process_rank, sum_gradients
from train.grad_cache import GradCache
from train.losses import count_alone
from train.optimise import TrainedWeights, WeightAverage, learning_rate_factor
from train.record import refuse_other_run, write_record
from train.sharding import full_tensors, shard_optimiser_state
from train.shared_batch import Chunk, SharedBatch
from train.trainee import Trainee, embed_in_chunks, load_trainee

LOGGED = ("step", "loss", "gradient_norm", "learning_rate", "seconds")
DEPTHS = (1, 10)
"""K of the recall on held-out photos."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HeldOutPhotos:
    """Captioned photos that the run is evaluated on: one right answer each, only the first caption is used."""

    pairs: tuple[Pair, ...]

    @classmethod
    def read(cls, config: RunConfig) -> HeldOutPhotos:
        """Read the photos that a config names; an empty set if it names none."""
        if not config.evaluation:
            return cls(())
        source = SourceConfig(kind="captions", path=config.evaluation, split=config.evaluation_split)
        photos = captioned(source)
        return cls(tuple(Pair(query=Side(text=texts[0]), candidate=Side(images=(path,))) for path, texts in photos))

    def recall(self, trainee: Trainee) -> dict[str, float]:
        """Compute R@K in percent from captions to photos and back; the first number decides when to stop."""
        if not self.pairs:
            return {}
        texts, photos = [pair.query for pair in self.pairs], [pair.candidate for pair in self.pairs]
        scores = {
            "text_to_image": _scores(trainee, texts, photos),
            "image_to_text": _scores(trainee, photos, texts),
        }
        return {
            f"{way}_{depth}": diagonal_recall(found, depth)
            for depth in reversed(DEPTHS)
            for way, found in scores.items()
        }


def diagonal_recall(scores: torch.Tensor, depth: int) -> float:
    """Percentage of rows of (N, N) scores whose diagonal is among the `depth` highest; ties count against it."""
    rank = (scores >= scores.diagonal()[:, None]).sum(dim=1)  # 1 is the first
    return round(100 * float((rank <= depth).float().mean()), 2)


def _scores(trainee: Trainee, queries: Sequence[Side], candidates: Sequence[Side]) -> torch.Tensor:
    return embed_in_chunks(trainee, queries, "query") @ embed_in_chunks(trainee, candidates, "candidate").T


class Run:
    """A run, from its config to its last step.

    Args:
        config: the complete configuration.

    Raises:
        ValueError: the run's folder belongs to a run with another config, or a setting does not fit the data.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        torch.set_num_threads(config.run.threads)
        seed_everything(config.run.seed)
        self.folder = Path(config.run.out)
        refuse_other_run(config, self.folder)
        self.trainee: Trainee = load_trainee(config.model)
        self.held_out = HeldOutPhotos.read(config.run)
        self._prepare()
        self._build(config.optimiser)

    def _prepare(self) -> None:
        """Read all sources; pairs with unreadable media are left out and counted, never replaced by others."""
        config = self.config.data
        found = [read_pairs(source) for source in config.sources]
        with first_process_first():
            unreadable = self.trainee.prepare([pair for pairs in (*found, self.held_out.pairs) for pair in pairs])
        sources = [without_unreadable(pairs, unreadable) for pairs in found]
        skipped = sum(map(len, found)) - sum(map(len, sources))
        log.info("%d pairs, %d skipped for media that cannot be read", sum(map(len, sources)), skipped)
        weights = [source.weight for source in config.sources]
        self.sampler = BatchSampler(sources=sources, weights=weights, config=config, seed=self.config.run.seed)

    def _build(self, config: OptimiserConfig) -> None:
        trained = {name: value for name, value in self.trainee.module.named_parameters() if value.requires_grad}
        self.optimiser = torch.optim.AdamW(trained.values(), lr=config.learning_rate, weight_decay=config.weight_decay)
        rate = partial(learning_rate_factor, steps=self.config.run.steps, warmup=config.warmup)
        self.optimiser.register_load_state_dict_pre_hook(shard_optimiser_state)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)
        self.average = WeightAverage(list(trained.values()), config.averaging)
        self.cache: GradCache[Chunk] = GradCache(lambda chunk: self.trainee.embed(chunk[1], chunk[0]))
        parts = {
            "weights": TrainedWeights(trained),
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "average": self.average,
        }
        self.checkpointer = Checkpointer(self.folder, parts)

    def train(self) -> RunProgress:
        """Train from the last checkpoint, if there is one, to the end; then export the model and draw the curves."""
        with first_process_first():
            progress = self.checkpointer.restore()
        if process_rank() == 0:
            write_record(self.config, self.sampler.sources, self.folder)
        metrics = MetricsLog(self.folder, progress.step) if process_rank() == 0 else None
        while progress.step < self.config.run.steps and not self._is_stale(progress):
            lines = [self.step(progress)]
            if progress.step % self.config.run.evaluate_every == 0:
                lines.append({"step": progress.step, **self.evaluate(progress)})
            if metrics:
                metrics.append(lines)
                self._log(lines)
            if progress.step % self.config.run.save_every == 0:
                self.checkpointer.save(progress)
        self._finish(progress)
        return progress

    def _finish(self, progress: RunProgress) -> None:
        self.checkpointer.save(progress)
        with self.average.in_place():
            if process_rank() == 0 or self.config.model.sharded:
                self.trainee.export(self.folder / "encoder")
        if process_rank() == 0:
            draw_curves(read_metrics(self.folder), self.folder / "curves.png")

    def step(self, progress: RunProgress) -> dict[str, float]:
        """Take one optimiser step and return the values to log."""
        started = time.perf_counter()
        self.trainee.module.train()
        seed_everything(self.config.run.seed, progress.step, process_rank())
        pairs = self.sampler.batch(progress.step, process_rank(), process_count())
        batch = SharedBatch(pairs, self.config.loss)
        value = self.cache.backward(batch.chunks(self.config.data.chunk), batch.loss)
        sum_gradients(self.average.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.average.parameters, self.config.optimiser.clip or math.inf)
        self.optimiser.step()
        rate = self.schedule.get_last_lr()[0]
        self.schedule.step()
        self.optimiser.zero_grad()
        self.average.update()
        progress.step += 1
        alone = (
            count_alone(torch.tensor([pair.target_modality for pair in pairs])) if self.config.loss.stage == 2 else 0
        )
        return {
            "step": progress.step,
            "loss": value.item(),
            "gradient_norm": full_tensors(norm).item(),
            "learning_rate": rate,
            "alone": alone,
            "seconds": round(time.perf_counter() - started, 4),
        }

    def evaluate(self, progress: RunProgress) -> dict[str, float]:
        """Measure recall on held-out photos with the averaged weights, and update the best value in `progress`."""
        with self.average.in_place():
            self.trainee.module.eval()
            values = self.held_out.recall(self.trainee)
        score = next(iter(values.values()), -1.0)
        progress.stale = 0 if score > progress.best else progress.stale + 1
        progress.best = max(progress.best, score)
        return values

    def _log(self, lines: Sequence[dict[str, float]]) -> None:
        """Log every `log_every`-th step to the terminal, and every evaluation."""
        step, *measured = lines
        if step["step"] % self.config.run.log_every == 0 or measured:
            shown = {name: step[name] for name in LOGGED} | {
                name: value for line in measured for name, value in line.items()
            }
            log.info("  ".join(f"{name} {value:.4g}" for name, value in shown.items()))

    def _is_stale(self, progress: RunProgress) -> bool:
        return 0 < self.config.run.patience <= progress.stale
