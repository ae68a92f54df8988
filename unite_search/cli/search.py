"""`query` and `similar`. The options that they share are read from the parameters of the context."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from typing import Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli import search_options as s
from unite_search.cli.hits import Answer, HitOutput, show_answer
from unite_search.cli.opening import chosen_directory, opened
from unite_search.encoders.base import EncoderOptions
from unite_search.query import Query, SearchOptions

WORDS_HELP = (
    "What to look for, in words. In quotes for the shell, 'dog -snow' leaves out what holds a word, and "
    "'\"hot dog\"' asks for words as they stand."
)


def query(  # noqa: PLR0913 (the parameters of a command are its options)
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help=WORDS_HELP)] = None,
    *,
    image: s.Images = None,
    video: s.Videos = None,
    text: s.Texts = None,
    exclude: s.Exclude = None,
    instruction: s.Instruction = None,
    mode: s.SearchMode = "auto",
    weight: s.Weights = None,
    like: s.Like = None,
    unlike: s.Unlike = None,
    modalities: s.In = "",
    where: s.Where = None,
    top_k: s.TopK = 10,
    offset: s.Offset = 0,
    min_score: s.MinScore = None,
    group_by: s.GroupHits = "parent",
    no_group: s.NoGroup = False,
    copies: s.Copies = False,
    diverse: s.Diverse = False,
    include_self: s.IncludeSelf = False,
    collection: o.Name = None,
    db: o.Database = None,
    encoder: o.EncoderName = None,
    device: o.Device = None,
    as_json: s.HitsAsJson = False,
    as_csv: s.AsCsv = False,
    as_paths: s.AsPaths = False,
    print0: s.Print0 = False,
    explain: s.Explain = False,
    html: s.Html = None,
    open_first: s.Open = False,
    thumbnails: s.Thumbnails = True,
) -> None:
    """Search by text, an image, a video, or several of them together as one composed query.

    Example: unite-search query --image q.jpg --text "make it red" --in image
    """
    asked = _query(ctx.params)
    how, scope = HitOutput.of(ctx.params), _scope(ctx.params)
    with opened(chosen_directory(collection, db), encoder=encoder, options=EncoderOptions(device=device)) as searched:
        result = searched.search(asked, scope)
    record = {**asdict(asked), **asdict(scope)}
    show_answer(Answer(title=_title(asked), asked=record, query=asked, result=result), how)


def similar(  # noqa: PLR0913 (the parameters of a command are its options)
    ctx: typer.Context,
    item: Annotated[
        int, typer.Argument(metavar="ID", min=0, max=s.MAX_ID, help="Id of an item, as printed by `query --json`.")
    ],
    *,
    modalities: s.In = "",
    where: s.Where = None,
    top_k: s.TopK = 10,
    offset: s.Offset = 0,
    min_score: s.MinScore = None,
    group_by: s.GroupHits = "parent",
    no_group: s.NoGroup = False,
    copies: s.Copies = False,
    diverse: s.Diverse = False,
    include_self: s.IncludeSelf = False,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: s.HitsAsJson = False,
    as_csv: s.AsCsv = False,
    as_paths: s.AsPaths = False,
    print0: s.Print0 = False,
    explain: s.Explain = False,
    html: s.Html = None,
    open_first: s.Open = False,
    thumbnails: s.Thumbnails = True,
) -> None:
    """Find the items that are most similar to an item of the collection.

    Example: unite-search similar 17 --in video
    """
    how, scope = HitOutput.of(ctx.params), _scope(ctx.params)
    with opened(chosen_directory(collection, db)) as searched:
        result = searched.similar(item, scope)
    record = {"id": item, **asdict(scope)}
    show_answer(Answer(title=f"Similar to item {item}", asked=record, query=None, result=result), how)


def _query(options: Mapping[str, Any]) -> Query:
    """Return the query that the options ask.

    Raises:
        BadParameter: they ask for nothing, or for what does not go together.
    """
    words = options["words"]
    texts = (*([" ".join(words)] if words else []), *(options["text"] or []))
    if not (texts or options["image"] or options["video"] or options["like"]):
        raise typer.BadParameter("give words, --text, --image, --video or --like", param_hint="WORDS")
    try:
        return Query(
            texts=texts,
            images=tuple(options["image"] or ()),
            videos=tuple(options["video"] or ()),
            exclude=tuple(options["exclude"] or ()),
            instruction=options["instruction"],
            mode=options["mode"],
            weights=s.parse_weights(options["weight"] or []),
            like=tuple(options["like"] or ()),
            unlike=tuple(options["unlike"] or ()),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _scope(options: Mapping[str, Any]) -> SearchOptions:
    if options["min_score"] is not None and not isfinite(options["min_score"]):
        raise typer.BadParameter("expected a number", param_hint="--min-score")
    if options["no_group"] and options["group_by"] != "parent":
        raise typer.BadParameter("give one of --no-group and --group-by", param_hint="--no-group")
    return SearchOptions(
        top_k=options["top_k"],
        offset=options["offset"],
        modalities=s.parse_modalities(options["modalities"]),
        where=options["where"],
        group_by="item" if options["no_group"] else options["group_by"],
        include_self=options["include_self"],
        copies=options["copies"],
        min_score=options["min_score"],
        diverse=options["diverse"],
    )


def _title(query: Query) -> str:
    parts = [path.name for path in (*query.images, *query.videos)]
    parts += [f"“{text}”" for text in query.texts]
    parts += [f"like item {id_}" for id_ in query.like]
    return " + ".join([*parts, *(f"unlike item {id_}" for id_ in query.unlike)])
