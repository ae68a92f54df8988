"""Compare the UNITE encoder with golden data of the official code: the largest difference in every group of cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encoders.golden import ADAPTER, CHECKPOINTS, Golden, expanded, official_prompt
from indexers.unit import unit_rows
from unite_search.encoders.base import DType
from unite_search.encoders.unite.checkpoint import find_checkpoint
from unite_search.encoders.unite.collate import PaddingSide, Prepared, collate
from unite_search.encoders.unite.model import UniteModel
from unite_search.encoders.unite.placement import Placement
from unite_search.encoders.unite.selfcheck import Finding, Vectors, distance, worst_of

PACKAGES = ("torch", "transformers", "tokenizers", "decord2", "pillow")
EXACT = 0.0
GIVEN_INPUTS = 2e-6
END_TO_END = 5e-6
BFLOAT16 = 1e-2
LEAST_MROPE_DISTANCE = 0.05
TRUNCATED_CASES = "truncation"


def run(parity: Path) -> dict[str, Any]:
    """Compare with all golden data; returns the findings and a summary."""
    findings = list(check_parity(Golden(parity)))
    return {
        "packages": {package: version(package) for package in PACKAGES},
        "all_within_limits": all(finding.is_ok for finding in findings),
        "comparisons": sum(finding.cases for finding in findings),
        "largest_difference_float32_end_to_end": max(
            finding.difference for finding in findings if finding.check.endswith("end to end")
        ),
        "smallest_distance_to_mrope": min(finding.difference for finding in findings if finding.is_minimum),
        "findings": [finding.record() for finding in findings],
    }


def check_folder(folder: Path, device: str) -> Iterator[Finding]:
    """Compare with the golden data of a folder.

    Raises:
        UniteSearchError: the folder holds no golden data; raised before anything is compared.
    """
    return check_parity(Golden(folder), device)


def check_parity(golden: Golden, device: str = "cpu") -> Iterator[Finding]:
    """Compare with all golden data; yields one finding for each group of cases."""
    yield from _inputs_alone(golden)
    for name in CHECKPOINTS:
        runner = _Runner(golden, name, device)
        yield from runner.given_inputs()
        yield from runner.end_to_end()
    yield from _bfloat16(golden, device)
    yield from _adapter(golden, device)
    yield from _adapter_in_bfloat16(golden, device)


def _inputs_alone(golden: Golden) -> Iterator[Finding]:
    """Compare prompts, token ids, grids and frames, which need no model."""
    exact: dict[str, dict[str, bool]] = {
        "prompts": {name: official_prompt(case["input"]) == case["prompt"] for name, case in golden.dataset.items()},
        "token ids": {},
        "grids": {},
        "frames": {},
    }
    items = [(golden.dataset, golden.dataset_items), (golden.demo, golden.demo_items)]
    for cases, prepared in items:
        for name, case in cases.items():
            grids = [*case.get("image_grid_thw", []), *case.get("video_grid_thw", [])]
            exact["token ids"][name] = list(prepared[name].token_ids) == expanded(case["input_ids_rle"])
            exact["grids"][name] = [list(part.grid) for part in prepared[name].vision_inputs] == grids
    for name, case in golden.dataset.items():
        for sampled in case.get("video_sampling", []):
            exact["frames"][name] = golden.clip(sampled["file"])[1].tolist() == sampled["frame_indices"]
    for check, outcome in exact.items():
        yield worst_of(check, "-", {name: float(not is_equal) for name, is_equal in outcome.items()}, EXACT)


class _Runner:
    """Runs one loaded model on all cases."""

    def __init__(self, golden: Golden, name: str, device: str, dtype: DType = "float32") -> None:
        self.golden = golden
        self.name = name
        self.model = UniteModel.load(find_checkpoint(golden.checkpoint(name)), Placement.choose(device, dtype))
        self.pad_id = golden.inputs().pad_id

    def embed(self, items: Sequence[Prepared], side: PaddingSide = "left") -> Vectors:
        return np.asarray(self.model.embed(collate(items, pad_id=self.pad_id, side=side)))

    def given_inputs(self) -> Iterator[Finding]:
        """Compare on the prepared inputs of the official code, so that only the model is compared."""
        differences, hidden = {}, {}
        for name in ("left_padded_batch5", "right_padded_batch5", *(f"single{number}" for number in range(5))):
            side: PaddingSide = "right" if name.startswith("right") else "left"
            batch = collate(self.golden.given_items(name), pad_id=self.pad_id, side=side)
            used = batch.attention_mask.bool().numpy()
            states = self.model.hidden_states(batch).float().cpu().numpy()
            expected = self.golden.model_only[f"{name}/last_hidden_state"]
            hidden[name] = distance(unit_rows(states[used]), unit_rows(expected[used]))
            differences[name] = distance(self.model.embed(batch).numpy(), self.golden.model_only[f"{name}/embedding"])
        yield self._finding("model on given inputs", differences, GIVEN_INPUTS)
        yield self._finding("its hidden states, each scaled to unit length", hidden, GIVEN_INPUTS)

    def end_to_end(self) -> Iterator[Finding]:
        """Compare from file to vector: cases alone, in batches, padded on the right, truncated; and with M-RoPE."""
        single = {name: self.embed([item])[0] for name, item in self.golden.dataset_items.items()}
        for kind, is_kind in KINDS.items():
            chosen = {name: vector for name, vector in single.items() if is_kind(self.golden.dataset[name]["input"])}
            yield self._compared(f"{kind} end to end", chosen, "single/", END_TO_END)
        yield self._compared("demo style", {n: self.embed([i])[0] for n, i in self.golden.demo_items.items()}, "demo/")
        batched = {name: self._batch(self.golden.batches[name]["inputs"]) for name in self._batch_names()}
        yield self._compared("batches", batched, "batched/")
        right = {"b3_mixed_no_video": self._batch(self.golden.batches["right_padding_b3"]["inputs"], side="right")}
        yield self._compared("right padding", right, "right_padded/")
        yield self._compared("truncation", {name: self._truncated(name) for name in self._truncations()}, "truncated/")
        yield self._far_from_mrope(single)

    def _batch_names(self) -> list[str]:
        return [key.partition("/")[2] for key in self.golden.embeddings if key.startswith("batched/")]

    def _truncations(self) -> list[str]:
        return list(self.golden.batches[TRUNCATED_CASES])

    def _batch(self, names: Sequence[str], *, side: PaddingSide = "left") -> Vectors:
        return self.embed([self.golden.dataset_items[name] for name in names], side)

    def _truncated(self, name: str) -> Vectors:
        case = self.golden.batches[TRUNCATED_CASES][name]
        items = [self.golden.dataset_items[entry] for entry in case["inputs"]]
        return self.embed([Prepared(item.token_ids[-case["max_length"] :], item.vision_inputs) for item in items])

    def _far_from_mrope(self, single: dict[str, Vectors]) -> Finding:
        wrong = {
            name: distance(vector, self.golden.embeddings[f"mrope_diagnostic_not_official/{name}"])
            for name, vector in single.items()
            if self.golden.dataset[name]["cos_official_vs_mrope"] < 1
        }
        nearest = min(wrong, key=lambda name: wrong[name])
        return Finding(
            check="distance to M-RoPE",
            model=self.name,
            cases=len(wrong),
            worst=nearest,
            difference=wrong[nearest],
            limit=LEAST_MROPE_DISTANCE,
            is_minimum=True,
        )

    def _compared(self, check: str, vectors: dict[str, Vectors], prefix: str, limit: float = END_TO_END) -> Finding:
        expected = self.golden.embeddings
        return self._finding(check, {n: distance(v, expected[prefix + n]) for n, v in vectors.items()}, limit)

    def _finding(self, check: str, differences: dict[str, float], limit: float) -> Finding:
        return worst_of(check, self.name, differences, limit)


KINDS: dict[str, Callable[[dict[str, object]], bool]] = {
    "texts": lambda given: not {"image", "video"} & set(given),
    "images": lambda given: "image" in given and "video" not in given,
    "clips": lambda given: "video" in given,
}


def _bfloat16(golden: Golden, device: str) -> Iterator[Finding]:
    runner = _Runner(golden, CHECKPOINTS[0], device, "bfloat16")
    name = "left_padded_batch5"
    expected = golden.model_only[f"{name}/embedding_bf16_model_cast_to_f32"]
    difference = {name: distance(runner.embed(golden.given_items(name)), expected)}
    yield worst_of("bfloat16", CHECKPOINTS[0], difference, BFLOAT16)


def _adapter(golden: Golden, device: str) -> Iterator[Finding]:
    runner = _Runner(golden, ADAPTER, device)
    yield _adapted(runner, "unmerged", END_TO_END)
    yield _adapted(runner, "merged_f32", END_TO_END)
    name = "left_padded_batch5"
    given = {name: distance(runner.embed(golden.given_items(name)), golden.adapted[f"model_only/{name}"])}
    yield worst_of("adapter on given inputs", ADAPTER, given, END_TO_END)


def _adapter_in_bfloat16(golden: Golden, device: str) -> Iterator[Finding]:
    """Compare all in bfloat16; the official builder also rounds the frequencies of the rotary positions."""
    runner = _Runner(golden, ADAPTER, device, "bfloat16")
    runner.model.backbone.bfloat16()
    yield _adapted(runner, "merged_bf16_builder", BFLOAT16)


def _adapted(runner: _Runner, kind: str, limit: float) -> Finding:
    expected = {key.partition("/")[2]: array for key, array in runner.golden.adapted.items() if key.startswith(kind)}
    items = runner.golden.dataset_items
    differences = {name: distance(runner.embed([items[name]])[0], array) for name, array in expected.items()}
    return worst_of(f"adapter, {kind}", ADAPTER, differences, limit)
