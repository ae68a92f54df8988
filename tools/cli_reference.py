"""Write `docs/reference/command-line.md` from the Typer application: each command, its arguments and its options.

What a command takes is read from its signature, because the objects that Typer makes of it differ between versions.
Run by `make docs`; a test compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from unite_search.cli.app import app

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "command-line.md"
PROGRAM = "unite-search"
EXAMPLE = "Example: "
VALUES = {int: "N", float: "N", str: "TEXT", Path: "PATH"}
INTRODUCTION = """# Command line

`make docs` writes this page from the commands themselves; `--help` shows the same text in a terminal.

Results go to stdout and messages to stderr. The exit code is 0 when all went well, 1 when something failed that you can
mend, 2 when the command line was wrong, 130 when the command was interrupted, and 141 when nobody reads its output any
more. A server that Ctrl-C or SIGTERM stops has done what it was asked to: 0. `--debug`, anywhere in the line, shows the
traceback of an error.
"""
COLUMNS = ("| option | meaning |", "|---|---|")

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument or an option of a command.

    Attributes:
        name: name of the Python parameter.
        info: the Typer argument or option.
        value: Python type of one value.
        is_list: whether it may be given several times.
        default: default value; `inspect.Parameter.empty` if it is required.
    """

    name: str
    info: Any
    value: type
    is_list: bool
    default: Any

    @property
    def is_argument(self) -> bool:
        """Return whether it is a positional argument."""
        return isinstance(self.info, ArgumentInfo)


def page() -> str:
    """Return the page: the commands, under the headings of `--help` and in its order."""
    parts, panel = [INTRODUCTION], None
    for name, command, heading in _commands():
        if heading != panel:
            parts.append(f"## {heading}\n")
            panel = heading
        parts.append(_section(name, command))
    return "\n".join(parts)


def _commands() -> Iterator[tuple[str, Command, str]]:
    """Yield the name, the function and the heading of each command."""
    command: Any
    group: Any
    for command in app.registered_commands:
        yield f"{PROGRAM} {command.name}", command.callback, command.rich_help_panel
    for group in app.registered_groups:
        inner, panel = group.typer_instance, group.rich_help_panel
        yield f"{PROGRAM} {group.name}", inner.registered_callback.callback, panel
        for command in inner.registered_commands:
            name = command.name or command.callback.__name__
            yield f"{PROGRAM} {group.name} {name}", command.callback, panel


def _section(name: str, command: Command) -> str:
    text, _, example = (inspect.getdoc(command) or "").partition(EXAMPLE)
    parameters = list(_parameters(command))
    arguments = [one for one in parameters if one.is_argument]
    options = [one for one in parameters if not one.is_argument]
    usage = [name, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
    lines = [f"### {name}", "", text.strip(), "", "```sh", " ".join(usage), "```", ""]
    if example:
        lines += ["For example:", "", "```sh", example.strip(), "```", ""]
    if parameters:
        lines += [*COLUMNS, *map(_row, [*arguments, *options]), ""]
    return "\n".join(lines)


def _parameters(command: Command) -> Iterator[Parameter]:
    hints = get_type_hints(command, include_extras=True)
    for name, given in inspect.signature(command).parameters.items():
        hint = _annotated(hints[name])
        described, *extra = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
        infos = [one for one in extra if isinstance(one, (ArgumentInfo, OptionInfo))]
        if not infos:
            continue
        inner = _without_none(described)
        is_list = get_origin(inner) is list
        value = get_args(inner)[0] if is_list else inner
        yield Parameter(name, infos[0], value, is_list, given.default)


def _annotated(hint: Any) -> Any:
    """Take off the Optional[...] that Python 3.10 puts around an annotation whose default is None."""
    return next((one for one in get_args(hint) if hasattr(one, "__metadata__")), hint)


def _without_none(hint: Any) -> Any:
    if isinstance(hint, UnionType):
        return next(one for one in get_args(hint) if one is not type(None))
    return hint


def _usage(argument: Parameter) -> str:
    name = _metavar(argument) + ("..." if argument.is_list else "")
    return name if argument.default is inspect.Parameter.empty else f"[{name}]"


def _metavar(parameter: Parameter) -> str:
    return str(parameter.info.metavar or VALUES.get(parameter.value, parameter.name.upper()))


def _row(parameter: Parameter) -> str:
    name = f"`{_metavar(parameter)}`" if parameter.is_argument else _option_names(parameter)
    return f"| {name} | {_meaning(parameter)} |"


def _option_names(option: Parameter) -> str:
    shown = ", ".join(f"`{name}`" for declared in _declared(option) for name in declared.split("/"))
    values = " or ".join(f"`{value}`" for value in _metavar(option).split("|"))
    return shown if option.value is bool else f"{shown} {values}"


def _declared(option: Parameter) -> tuple[str, ...]:
    """Return the declared names. Inside `Annotated` Typer keeps the first of them in place of the default."""
    first = [option.info.default] if isinstance(option.info.default, str) else []
    return (*first, *(option.info.param_decls or ())) or (f"--{option.name.replace('_', '-')}",)


def _meaning(parameter: Parameter) -> str:
    parts = [(parameter.info.help or "").replace("|", "\\|")]
    if parameter.is_list and not parameter.is_argument:
        parts.append("May be given several times.")
    if parameter.info.envvar:
        parts.append(f"Environment variable: `${parameter.info.envvar}`.")
    if parameter.default is inspect.Parameter.empty:
        parts.append("Required.")
    elif default := _default(parameter):
        parts.append(f"Default: `{default}`.")
    return " ".join(parts)


def _default(parameter: Parameter) -> str:
    if parameter.default is True:
        return _declared(parameter)[0].partition("/")[0]
    return "" if parameter.default in (None, False) else str(parameter.default)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
