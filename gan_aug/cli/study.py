"""Verbs about classifiers, studies and their reports."""

import hashlib
import json as json_format
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_aug.cli.options import Device, Json, Resume, Settings, Split, check_resume, read_settings, refuse, typed
from gan_aug.cli.output import (
    EXIT_DONE,
    EXIT_STOPPED,
    STOPPING,
    ConsoleProgress,
    UsageError,
    print_json,
    print_table,
    progress,
    remark,
    say,
    stop_wish,
)
from gan_aug.cli.training import train_here
from gan_aug.records import ClassifierConfig

app = typer.Typer()
study_app = typer.Typer(help="Compare augmentation schemes over several seeds, and report the result.", no_args_is_help=True)

Backbone = Annotated[
    str | None, typer.Option(metavar="NAME", help=f"efficientnet-b0 to efficientnet-b7.  [default: {ClassifierConfig.backbone}]")
]
Steps = Annotated[int | None, typer.Option(metavar="N", help=f"Training steps of a classifier.  [default: {ClassifierConfig.steps}]")]
Size = Annotated[int | None, typer.Option(metavar="PX", help=f"Side of the images that it sees.  [default: {ClassifierConfig.resolution}]")]

SCHEMES = """Schemes: none, which stands alone, or, joined by '+': standard (flips, turns, crops, mild colour),
oversample, weighted, synthetic:RUN@RATIO, synthetic-only:RUN, curated:SET, balance:RUN, ten-percent:RUN."""

CANNOT_CHANGE = "cannot change what is planned: give --name alone to go on with it, or --data and --schemes too for a new plan."


def classifier_config(backbone: str | None, steps: int | None, size: int | None, settings: list[str] | None) -> Any:
    """The classifier's configuration that the options ask for."""
    from gan_aug.backbones import check_backbone
    from gan_aug.records import from_dict

    own = {"backbone": ("backbone", backbone), "steps": ("steps", steps), "size": ("resolution", size)}
    config = from_dict(ClassifierConfig, read_settings(ClassifierConfig, settings, **own))
    check_backbone(config)
    return config


@app.command(
    epilog=f"""\b
{SCHEMES}

\b
Examples:
  gan-aug classify --data phantom --scheme standard --steps 200
  gan-aug classify --data isic2017 --scheme standard+synthetic:RUN@1.0
  gan-aug classify --resume RUN

The run id is printed on standard output. Use 'study run' to compare schemes: a single training says little."""
)
def classify(
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", metavar="DATASET", help="Dataset to train on; only its train part is used.")] = None,
    scheme: Annotated[str | None, typer.Option(metavar="SCHEME", help="What the training images are made of; see below.")] = None,
    backbone: Backbone = None,
    steps: Steps = None,
    size: Size = None,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides every random draw of the training.")] = 0,
    settings: Settings = None,
    split: Split = None,
    resume: Resume = None,
    device: Device = "auto",
    json: Json = False,
) -> int:
    """Train one classifier under one augmentation scheme."""
    from gan_aug import schemes

    if resume is not None:
        run_id = check_resume(context, resume, "classifier")
        return train_here("classifier", lambda: run_id, f"classify --resume {resume}", json)
    if data is None or scheme is None:
        raise UsageError("Missing option '--data' or '--scheme'.")
    config = classifier_config(backbone, steps, size, settings)
    schemes.parse_scheme(scheme)

    def prepare() -> str:
        from gan_aug import train_classifier

        return train_classifier.prepare(data, scheme, config, seed, split, device_name=device).id

    return train_here("classifier", prepare, f"classify --data {data} --scheme {scheme}", json)


@study_app.command(
    "run",
    epilog=f"""\b
{SCHEMES}

\b
Examples:
  gan-aug study run --data phantom --schemes none,standard --seeds 0,1 --steps 200
  gan-aug study run --data isic2017 --schemes standard,standard+synthetic:RUN@1.0 --seeds 0-4 --name first
  gan-aug study run --name first

A plan is never changed. The same command, or the name alone, goes on with a study that was stopped, and
helps with one that runs: a second GPU takes the classifiers that the first is not at.""",
)
def run_study(
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", metavar="DATASET", help="Dataset of the study.")] = None,
    schemes: Annotated[str | None, typer.Option(metavar="SCHEMES", help="Schemes to compare, with commas between them; see below.")] = None,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="One classifier is trained per scheme and seed.")] = "0,1,2",
    base: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="What the others are compared with.  [default: standard, or the first]")
    ] = None,
    fraction: Annotated[float, typer.Option(metavar="SHARE", help="Share of the train part that is used (low-data studies).")] = 1.0,
    external: Annotated[str | None, typer.Option(metavar="DATASET", help="Another dataset to test on as well.")] = None,
    backbone: Backbone = None,
    steps: Steps = None,
    size: Size = None,
    settings: Settings = None,
    split: Split = None,
    question: Annotated[str | None, typer.Option(metavar="TEXT", help="The question in words, for the report.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the study.  [default: made from the plan]")] = None,
    json: Json = False,
) -> int:
    """Train a classifier for every scheme and seed, test them all once, and say whether a scheme helps."""
    from gan_aug import study

    if data is None and schemes is None and name is not None:
        refuse(context, typed(context) - {"name", "json"}, CANNOT_CHANGE)
        planned = study.load_study(name)
    elif data is None or schemes is None:
        raise UsageError("Missing option '--data' or '--schemes'.")
    else:
        planned = _plan(data, schemes, seeds, classifier_config(backbone, steps, size, settings), name,
                        base=base, fraction=fraction, external=external, split_id=split, question=question)  # fmt: skip
    if not _run(planned.name):
        remark(f"Stopped; finished classifiers are kept. Go on with: gan-aug study run --name {planned.name}")
        return EXIT_STOPPED
    _print_result(planned.name, json)
    return EXIT_DONE


