"""A self-contained HTML page of queries and their hits, or of copies; it makes no network requests.

A video is shown as a strip of frames in one picture, which the style sheet plays under the pointer.
"""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from indexers.atomic import write_text
from unite_search.display import counted, file_size, one_line, printable, time_range
from unite_search.errors import UniteSearchError, UnreadableFileError
from unite_search.item import Item, local_time
from unite_search.media.preview import contact_strip, image_thumbnail
from unite_search.media.uri import uri_to_path
from unite_search.query import Hit, Query, SearchResult

SIDE = 360
STRIP_SIDE = 240
STRIP_FRAMES = 8
JPEG_QUALITY = 82
CAPTION_LENGTH = 140
PASSAGE_LENGTH = 420
MOST_GROUPS = 200
"""Groups of copies on one page, which holds all pictures itself."""
LEAD_IN = 40
"""Characters that are shown before the first mark of a text that is too long to be shown from its start."""
LISTED_FILES = 50
GENERATOR = '<meta name="generator" content="unite-search">'
"""By this a page of the program is recognised; it stands within the first `HEAD_BYTES`."""
HEAD_BYTES = 1024
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Section(NamedTuple):
    """One query on the page.

    Attributes:
        title: heading.
        query: the query to show; None to show only the title.
        result: the hits.
        facts: the line above the hits. None for the number of items searched and the time taken.
        right: ids of hits to mark as correct.
    """

    title: str
    query: Query | None
    result: SearchResult
    facts: str | None = None
    right: frozenset[int] = frozenset()


def write_gallery(
    path: Path, sections: Sequence[tuple[str, Query | None, SearchResult] | Section], *, heading: str = "unite-search"
) -> None:
    """Write the page.

    Args:
        path: the HTML file; an existing file is replaced, see `check_page`.
        sections: (title, query, result) of each query, in order; see `Section`.
        heading: heading of the page.
    """
    _write_page(path, heading, "\n".join(_section(Section(*section)) for section in sections))


def write_copies(path: Path, groups: Sequence[Sequence[Item]], *, facts: str) -> None:
    """Write a page of groups of files that are copies of each other; of many groups, the first `MOST_GROUPS`.

    Args:
        path: the HTML file; an existing file is replaced, see `check_page`.
        groups: the files of each group, the one to keep first.
        facts: the line above all groups.
    """
    left_out = len(groups) - MOST_GROUPS
    more = f"; the first {MOST_GROUPS} groups are shown" if left_out > 0 else ""
    body = "\n".join(_copies(number, group) for number, group in enumerate(groups[:MOST_GROUPS], 1))
    _write_page(path, "unite-search: copies", f'<p class="facts">{_text(facts + more)}</p>\n{body}')


