"""The exports are closed: every type in a public signature can be imported from the root of one of the two packages."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache, cached_property
from types import FunctionType, ModuleType
from typing import ForwardRef, NamedTuple

import pytest

import indexers
import unite_search

PACKAGES = (unite_search, indexers)
NAMES = tuple(package.__name__ for package in PACKAGES)
PUBLIC_SPECIAL = {"__init__", "__call__", "__enter__", "__getitem__", "__iter__", "__len__"}


class Home(NamedTuple):
    """The module that defines a name, and the name there."""

    module: str
    name: str


class Use(NamedTuple):
    """One annotation of a public name: where it stands, the module whose names it uses, and the annotation itself."""

    where: str
    module: str
    annotation: ast.expr


def is_of_project(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in NAMES


@cache
def bindings(module: str) -> dict[str, Home | ast.expr]:
    """The project's names in a module: an import or a class by its home, an alias by what it is assigned.

    Imports that only type checkers see count as well.
    """
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    found: dict[str, Home | ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and is_of_project(node.module):
            found |= {alias.asname or alias.name: Home(node.module, alias.name) for alias in node.names}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = Home(module, node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node.value
    return found


def home(module: str, name: str) -> Home | None:
    """Where a name used in a module is defined; None for names of other projects and for type variables."""
    bound = bindings(module).get(name)
    if isinstance(bound, ast.expr):
        is_type_variable = isinstance(bound, ast.Call) and ast.unparse(bound.func).endswith("TypeVar")
        return None if is_type_variable else Home(module, name)
    return bound if bound is None or bound == (module, name) else home(*bound) or bound


def names_in(annotation: ast.expr) -> Iterator[str]:
    """The plain names in an annotation, also those in quotes, but nothing inside `Literal[...]`."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        return
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        yield from names_in(parsed(annotation.value))
    elif isinstance(annotation, ast.Name):
        yield annotation.id
    for child in ast.iter_child_nodes(annotation):
        if isinstance(child, ast.expr):
            yield from names_in(child)


def parsed(annotation: object) -> ast.expr:
    if isinstance(annotation, ForwardRef):  # of a NamedTuple
        annotation = annotation.__forward_arg__
    assert isinstance(annotation, str), "the module lacks `from __future__ import annotations`"
    return ast.parse(annotation, mode="eval").body


def uses_of_function(function: FunctionType, where: str) -> Iterator[Use]:
    for name, annotation in inspect.get_annotations(inspect.unwrap(function)).items():
        yield Use(f"{where}({name})", function.__module__, parsed(annotation))


def uses_of_class(cls: type, where: str) -> Iterator[Use]:
    """Of the public fields, attributes, properties and methods of a class and of its bases in the project."""
    for base in (base for base in cls.__mro__ if is_of_project(base.__module__)):
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("_"):
                yield Use(f"{where}.{name}", base.__module__, parsed(annotation))
        for name, member in vars(base).items():
            function = function_of(member)
            is_made_by_dataclass = name == "__init__" and "__dataclass_fields__" in vars(base)
            if function and (name in PUBLIC_SPECIAL or not name.startswith("_")) and not is_made_by_dataclass:
                yield from uses_of_function(function, f"{where}.{name}")
                if name == "__init__":
                    yield from uses_of_attributes(function, where)


def function_of(member: object) -> FunctionType | None:
    """The function behind a method, class method, static method, property or cached property."""
    if isinstance(member, (classmethod, staticmethod)):
        member = member.__func__
    elif isinstance(member, property):
        member = member.fget
    elif isinstance(member, cached_property):
        member = member.func
    return member if isinstance(member, FunctionType) else None


def uses_of_attributes(init: FunctionType, where: str) -> Iterator[Use]:
    """Of the public attributes that `__init__` sets with an annotation, or to a parameter."""
    given = inspect.get_annotations(init)
    target: ast.expr
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(init)))):
        if isinstance(node, ast.AnnAssign):
            target, annotation = node.target, node.annotation
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id in given:
            target, annotation = node.targets[0], parsed(given[node.value.id])
        else:
            continue
        if isinstance(target, ast.Attribute) and not target.attr.startswith("_"):
            yield Use(f"{where}.{target.attr}", init.__module__, annotation)


def uses_of_package(package: ModuleType) -> Iterator[Use]:
    for name in package.__all__:
        exported, where = getattr(package, name), f"{package.__name__}.{name}"
        if inspect.isclass(exported):
            yield from uses_of_class(exported, where)
        elif isinstance(exported, FunctionType):
            yield from uses_of_function(exported, where)
        else:
            found = home(package.__name__, name)
            assert found, f"{where} is defined nowhere"
            value = bindings(found.module)[found.name]
            assert isinstance(value, ast.expr)
            yield Use(where, found.module, value)


def unexported(package: ModuleType, public: set[Home]) -> dict[str, str]:
    """Types of the project that a package's public signatures use and that are not public, by where they are used."""
    return {
        use.where: ".".join(found)
        for use in uses_of_package(package)
        for found in (home(use.module, name) for name in names_in(use.annotation))
        if found and found not in public
    }


PUBLIC = {found for package in PACKAGES for name in package.__all__ if (found := home(package.__name__, name))}


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_every_type_of_a_public_signature_is_exported(package: ModuleType) -> None:
    assert unexported(package, PUBLIC) == {}


@pytest.mark.parametrize(
    ("package", "name", "used_by"),
    [
        (indexers, "IndexConfig", {"indexers.FaissIndex.__init__(config)", "indexers.PartitionedIndex.open(config)"}),
        (indexers, "GpuOptions", {"indexers.place(options)"}),
        (indexers, "FaissIndex", {"indexers.GpuIndex.cpu", "indexers.PartitionedIndex.partition(return)"}),
        (indexers, "Mask", {"indexers.FaissIndex.search(allowed)"}),
        (unite_search, "Hit", {"unite_search.SearchResult.hits"}),
        (unite_search, "Status", {"unite_search.Collection.status(return)"}),
        (unite_search, "Clip", {"unite_search.Part"}),
    ],
)
def test_a_type_that_were_not_exported_would_be_found(package: ModuleType, name: str, used_by: set[str]) -> None:
    hidden = home(package.__name__, name)
    assert hidden in PUBLIC
    assert used_by <= unexported(package, PUBLIC - {hidden}).keys()


@pytest.mark.parametrize("package", PACKAGES, ids=NAMES)
def test_no_exported_name_is_that_of_a_module(package: ModuleType) -> None:
    """Importing `package.name` as a module would put the module in the place of what is exported under that name."""
    modules = [name for name in package.__all__ if importlib.util.find_spec(f"{package.__name__}.{name}")]
    assert modules == []
