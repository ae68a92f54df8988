"""One training run: batches, loss, step; evaluated, logged and saved on the way; resumed where it stopped."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from train.batches import BatchSampler
from train.checkpoints import Checkpointer, MetricsLog, Progress, read_metrics, seed_everything
from train.config import OptimiserConfig, TrainConfig
from train.curves import draw_curves
from train.data.pairs import without
from train.data.sources import read_pairs
from train.distributed import first_process_first, process_count, process_rank, sum_gradients
from train.evaluation import Evaluation
from train.grad_cache import GradCache
from train.losses import count_alone
from train.optimise import Average, Weights, rate_share
from train.record import refuse_another, write_record
from train.sharding import optimiser_state_in_pieces, whole
from train.shared_batch import Chunk, SharedBatch
from train.trainee import Trainee, load_trainee

TOLD = ("step", "loss", "gradient_norm", "learning_rate", "seconds")

log = logging.getLogger(__name__)


class Run:
    """A run, from its config to its last step.

    Args:
        config: everything about it.
    """

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        torch.set_num_threads(config.run.threads)
        seed_everything(config.run.seed)
        self.folder = Path(config.run.out)
        refuse_another(config, self.folder)
        self.trainee: Trainee = load_trainee(config.model)
        self.evaluation = Evaluation.read(config.run)
        self._prepare()
        self._build(config.optimiser)

    def _prepare(self) -> None:
        """Read all sources; pairs with unreadable media are left out and counted, never replaced."""
        config = self.config.data
        found = [read_pairs(source) for source in config.sources]
        with first_process_first():
            unreadable = self.trainee.prepare([pair for pairs in (*found, self.evaluation.pairs) for pair in pairs])
        sources = [without(pairs, unreadable) for pairs in found]
        skipped = sum(map(len, found)) - sum(map(len, sources))
        log.info("%d pairs, %d skipped for media that cannot be read", sum(map(len, sources)), skipped)
        weights = [source.weight for source in config.sources]
        self.sampler = BatchSampler(sources=sources, weights=weights, config=config, seed=self.config.run.seed)

    def _build(self, config: OptimiserConfig) -> None:
        trained = {name: value for name, value in self.trainee.module.named_parameters() if value.requires_grad}
        self.optimiser = torch.optim.AdamW(trained.values(), lr=config.learning_rate, weight_decay=config.weight_decay)
        rate = partial(rate_share, steps=self.config.run.steps, warmup=config.warmup)
        self.optimiser.register_load_state_dict_pre_hook(optimiser_state_in_pieces)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, rate)
        self.average = Average(list(trained.values()), config.averaging)
        self.cache: GradCache[Chunk] = GradCache(lambda chunk: self.trainee.embed(chunk[1], chunk[0]))
        parts = {
            "weights": Weights(trained),
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "average": self.average,
        }
        self.checkpointer = Checkpointer(self.folder, parts)

    def train(self) -> Progress:
        """Run to the end, or on to the end, export, and draw the curves."""
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
                self._tell(lines)
            if progress.step % self.config.run.save_every == 0:
                self.checkpointer.save(progress)
        self._finish(progress)
        return progress

    def _finish(self, progress: Progress) -> None:
        self.checkpointer.save(progress)
        with self.average.in_place():
            if process_rank() == 0 or self.config.model.sharded:
                self.trainee.export(self.folder / "encoder")
        if process_rank() == 0:
            draw_curves(read_metrics(self.folder), self.folder / "curves.png")

    def step(self, progress: Progress) -> dict[str, float]:
        """One optimiser step; what is logged of it."""
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
        alone = count_alone(torch.tensor([pair.wanted for pair in pairs])) if self.config.loss.stage == 2 else 0
        return {
            "step": progress.step,
            "loss": value.item(),
            "gradient_norm": whole(norm).item(),
            "learning_rate": rate,
            "alone": alone,
            "seconds": round(time.perf_counter() - started, 4),
        }

    def evaluate(self, progress: Progress) -> dict[str, float]:
        """Measure on held-out data with averaged weights, and keep count of the best."""
        with self.average.in_place():
            self.trainee.module.eval()
            values = self.evaluation.measure(self.trainee)
        score = next(iter(values.values()), -1.0)
        progress.stale = 0 if score > progress.best else progress.stale + 1
        progress.best = max(progress.best, score)
        return values

    def _tell(self, lines: Sequence[dict[str, float]]) -> None:
        """A row of the table on the terminal, now and then, and what was measured."""
        step, *measured = lines
        if step["step"] % self.config.run.tell_every == 0 or measured:
            told = {name: step[name] for name in TOLD} | {
                name: value for line in measured for name, value in line.items()
            }
            log.info("  ".join(f"{name} {value:.4g}" for name, value in told.items()))

    def _is_stale(self, progress: Progress) -> bool:
        return 0 < self.config.run.patience <= progress.stale