def _plan(data: str, schemes: str, seeds: str, config: Any, name: str | None, **options: Any) -> Any:
    """Plan the study, or find the one of the same plan. Without a name it gets one that the same options give again."""
    from gan_aug import study
    from gan_aug.latent import parse_seeds
    from gan_aug.records import to_dict

    arms, numbers = [scheme.strip() for scheme in schemes.split(",") if scheme.strip()], parse_seeds(seeds)
    if name is None:
        plan = json_format.dumps([data, arms, numbers, to_dict(config), options], sort_keys=True)
        name = f"{data}-{hashlib.sha256(plan.encode()).hexdigest()[:6]}"
    return study.plan(name, data, arms, numbers, config, **options)


def _run(name: str) -> bool:
    """Train what is missing, test, analyse and report; false if it was stopped."""
    from gan_aug import jobs
    from gan_aug.jobs.kinds import RunStudy

    with jobs.slot(f"gan-aug study run --name {name}"):
        from gan_aug.work import WORK

        with progress(f"study {name}") as report, stop_wish(STOPPING) as wished:
            try:
                WORK["study"](RunStudy(name), ConsoleProgress(report, wished))
            except jobs.Stopped:
                return False
    return True


def _print_result(name: str, as_json: bool) -> None:
    """The verdict and the table of a finished study."""
    from gan_aug import study, workspace

    analysis = study.load_analysis(name)
    if as_json:
        print_json({"analysis": analysis, "report": workspace.studies() / name / "report.html"})
        return
    for part in analysis.parts:
        say(f"{part.dataset}, {part.part}: {part.n:,} images, {part.n_positive:,} {analysis.positive}; {len(analysis.seeds)} seeds")
        print_table(
            (
                "scheme",
                "AUC [95 %]",
                "SD of seeds",
                f"difference from {analysis.base} [95 %]",
                "p (Holm)",
                "AP",
                "sens. at spec. 95 %",
                "Brier",
            ),
            (_row(part, arm) for arm in part.arms),
            empty="",
        )
        say("")
    say(analysis.verdict)
    for caution in analysis.cautions:
        say(f"Note: {caution}")


def _row(part: Any, arm: Any) -> tuple[str, ...]:
    from gan_aug.study import p_text

    against = part.comparison(arm.scheme)
    return (
        arm.scheme,
        f"{arm.auc.value:.3f} [{arm.auc.low:.3f}, {arm.auc.high:.3f}]",
        "-" if arm.seed_sd is None else f"{arm.seed_sd:.3f}",
        f"{against.difference:+.3f} [{against.low:+.3f}, {against.high:+.3f}]" if against else "base",
        p_text(against.p_holm) if against else "-",
        f"{arm.average_precision:.3f}",
        f"{arm.at_specificity.sensitivity:.2f}",
        f"{arm.brier:.3f}",
    )


@study_app.command(
    epilog="""\b
Examples:
  gan-aug study report first
  gan-aug study report first --html first.html --csv tables
  gan-aug study report first --html to-pass-on.html --no-real-images --json-file first.json"""
)
def report(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a study; 'gan-aug study list' shows them.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report that needs no other file.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="DIR", help="Write results, curves and predictions as tables.")] = None,
    json_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Write plan and numbers as one JSON file.")] = None,
    no_real_images: Annotated[bool, typer.Option("--no-real-images", help="Show no photograph of a patient in the report.")] = False,
    json: Json = False,
) -> None:
    """Show what a finished study says, and write it down."""
    from gan_aug import report as reports
    from gan_aug import study

    study.load_study(name)
    if html:
        reports.write_html(name, html, real_images=not no_real_images)
        remark(f"The report is in {html}.")
    if csv:
        written = reports.write_csv(name, csv)
        remark(f"{', '.join(path.name for path in written)} are in {csv}.")
    if json_file:
        reports.write_json(name, json_file)
        remark(f"The plan and the numbers are in {json_file}.")
    if not (html or csv or json_file):
        _analyse_again(name)
    _print_result(name, json)


def _analyse_again(name: str) -> None:
    """Analyse a study anew, for audits may have come; what was kept stays where its dataset is gone."""
    from gan_aug import study
    from gan_aug.errors import NotFound

    try:
        study.analyse(name)
    except NotFound as error:
        kept = study.load_analysis(name)
        remark(f"{error.what} The results are those of {kept.created[:16]}.")


@study_app.command("list")
def list_studies(json: Json = False) -> None:
    """List the studies of the workspace, newest first."""
    from gan_aug import study

    listed, damaged = study.scan_studies()
    for notice in damaged.values():
        remark(notice)
    found = [(planned, study.cells(planned)) for planned in listed]
    if json:
        print_json([{"study": planned, "cells": cells} for planned, cells in found])
        return
    print_table(
        ("name", "dataset", "schemes", "seeds", "classifiers done", "created"),
        (
            (
                planned.name,
                planned.dataset,
                planned.schemes,
                planned.seeds,
                f"{sum(cell.state == 'done' for cell in cells)} of {len(cells)}",
                planned.created[:16],
            )
            for planned, cells in found
        ),
        empty="There are no studies yet. Run one with: gan-aug study run --data DATASET --schemes none,standard",
    )
