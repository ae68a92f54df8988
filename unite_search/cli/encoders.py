"""`encoders`: list the encoders and whether they can be used here, download one, test one, calibrate one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.calibrate import calibrate
from unite_search.cli.output import literal, new_table, print_json, print_lines, print_table, say
from unite_search.display import counted
from unite_search.errors import UniteSearchError

if TYPE_CHECKING:
    from unite_search.encoders.base import EncoderOptions
    from unite_search.encoders.unite.selfcheck import Finding

encoders = typer.Typer(help="List the encoders, download, test or calibrate one.", invoke_without_command=True)
encoders.command()(calibrate)

Model = Annotated[
    str, typer.Argument(metavar="NAME|DIR", help="A name that `unite-search encoders` lists, a folder, or a hub id.")
]

KnownModel = Annotated[
    str,
    typer.Argument(
        metavar="NAME|DIR",
        callback=o.check_encoder,
        help="A name that `unite-search encoders` lists, a folder, or a hub id.",
    ),
]


@encoders.callback()
def list_encoders(ctx: typer.Context, as_json: o.AsJson = False) -> None:
    """List the encoders and whether each can be used here.

    Example: unite-search encoders
    """
    from unite_search.encoders.base import encoder_names

    if ctx.invoked_subcommand is not None:
        return
    rows = [_overview(name) for name in encoder_names()]
    if as_json:
        print_json({"encoders": rows})
        return
    table = new_table("name", "dimensions", "embeds", "size", "calibrated", "available", right=("dimensions", "size"))
    for row in rows:
        usable = "yes" if row["available"] else f"no: {row['error']}"
        size = f"{row['size_gb']} GB" if row["size_gb"] else ""
        facts = (str(row["dim"] or ""), ", ".join(row["modalities"]), size, row["calibrated"] or "")
        table.add_row(*map(literal, (row["name"], *facts, usable)))
    print_table(table)


@encoders.command()
def pull(
    model: Model,
    revision: Annotated[
        str | None,
        typer.Option(
            metavar="COMMIT", help="Commit, tag or branch. Default: the commit fetched before; at first, the newest."
        ),
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Download a model, so that it can be used without a network from then on.

    Commit and SHA-256 of all files are recorded, and compared when the model is used or downloaded again.

    Example: unite-search encoders pull unite-2b
    """
    from unite_search.encoders.unite.hub import import_hub, repository_of
    from unite_search.encoders.unite.hub import pull as download

    repository = repository_of(model)
    import_hub()
    say(f"Downloading {repository} ...")
    folder = download(model, revision)
    if as_json:
        print_json({"model": model, "folder": folder, "commit": folder.name})
    else:
        print_lines([str(folder)])


@encoders.command()
def check(
    model: KnownModel,
    parity: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Folder with golden data of the official code to compare with.",
        ),
    ] = None,
    dtype: o.Precision = None,
    device: o.Device = None,
    as_json: o.AsJson = False,
) -> None:
    """Test a UNITE model on this machine: unit vectors, batches, padding; with --parity, the official numbers.

    The files of a model that was downloaded are compared with the SHA-256 that `pull` recorded.

    Example: unite-search encoders check unite-2b
    """
    from unite_search.encoders.base import embedding_options

    findings = []
    table = new_table("check", "model", "cases", "difference", "limit", "", right=("cases", "difference", "limit"))
    for finding in _findings(model, embedding_options(dtype=dtype, device=device), parity):
        findings.append(finding)
        sign = "at least" if finding.is_minimum else "at most"
        numbers = (str(finding.cases), f"{finding.difference:.2g}", f"{sign} {finding.limit:g}")
        outcome = "ok" if finding.is_ok else f"FAILED at {finding.worst}"
        table.add_row(*map(literal, (finding.check, Path(finding.model).name, *numbers, outcome)))
    if as_json:
        print_json({"model": model, "checks": [finding.record() for finding in findings]})
    else:
        print_table(table)
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)


def _findings(model: str, options: EncoderOptions, parity: Path | None) -> Iterator[Finding]:
    """Yield the checks of a UNITE model, and those of this installation against the golden data in `parity`.

    Raises:
        UniteSearchError: the encoder is not a UNITE model, or the golden data is missing or cannot be read here.
    """
    from unite_search.encoders.base import is_checkpoint, load_encoder

    if not is_checkpoint(model):
        raise UniteSearchError(f"encoder {model} has no checks; expected a UNITE model")
    _check_files(model)
    golden = None if parity is None else _golden_checks(parity, options.device or "cpu")
    encoder = load_encoder(model, options)
    from unite_search.encoders.unite.encoder import UniteEncoder
    from unite_search.encoders.unite.selfcheck import check_model

    if isinstance(encoder, UniteEncoder):
        yield from check_model(encoder)
    if golden is not None:
        yield from golden


def _check_files(model: str) -> None:
    """Compare all files of a model that `pull` fetched with what it recorded, and say so.

    Raises:
        UniteSearchError: a file differs.
    """
    from unite_search.encoders.unite.hub import check_files

    record = check_files(model)
    if record is not None:
        say(f"{counted(len(record.files), 'file')} as fetched, commit {record.commit}")


def _golden_checks(folder: Path, device: str) -> Iterator[Finding]:
    """Yield the comparisons with golden data; their code is part of a checkout, but not of the wheel."""
    try:
        module = import_module("benchmarks.encoders.unite_parity")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "benchmarks":
            raise
        raise UniteSearchError("--parity needs a checkout of unite-search; install it with `pip install -e`") from error
    findings: Iterator[Finding] = module.check_folder(folder, device)
    return findings


def _overview(name: str) -> dict[str, Any]:
    from unite_search.encoders.base import DEFAULT_ENCODER, is_checkpoint, load_encoder

    row: dict[str, Any] = {"name": name, "is_default": name == DEFAULT_ENCODER, "size_gb": None}
    row.update(dim=None, modalities=[], calibrated=None, available=True, error=None)
    try:
        if is_checkpoint(name):
            return {**row, "calibrated": _calibrated(name, None), **_checkpoint_facts(name)}
        encoder = load_encoder(name)
    except (UniteSearchError, ImportError) as error:
        return {**row, "available": False, "error": str(error)}
    modalities = encoder.modalities.partition.split("+")
    return {**row, "dim": encoder.dim, "modalities": modalities, "calibrated": _calibrated(name, encoder.fingerprint)}


def _calibrated(name: str, fingerprint: str | None) -> str:
    """Return whether an encoder is calibrated: `built in`, `measured here`, `no` or `damaged`."""
    from unite_search.encoders.calibration import calibration_state

    try:
        return calibration_state(name, fingerprint)
    except UniteSearchError:
        return "damaged"


def _checkpoint_facts(name: str) -> dict[str, Any]:
    """Return what is known about a checkpoint without loading it."""
    from unite_search.encoders.unite.checkpoint import find_checkpoint
    from unite_search.encoders.unite.hub import ALIASES, INSTALL
    from unite_search.errors import EncoderUnavailableError

    facts: dict[str, Any] = {"size_gb": ALIASES[name].size_gb, "modalities": ["text", "image", "video"]}
    try:
        facts["dim"] = find_checkpoint(name).dim()
    except EncoderUnavailableError as error:
        return {**facts, "available": False, "error": str(error)}
    if find_spec("torch") is None:
        return {**facts, "available": False, "error": INSTALL}
    return facts
