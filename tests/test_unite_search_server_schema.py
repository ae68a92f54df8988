"""schemathesis over the OpenAPI document: no server error, and every answer is what the document says.

One of its checks is left out: that whatever fits the schema is accepted. What a filter may say, and that a query needs
at least one part, is more than a schema can say.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance
from served import serving, toy_collection

from unite_search.server.settings import Settings

EXAMPLES = 25
TOKEN = "correct horse battery"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def import_all_of_schemathesis() -> None:
    """Import before the server's thread runs: Python 3.11 must not compile in two threads at a time (SystemError)."""
    package = schemathesis.specs.openapi
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    import_all_of_schemathesis()
    folder = tmp_path_factory.mktemp("schema")
    everything = Settings(
        rate_per_s=0,
        token=TOKEN,
        names=("photos.example",),
        allow_write=True,
        allow_url=True,
        media_roots=(folder,),
        root_path="/search",
    )
    with serving(toy_collection(folder), toy_collection(folder / "other", name="also"), settings=everything) as (at, _):
        yield schemathesis.openapi.from_url(f"{at}/openapi.json")


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_in_the_document(api: BaseSchema, mode: GenerationMode) -> None:
    tried: set[str] = set()
    for result in api.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Case[Any]) -> None:
            tried.add(case.operation.label)
            case.call_and_validate(timeout=60, headers=KNOWN, excluded_checks=[positive_data_acceptance])

        with suppress(Unsatisfiable):  # an operation without parameters cannot be asked wrongly
            check()
    assert len(tried) > 12
