"""`verify_folder` and `repair`: for collections that may be too damaged to be opened."""

from __future__ import annotations

from pathlib import Path

from unite_search.collection import Collection
from unite_search.encoders.base import Encoder, EncoderOptions
from unite_search.errors import DamagedCollectionError, EncoderMismatchError, EncoderUnavailableError
from unite_search.query import PathArgument
from unite_search.report import RepairReport
from unite_search.storage.check import damage_of_files
from unite_search.storage.repair import repair_files


def verify_folder(directory: PathArgument) -> list[str]:
    """Do what `Collection.verify` does, also for a collection that is too damaged to be opened.

    Raises:
        CollectionNotFoundError: there is no collection.
    """
    folder = Path(directory).expanduser().absolute()
    try:
        with Collection.open(folder) as collection:
            return collection.verify()
    except DamagedCollectionError as error:
        return [str(error), *damage_of_files(folder / "catalog").lines()]


def repair(
    directory: PathArgument,
    *,
    encoder: str | Encoder | None = None,
    options: EncoderOptions | None = None,
    dry_run: bool = False,
) -> RepairReport:
    """Bring back what can be of a damaged collection.

    Damaged small files have second copies, damaged vectors are taken from the partitions, and files of other damaged
    rows are read and embedded again. What is left is dropped and named. Partitions are built again.

    Args:
        directory: the folder of the collection.
        encoder: as in `Collection.open`; it is loaded only if files must be read again.
        options: as in `Collection.open`.
        dry_run: report what would be done and write nothing.

    Raises:
        CollectionNotFoundError: there is no collection.
        CollectionLockedError: another process is writing.
        DamagedCollectionError: nothing readable is left of the catalog, or of `collection.json`.
    """
    folder = Path(directory).expanduser().absolute()
    report = repair_files(folder, dry_run=dry_run)
    if not dry_run:
        with Collection.open(folder, encoder=encoder, options=options) as collection:
            _read_again(collection, report)
            report.remaining = collection.verify()
    return report


def _read_again(collection: Collection, report: RepairReport) -> None:
    """Index the files whose rows were dropped; where the encoder cannot be had, a later `index` does."""
    if not report.files_to_read:
        return
    try:
        found = collection.index_again(report.files_to_read)
    except (EncoderMismatchError, EncoderUnavailableError, ImportError) as error:
        report.notes.append(f"run `unite-search index` to read the dropped files again; the encoder says: {error}")
        return
    report.notes += [f"{skipped.path}: {skipped.reason}" for skipped in found.skipped]
