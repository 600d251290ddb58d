"""Options that several verbs share."""

from typing import Annotated, Any

import typer

from gan_aug.cli.output import UsageError
from gan_aug.errors import InvalidValue

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Data = Annotated[str, typer.Option("--data", metavar="DATASET", help="Name of a dataset; 'gan-aug data list' shows them.")]
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="Name of a dataset; 'gan-aug data list' shows them.")]
Split = Annotated[str | None, typer.Option("--split", metavar="SPLIT", help="Id of a split, where a dataset has several.")]
Reference = Annotated[str, typer.Argument(metavar="RUN", help="Run id, with @best, @last or @KIMG for a certain snapshot.")]
Subject = Annotated[str, typer.Argument(metavar="RUN|DIR", help="Run id (with @best, @last or @KIMG), or a folder of pictures.")]
Seeds = Annotated[str, typer.Option("--seeds", metavar="SEEDS", help="Seeds such as 0-63 or 3,7,12; one seed is one picture.")]
ClassName = Annotated[str | None, typer.Option("--class", metavar="CLASS", help="Class to generate; needed for acgan only.")]
Settings = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Replace one setting; may be repeated.")]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N.")]
Resume = Annotated[str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was stopped or killed.")]


def typed(context: typer.Context) -> set[str]:
    """Names of the parameters that stand in what was typed, and do not merely have their default."""
    return {name for name in context.params if context.get_parameter_source(name).name == "COMMANDLINE"}


def refuse(context: typer.Context, names: set[str], why: str) -> None:
    """Refuse options that would be ignored, with the reason ``why``, which follows on their names.

    Raises
    ------
    UsageError
        If one of ``names`` was typed.
    """
    found = [parameter.opts[-1] for parameter in context.command.params if parameter.name in names & typed(context)]
    if found:
        raise UsageError(f"{' and '.join(found)} {why}")


def read_settings(kind: type, texts: list[str] | None, option: str = "--set", /, **own: tuple[str, Any]) -> dict[str, Any]:
    """The settings of ``--set``, with those that have an option of their own: ``size=("resolution", 64)``; None stands for one not given.

    Raises
    ------
    UsageError
        If a setting is given in both ways: one of the two would be ignored.
    UserError
        As :func:`gan_aug.records.parse_settings`.
    """
    from gan_aug.records import parse_settings

    values = parse_settings(kind, texts or [])
    for name, (key, value) in own.items():
        if value is None:
            continue
        if key in values:
            raise UsageError(f"--{name} and {option} {key}=... are the same setting; give one of them.")
        values[key] = value
    return values


def check_resume(context: typer.Context, run_id: str, kind: str, *also: str) -> str:
    """The run that ``--resume`` names, if it is of the verb's kind and stands alone, or with options ``also``.

    Raises
    ------
    UsageError
        If another option was typed: it would be ignored.
    UserError
        If there is no such run, or it is of another kind.
    """
    from gan_aug import runs

    if typed(context) - {"resume", "json", *also}:
        allowed = "".join(f" but --{name}" for name in also)
        raise UsageError(f"--resume goes on with the settings of the run and takes no other option{allowed}.")
    run = runs.load_run(run_id)
    if run.kind != kind:
        verb = {"gan": "train", "classifier": "classify"}[run.kind]
        raise InvalidValue(f"Run {run_id} is a {run.kind}.", f"Go on with it by: gan-aug {verb} --resume {run_id}")
    return run.id
