"""Verbs that go around single studies: sweeps over splits, and how many steps a study needs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_aug.cli.options import Data, Json, Settings, Split, read_settings, refuse, typed
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
from gan_aug.cli.study import CANNOT_CHANGE, Backbone, Size, Steps, classifier_config

app = typer.Typer()


@app.command(
    epilog="""\b
Schemes are those of 'study run'. In the place of a run, train(GAN) or train(GAN:CLASS) trains one for every
split, on the training images of that split alone.

\b
Examples:
  gan-aug study sweep --data isic2017 --schemes 'standard,synthetic:train(dcgan)@1.0' --fractions 1/16,1/4,1 --name low
  gan-aug study sweep --data isic2017 --schemes 'standard,standard+balance:train(acgan)' --folds 5 --name cv
  gan-aug study sweep --data several --schemes standard,standard+oversample --by-source --name elsewhere
  gan-aug study sweep --name low --html low.html

Each split has a study of its own (NAME-1, NAME-2, ...). The name alone goes on with a sweep that was stopped,
and helps with one that runs on another GPU."""
)
def sweep(
    context: typer.Context,
    data: Annotated[str | None, typer.Option("--data", metavar="DATASET", help="Dataset of the sweep.")] = None,
    schemes: Annotated[str | None, typer.Option(metavar="SCHEMES", help="Schemes to compare, with commas between them.")] = None,
    fractions: Annotated[
        str | None, typer.Option(metavar="SHARES", help="Shares of the train part, such as 1/16,1/4,1; val and test stay the same.")
    ] = None,
    folds: Annotated[int, typer.Option(metavar="K", help="Grouped cross-validation with that many folds.")] = 0,
    by_source: Annotated[bool, typer.Option("--by-source", help="Hold out every source in turn, as the test part.")] = False,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="One classifier is trained per split, scheme and seed.")] = "0,1,2",
    base: Annotated[
        str | None, typer.Option(metavar="SCHEME", help="What the others are compared with.  [default: standard, or the first]")
    ] = None,
    external: Annotated[str | None, typer.Option(metavar="DATASET", help="Another dataset to test on as well.")] = None,
    preset: Annotated[str, typer.Option(metavar="PRESET", help="Preset of the GANs that are trained.")] = "small-data",
    kimg: Annotated[float | None, typer.Option(metavar="K", help="Their length, in thousands of real images shown.")] = None,
    gan_settings: Annotated[
        list[str] | None, typer.Option("--gan-set", metavar="KEY=VALUE", help="Replace one of their settings; may be repeated.")
    ] = None,
    backbone: Backbone = None,
    steps: Steps = None,
    size: Size = None,
    settings: Settings = None,
    split: Split = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the sweep.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report that needs no other file.")] = None,
    json: Json = False,
) -> int:
    """Ask one question of several splits: fractions of the data, folds, or sources held out; GANs are trained anew in each."""
    from gan_aug import study
    from gan_aug.latent import parse_seeds
    from gan_aug.records import GanConfig
    from gan_aug.study.sweep import trains_gans

    if name is None:
        raise UsageError("Missing option '--name'.")
    if data is None and schemes is None:
        refuse(context, typed(context) - {"name", "html", "json"}, CANNOT_CHANGE)
        planned = study.load_sweep(name)
    elif data is None or schemes is None:
        raise UsageError("Missing option '--data' or '--schemes'.")
    else:
        if not trains_gans(schemes):
            refuse(context, {"preset", "kimg", "gan_settings"}, "cannot be given where no scheme trains a GAN, as train(dcgan) does.")
        planned = study.plan_sweep(
            name,
            data,
            [scheme.strip() for scheme in schemes.split(",") if scheme.strip()],
            parse_seeds(seeds),
            classifier_config(backbone, steps, size, settings),
            fractions=_shares(fractions),
            folds=folds,
            sources=by_source,
            split_id=split,
            base=base,
            preset=preset,
            gan_settings=read_settings(GanConfig, gan_settings, "--gan-set", kimg=("total_kimg", kimg)),
            external=external,
        )
    if not _run(planned):
        remark(f"Stopped; what is finished is kept. Go on with: gan-aug study sweep --name {planned.name}")
        return EXIT_STOPPED
    if html:
        from gan_aug import report

        report.write_sweep_html(planned.name, html)
        remark(f"The report is in {html}.")
    _print_result(study.analyse_sweep(planned), json)
    return EXIT_DONE


def _shares(text: str | None) -> tuple[float, ...]:
    """``1/16,0.25,1`` as numbers.

    Raises
    ------
    InvalidValue
    """
    from gan_aug.errors import InvalidValue

    try:
        return tuple(_share(part) for part in (text or "").split(",") if part.strip())
    except (ValueError, ZeroDivisionError):
        raise InvalidValue(f"{text!r} are no fractions.", "Write for example: --fractions 1/16,1/4,1") from None


def _share(text: str) -> float:
    """One number or fraction. The standard library's Fraction would write out 1e30000000 digit by digit, so it is not asked."""
    above, slash, below = text.partition("/")
    return float(above) / float(below) if slash else float(above)