def _write_page(path: Path, heading: str, body: str) -> None:
    style = files("unite_search").joinpath("gallery.css").read_text(encoding="utf-8")
    write_text(
        path,
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
{GENERATOR}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{_text(heading)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{_text(heading)}</h1>
{body}
</main>
</body>
</html>
""",
    )


def check_page(path: Path) -> None:
    """Check that a page can be written to a path, and that at most an earlier page or an empty file is replaced by it.

    Raises:
        UniteSearchError: there is no such folder, it cannot be written to, or something else is there.
    """
    folder = path.parent
    if not folder.is_dir():
        raise UniteSearchError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UniteSearchError(f"{path} cannot be written: no permission to write to {folder}")
    if os.path.lexists(path) and not _is_page(path):
        raise UniteSearchError(f"{path} is not a page of unite-search, so it is not replaced; give another name")


def _is_page(path: Path) -> bool:
    """Whether a file is a page that this module wrote, or empty."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return not head or GENERATOR.encode() in head


def _section(section: Section) -> str:
    result = section.result
    notes = f'<p class="notes">{" ".join(map(_sentence, result.notes))}</p>' if result.notes else ""
    return f"""<section>
<h2>{_text(section.title)}</h2>
{_question(section.query) if section.query else ""}
<p class="facts">{_text(_facts(result) if section.facts is None else section.facts)}</p>
{notes}
{_hits(section)}
</section>"""


def _hits(section: Section) -> str:
    """Return the cards of all hits, those of weak ones below a heading."""
    strong = [hit for hit in section.result.hits if not hit.is_weak]
    weak = [hit for hit in section.result.hits if hit.is_weak]
    if not weak:
        return _grid("hits", section, strong) if strong else '<div class="hits"><p class="empty">No hits.</p></div>'
    heading = f"<h3>{'Nothing else is close' if strong else 'Nothing close'}; the nearest are</h3>"
    return "\n".join(
        [*([_grid("hits", section, strong)] if strong else []), heading, _grid("hits weak", section, weak)]
    )


def _grid(classes: str, section: Section, hits: Sequence[Hit]) -> str:
    cards = "\n".join(_card(hit, is_right=hit.id in section.right) for hit in hits)
    return f'<div class="{classes}">\n{cards}\n</div>'


def _sentence(note: str) -> str:
    return _text(note[:1].upper() + note[1:] + ("" if note.endswith((".", "!", "?")) else "."))


def _facts(result: SearchResult) -> str:
    among = ", ".join(f"{count:,} {name}" for name, count in result.searched.items())
    times = f"{result.encode_ms:.0f} ms to encode, {result.search_ms:.0f} ms to search"
    return f"{len(result.hits)} of {sum(result.searched.values()):,} items ({among or 'none'}) · {times}"


def _question(query: Query) -> str:
    parts = [_asked_picture(path, is_clip=False) for path in query.images]
    parts += [_asked_picture(path, is_clip=True) for path in query.videos]
    parts += [f"<blockquote>{_text(text)}</blockquote>" for text in query.texts]
    joined = '<span class="plus" aria-label="and">+</span>'.join(parts)
    excluded = "".join(f'<blockquote class="not">not {_text(text)}</blockquote>' for text in query.exclude)
    liked = "".join(f"<blockquote>more like item {id_}</blockquote>" for id_ in query.like)
    unliked = "".join(f'<blockquote class="not">less like item {id_}</blockquote>' for id_ in query.unlike)
    return f'<div class="question">{joined}{liked}{excluded}{unliked}</div>'


def _asked_picture(path: Path, *, is_clip: bool) -> str:
    picture = _strip(path, None, None) if is_clip else _still(path, None, None)
    return f"<figure>{picture or _text(path.name)}<figcaption>{_text(path.name)}</figcaption></figure>"


def _card(hit: Hit, *, is_right: bool) -> str:
    path = uri_to_path(hit.uri)
    times = time_range(hit.start_s, hit.end_s) if hit.modality == "video" or hit.start_s else ""
    caption = _marked(hit, CAPTION_LENGTH) if hit.modality != "text" else ""
    name = path.name if hit.group is None else _group_name(hit.group)
    facts = [
        *(['<span class="tick">✓ right</span>'] if is_right else []),
        *(['<span class="exact">exact</span>'] if hit.is_exact else []),
        f"{hit.score:.3f}",
        *([times] if times else []),
        *([hit.partition] if "+" in hit.partition else []),
    ]
    lines = [
        f'<p class="name"><span class="rank">{hit.rank}</span> {_text(name)}</p>',
        f'<p class="score">{" · ".join(facts)}</p>',
        f'<p class="caption">{caption}</p>' if caption else "",
        _why(hit),
        _others("other file", "other files", _close(hit) if hit.group is not None else (), path),
        _others("copy", "copies", hit.copies, path),
    ]
    face = f'<a href="{_link(path)}" title="{_text(str(path))}">{_face(hit, path)}</a>'
    mark = ' class="right"' if is_right else ""
    return f"<article{mark}>{face}{''.join(lines)}</article>"


def _copies(number: int, group: Sequence[Item]) -> str:
    cards = "\n".join(_copy(file, group[0]) for file in group)
    return f'<section>\n<h2>{number}</h2>\n<div class="hits">\n{cards}\n</div>\n</section>'


def _copy(file: Item, first: Item) -> str:
    path = uri_to_path(file.uri)
    kind = "same bytes" if file.content_hash == first.content_hash else "looks the same"
    dates = {"taken": file.taken_at, "modified": local_time(file.modified_at)}
    facts = [
        *([] if file is first else [kind]),
        file_size(file.size_bytes),
        *([f"{file.width} x {file.height}"] if file.width and file.height else []),
        *(f"{name} {date:%Y-%m-%d}" for name, date in dates.items() if date),
    ]
    face = f'<a href="{_link(path)}" title="{_text(str(path))}">{_face(file, path)}</a>'
    names = f'<p class="name">{_text(path.name)}</p><p class="caption">{_text(str(path.parent))}</p>'
    return f'<article>{face}{names}<p class="score">{" · ".join(facts)}</p></article>'


def _group_name(group: str) -> str:
    """Return a day, or the last part of a folder's path."""
    return (uri_to_path(group).name or group) if "/" in group or os.sep in group else group or "no date"


def _close(hit: Hit) -> list[Hit]:
    """Return the other items of a group; the weak ones only if all are."""
    return [other for other in hit.segments if other.is_weak == hit.is_weak]


def _why(hit: Hit) -> str:
    """Return what matched and the parts of the score, folded; nothing for a hit that no search has found."""
    why = hit.evidence
    lines = [f"{name} {part:+.2f}" for name, part in why.parts.items()]
    if not lines:
        return ""
    matched = ("exact match in " if hit.is_exact else "") + (", ".join(why.matched) or "nothing close")
    terms = f"<br>words found: {_text(', '.join(why.terms))}" if why.terms else ""
    return f"<details><summary>Why: {_text(matched)}</summary><p>{', '.join(lines)}{terms}</p></details>"


def _others(singular: str, plural: str, hits: Iterable[Hit], shown: Path) -> str:
    """Return a folded list of the files that stand behind a hit."""
    paths = [path for path in dict.fromkeys(uri_to_path(hit.uri) for hit in hits) if path != shown]
    if not paths:
        return ""
    links = "".join(
        f'<li><a href="{_link(path)}" title="{_text(str(path))}">{_text(path.name)}</a></li>'
        for path in paths[:LISTED_FILES]
    )
    rest = f"<li>and {len(paths) - LISTED_FILES:,} more</li>" if len(paths) > LISTED_FILES else ""
    count = counted(len(paths), singular, plural)
    return f"<details><summary>+{count}</summary><ul>{links}{rest}</ul></details>"


def _marked(hit: Hit, length: int) -> str:
    """Return about `length` characters of the text of a hit as HTML, with the words that were found in <mark>."""
    text, spans = hit.text or "", hit.evidence.spans
    first = spans[0][0] if spans else 0
    place = first - LEAD_IN if first > length - LEAD_IN else 0
    end = place + length
    pieces = ["… "] if place else []
    for start, stop in spans:
        if start >= end:
            break
        pieces += [_flat(text[place:start]), f"<mark>{_flat(text[start:stop])}</mark>"]
        place = stop
    pieces.append(_flat(text[place : max(place, end)]))
    return "".join([*pieces, *(["…"] if max(place, end) < len(text) else [])])


def _flat(text: str) -> str:
    return _text(re.sub(r"\s+", " ", text))


def _face(hit: Hit | Item, path: Path) -> str:
    """Return the picture, the frames or the passage of a hit or a file."""
    picture = ""
    if hit.modality == "video":
        picture = _strip(path, hit.start_s, hit.end_s)
    elif hit.modality == "image":
        picture = _still(path, hit.start_s, hit.end_s)
    passage = escape(one_line(hit.text or path.name, PASSAGE_LENGTH))
    if isinstance(hit, Hit) and hit.text:
        passage = _marked(hit, PASSAGE_LENGTH)
    return f'<div class="face">{picture or f"<q>{passage}</q>"}</div>'


def _still(path: Path, start_s: float | None, end_s: float | None) -> str:
    try:
        picture = image_thumbnail(path, side=SIDE, start_s=start_s, end_s=end_s)
    except (UnreadableFileError, OSError):
        return ""
    return _picture([picture], path.name)


def _strip(path: Path, start_s: float | None, end_s: float | None) -> str:
    try:
        frames = contact_strip(path, side=STRIP_SIDE, frames=STRIP_FRAMES, start_s=start_s, end_s=end_s)
    except (UnreadableFileError, OSError):
        return ""
    return _picture(frames, path.name)


def _picture(frames: Sequence[Image.Image], name: str) -> str:
    """Put frames of one size side by side into one picture, which shows the middle one and can be played."""
    width, height = frames[0].size
    sheet = Image.new("RGB", (width * len(frames), height))
    for number, frame in enumerate(frames):
        sheet.paste(frame.convert("RGB"), (number * width, 0))
    size = f"--ratio:{width / height:.4f};--frames:{len(frames)};--shown:{len(frames) // 2}"
    moving = " moving" if len(frames) > 1 else ""
    return f'<div class="frames{moving}" style="{size}"><img src="{_data_uri(sheet)}" alt="{_text(name)}"></div>'


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _link(path: Path) -> str:
    return escape(path.as_uri() if path.is_absolute() else "#")


def _text(text: str) -> str:
    return escape(printable(text))
