"""What the console writes: tables or one JSON document on standard output; progress and remarks on standard error."""

import contextlib
import dataclasses
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gan_aug.records import to_dict

EXIT_DONE, EXIT_FAILED, EXIT_WRONG_USE, EXIT_STOPPED = 0, 1, 2, 130

STOPPING = "Stopping after this step, with a snapshot. Ctrl-C again stops at once; what came after the last snapshot is then lost."

# Typer exports one kind of usage error by name; its base class is the one that carries a bare sentence.
UsageError: type[Exception] = typer.BadParameter.__base__


def print_json(value: Any) -> None:
    """Write ``value`` as one JSON document. Records become objects; NaN and infinities, which JSON lacks, become null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return _plain(to_dict(value))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy numbers and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def text_of(value: Any) -> str:
    """A value as people read it in a table."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text_of, value)) or "-"
    return str(value)


def print_table(columns: Iterable[str], rows: Iterable[Iterable[Any]], empty: str) -> None:
    """Write a table, or the sentence ``empty`` when there are no rows."""
    cells = [[text_of(value) for value in row] for row in rows]
    if not cells:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        numeric = all(row[position].replace(",", "").replace(".", "").lstrip("-").isdigit() for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    _print(table)


def print_facts(facts: dict[str, Any]) -> None:
    """Write names and values in two columns."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, text_of(value))
    _print(table)


def _print(table: Table) -> None:
    """Write a table as wide as the terminal; a pipe or a file has no width, so there each row stays one line."""
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(table)
    for line in capture.get().splitlines():
        print(line.rstrip())


def say(text: str) -> None:
    """Write a sentence to standard output, at once even where a script reads it."""
    print(text, flush=True)


def remark(text: str) -> None:
    """Write a sentence to standard error, where it cannot spoil what a script reads."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar on standard error while the block runs; yields ``report(fraction, message)``, fraction in [0, 1]."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(title, total=1.0, note="")
        yield lambda fraction, message="": bar.update(task, completed=fraction, note=message)


def counting(report: Callable[[float, str], None]) -> Callable[[int, int, str], None]:
    """``report`` for work that counts: ``on_progress(done, in all, message)``."""
    return lambda done, total, message: report(done / total if total else 0.0, message)


class ConsoleProgress:
    """What :mod:`gan_aug.work` tells of itself and asks, when it runs in the console instead of a job."""

    def __init__(self, report: Callable[[float, str], None], should_stop: Callable[[], bool]):
        self.report = report
        self.should_stop = should_stop
        self.kept: dict[str, Any] = {}

    def keep(self, **values: Any) -> None:
        """Remember values; a console command that is repeated finds its way without them."""
        self.kept |= values


@contextlib.contextmanager
def stop_wish(what_happens: str) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C (or SIGTERM) into a wish that the work can ask for; a second Ctrl-C ends it at once.

    Under ``torchrun`` a second one counts for nothing: it passes on a Ctrl-C that the terminal has sent already. It kills what does not end
    within 30 seconds.

    Yields a function that says whether a stop is wished. ``what_happens`` tells the user what the work does about it.
    """
    wished = False

    def handle(number: int, frame: Any) -> None:
        nonlocal wished
        if wished and os.environ.get("WORLD_SIZE", "1") == "1":
            raise KeyboardInterrupt
        if what_happens and not wished:
            remark(what_happens)
        wished = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: wished
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
