"""`query` and `similar`. The options that they share are read from the parameters of the context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from unite_search.cli import options as o
from unite_search.cli.hits import Answer, HitOutput, show_answer
from unite_search.cli.opening import chosen_directory, opened
from unite_search.encoders.base import EncoderOptions
from unite_search.query import Query, SearchOptions


def query(  # noqa: PLR0913 (the parameters of a command are its options)
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="What to look for, in words.")] = None,
    *,
    image: o.Images = None,
    video: o.Videos = None,
    text: o.Texts = None,
    exclude: o.Exclude = None,
    instruction: o.Instruction = None,
    modalities: o.In = "",
    where: o.Where = None,
    top_k: o.TopK = 10,
    offset: o.Offset = 0,
    no_group: o.NoGroup = False,
    include_self: o.IncludeSelf = False,
    collection: o.Name = None,
    db: o.Database = None,
    encoder: o.EncoderName = None,
    device: o.Device = None,
    as_json: o.HitsAsJson = False,
    as_csv: o.AsCsv = False,
    as_paths: o.AsPaths = False,
    print0: o.Print0 = False,
    html: o.Html = None,
    open_first: o.Open = False,
    thumbnails: o.Thumbnails = True,
) -> None:
    """Search by text, an image, a video, or several of them together as one composed query.

    Example: unite-search query --image q.jpg --text "make it red" --in image
    """
    texts = (*([" ".join(words)] if words else []), *(text or []))
    if not (texts or image or video):
        raise typer.BadParameter("give words, --text, --image or --video", param_hint="WORDS")
    files = {"images": tuple(image or ()), "videos": tuple(video or ())}
    try:
        asked = Query(texts=texts, **files, exclude=tuple(exclude or ()), instruction=instruction)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="WORDS") from error
    how, scope = HitOutput.of(ctx.params), _scope(ctx.params)
    with opened(chosen_directory(collection, db), encoder=encoder, options=EncoderOptions(device=device)) as searched:
        result = searched.search(asked, scope)
    record = {**_query_record(asked), **_scope_record(scope)}
    show_answer(Answer(title=_title(asked), asked=record, query=asked, result=result), how)


def similar(  # noqa: PLR0913 (the parameters of a command are its options)
    ctx: typer.Context,
    item: Annotated[int, typer.Argument(metavar="ID", help="Id of an item, as printed by `query --json`.")],
    *,
    modalities: o.In = "",
    where: o.Where = None,
    top_k: o.TopK = 10,
    offset: o.Offset = 0,
    no_group: o.NoGroup = False,
    include_self: o.IncludeSelf = False,
    collection: o.Name = None,
    db: o.Database = None,
    as_json: o.HitsAsJson = False,
    as_csv: o.AsCsv = False,
    as_paths: o.AsPaths = False,
    print0: o.Print0 = False,
    html: o.Html = None,
    open_first: o.Open = False,
    thumbnails: o.Thumbnails = True,
) -> None:
    """Find the items that are most similar to an item of the collection.

    Example: unite-search similar 17 --in video
    """
    how, scope = HitOutput.of(ctx.params), _scope(ctx.params)
    with opened(chosen_directory(collection, db)) as searched:
        result = searched.similar(item, scope)
    record = {"id": item, **_scope_record(scope)}
    show_answer(Answer(title=f"Similar to item {item}", asked=record, query=None, result=result), how)


def _scope(options: Mapping[str, Any]) -> SearchOptions:
    return SearchOptions(
        top_k=options["top_k"],
        offset=options["offset"],
        modalities=o.parse_modalities(options["modalities"]),
        where=options["where"],
        group=not options["no_group"],
        include_self=options["include_self"],
    )


def _query_record(query: Query) -> dict[str, Any]:
    return {
        "texts": query.texts,
        "images": query.images,
        "videos": query.videos,
        "exclude": query.exclude,
        "instruction": query.instruction,
    }


def _scope_record(scope: SearchOptions) -> dict[str, Any]:
    return {
        "modalities": scope.modalities,
        "where": scope.where,
        "top_k": scope.top_k,
        "offset": scope.offset,
        "group": scope.group,
        "include_self": scope.include_self,
    }


def _title(query: Query) -> str:
    parts = [path.name for path in (*query.images, *query.videos)]
    return " + ".join([*parts, *(f"“{text}”" for text in query.texts)])
