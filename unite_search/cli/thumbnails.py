"""Pictures in the table of hits, on terminals that can show them.

Kitty's protocol and sixel are drawn by textual-image, which asks the terminal what it can do; iTerm2 answers as a
sixel terminal. Everywhere else there is no picture column: block characters would say too little in so few cells.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from unite_search.cli.output import results
from unite_search.errors import UnreadableFileError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from unite_search.query import Hit

SIDE = 192
HEIGHT_CELLS = 4

Draw = Callable[["Hit"], "RenderableType"]


def thumbnail_drawer() -> Draw | None:
    """A function that draws a hit's picture; None where the terminal shows none."""
    if not (results.is_terminal and sys.stdin.isatty()) or os.environ.get("TERM") == "dumb":
        return None
    if 0 in os.get_terminal_size(sys.stdout.fileno()):
        return None
    from textual_image.renderable import Image, SixelImage, TGPImage

    picture = Image
    if picture not in (SixelImage, TGPImage):
        return None

    def draw(hit: Hit) -> RenderableType:
        from unite_search.media.preview import image_thumbnail
        from unite_search.media.uri import uri_to_path

        if hit.modality == "text":
            return ""
        try:
            thumbnail = image_thumbnail(uri_to_path(hit.uri), side=SIDE, start_s=hit.start_s, end_s=hit.end_s)
        except (UnreadableFileError, OSError):
            return ""
        drawn: RenderableType = picture(thumbnail, width="auto", height=HEIGHT_CELLS)
        return drawn

    return draw
