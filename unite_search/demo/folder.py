"""The folder that `demo` writes to: drawn library, collection and page. It is never one with files of somebody else."""

from __future__ import annotations

from pathlib import Path

from unite_search.errors import UniteSearchError
from unite_search.gallery import check_page

MARK = ".unite-search-demo"
ABOUT = "unite-search demo wrote this folder, and writes to it again when it is named with --out.\n"


class DemoFolder:
    """The places in the folder of a demo."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.library = path / "library"
        self.collection = path / "collection"
        self.page = path / "gallery.html"
        self._mark = path / MARK

    def claim(self) -> None:
        """Create the folder with a mark of the demo in it, or find the mark of an earlier demo, which is resumed.

        Raises:
            UniteSearchError: somebody else's files are there.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._mark.is_file():
            if any(self.path.iterdir()):
                raise UniteSearchError(
                    f"{self.path} is not empty, and no demo made it; give --out a new or empty folder"
                )
            self._mark.write_text(ABOUT, encoding="utf-8")
        check_page(self.page)
