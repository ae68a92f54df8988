"""What a collection holds, counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from unite_search.catalog import Catalog
from unite_search.manifest import Manifest
from unite_search.modality import Modality
from unite_search.report import Status


def read_status(directory: Path, manifest: Manifest, catalog: Catalog) -> Status:
    """Count items, files, duplicates and bytes."""
    _, modalities = catalog.ids_and_modalities()
    codes, counts = np.unique(modalities, return_counts=True)
    states = catalog.states()
    copies = Counter(state.content_hash for state in states.values())
    return Status(
        name=directory.name,
        directory=directory,
        encoder=manifest.encoder,
        fingerprint=manifest.fingerprint,
        dim=manifest.dim,
        files=len(states),
        items={Modality(int(code)).partition: int(n) for code, n in zip(codes, counts, strict=True)},
        size_bytes=sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()),
        roots=tuple(map(Path, manifest.roots)),
        duplicates=sum(count - 1 for count in copies.values()),
        version=catalog.version,
    )
