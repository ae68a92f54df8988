"""The folder in which this program keeps what belongs to a user: named collections, calibrations of encoders."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "UNITE_SEARCH_HOME"


def home() -> Path:
    """Return `$UNITE_SEARCH_HOME`, or the platform's data folder for this program."""
    given = os.environ.get(HOME_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("unite-search", appauthor=False)