def _run(planned: Any) -> bool:
    """Go through the points: train their GANs, run their studies; false if it was stopped."""
    from gan_aug import jobs
    from gan_aug.jobs.kinds import RunSweep

    with jobs.slot(f"gan-aug study sweep --name {planned.name}"):  # held before anything looks for a device
        from gan_aug.work import WORK

        with progress(f"sweep {planned.name}") as report, stop_wish(STOPPING) as wished:
            try:
                WORK["sweep"](RunSweep(planned.name), ConsoleProgress(report, wished))
            except jobs.Stopped:
                return False
    return True


def _print_result(result: Any, as_json: bool) -> None:
    from gan_aug.study import p_text

    if as_json:
        print_json(result)
        return
    print_table(
        ("split", "training images", "scheme", f"AUC of {result.base}", "AUC", "difference [95 %]", "p (Holm)", "outcome"),
        (
            (
                row.point,
                row.n_train,
                row.scheme,
                f"{row.base_auc:.3f}",
                f"{row.auc:.3f}",
                f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]",
                p_text(row.p_holm),
                row.outcome,
            )
            for row in result.rows
        ),
        empty="There is nothing to compare.",
    )
    say("")
    for test in result.folds:
        interval = f"{test.difference:+.3f} [{test.low:+.3f}, {test.high:+.3f}]"
        say(f"{test.scheme}, over the folds: {interval}, {p_text(test.p_holm)} ({test.method})")
    say(result.verdict)


@app.command(
    epilog="""\b
Examples:
  gan-aug study steps --data phantom --longest 800
  gan-aug study steps --data isic2017 --longest 16000 --seeds 0,1,2 --size 128

Only train and val are looked at. Use the number with: gan-aug study run --steps"""
)
def steps(
    data: Data,
    longest: Annotated[int, typer.Option(metavar="N", help="Steps of the longest training; its half, quarter and eighth are tried too.")],
    scheme: Annotated[str, typer.Option(metavar="SCHEME", help="Scheme to train.")] = "standard",
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="Trainings of each length.")] = "0",
    backbone: Backbone = None,
    size: Size = None,
    settings: Settings = None,
    split: Split = None,
    json: Json = False,
) -> int:
    """Find out, on val and before a study, after how many steps a classifier no longer gets better."""
    from gan_aug import jobs, runs, study
    from gan_aug.latent import parse_seeds
    from gan_aug.records import ClassifierConfig, parse_settings

    if {"steps", "evaluate_every"} & parse_settings(ClassifierConfig, settings or []).keys():
        raise UsageError("--set cannot say steps and evaluate_every: they follow from --longest.")
    tried, numbers = study.lengths(longest), parse_seeds(seeds)
    found: dict[int, list[float]] = {length: [] for length in tried}
    with jobs.slot(f"gan-aug study steps --data {data}"):
        from gan_aug import train_classifier

        with progress("steps") as report, stop_wish(STOPPING) as wished:
            for place, (length, seed) in enumerate((length, seed) for length in tried for seed in numbers):
                every = max(1, min(length // 4, longest // 32))
                config = classifier_config(backbone, length, size, [*(settings or []), f"evaluate_every={every}"])
                run_id = train_classifier.prepare(data, scheme, config, seed, split).id

                def on_tick(tick: dict[str, Any], place: int = place, length: int = length) -> None:
                    done = (place + tick["step"] / tick["total_steps"]) / (len(tried) * len(numbers))
                    report(done, f"{tick['step']} of {length} steps")

                best = train_classifier.train(run_id, on_tick=on_tick, should_stop=wished)
                if runs.status(run_id).state != "finished":
                    remark("Stopped; nothing is proposed.")
                    return EXIT_STOPPED
                found[length].append(best.metrics["val/auc"])
    proposal = study.propose_steps({length: tuple(aucs) for length, aucs in found.items()})
    if json:
        print_json(proposal)
        return EXIT_DONE
    print_table(
        ("steps", "best AUC on val, mean", "of each seed"),
        ((made.steps, f"{made.mean:.3f}", ", ".join(f"{auc:.3f}" for auc in made.aucs)) for made in proposal.lengths),
        empty="",
    )
    say(proposal.words)
    return EXIT_DONE
