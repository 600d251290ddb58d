"""Verbs about review: batches of generated images that people judge in the app."""

from pathlib import Path
from typing import Annotated

import typer

from gan_aug.cli.options import ClassName, Json, refuse
from gan_aug.cli.output import EXIT_DONE, EXIT_STOPPED, ConsoleProgress, print_json, print_table, progress, remark, say, stop_wish

app = typer.Typer(help="Make batches of images for people to judge in the app, and export their decisions.", no_args_is_help=True)

Batch = Annotated[str, typer.Argument(metavar="NAME", help="Name of a batch.")]


@app.command(
    epilog="""\b
Examples:
  gan-aug review create first-look --from RUN --n 200 --extractor derm
  gan-aug review create turing --from RUN --n 100 --blind --data isic2017 --margin 0.1"""
)
def create(
    context: typer.Context,
    name: Batch,
    reference: Annotated[
        str, typer.Option("--from", metavar="RUN", help="Run that generates the images, or RUN@best, RUN@last, RUN@KIMG.")
    ],
    n: Annotated[int, typer.Option(metavar="N", help="Number of images; with --blind, generated and real ones together.")] = 200,
    blind: Annotated[bool, typer.Option("--blind", help="Real or synthetic? Mixes real images in and shows a tenth twice.")] = False,
    data: Annotated[str | None, typer.Option(metavar="DATASET", help="Where a blind batch takes its real images from.")] = None,
    part: Annotated[
        str, typer.Option(metavar="PART", help="train or val: the part of the dataset from which the real images come.")
    ] = "train",
    margin: Annotated[
        float, typer.Option(metavar="D", help="An accuracy within 0.5 - D to 0.5 + D will count as chance. Cannot be changed afterwards.")
    ] = 0.1,
    extractor: Annotated[
        str | None, typer.Option(metavar="E", help="Through which images are compared, to sort by: derm, inception, classifier:RUN.")
    ] = None,
    first_seed: Annotated[int, typer.Option(metavar="SEED", help="Seed of the first image; the others follow.")] = 0,
    class_name: ClassName = None,
    truncation: Annotated[float, typer.Option(metavar="T", help="0 to 2; below 1 trades variety for typicality.")] = 1.0,
    json: Json = False,
) -> int:
    """Generate a batch of images that people then judge on the app's Review page."""
    from gan_aug import jobs, runs, store
    from gan_aug.jobs.kinds import parse_arguments
    from gan_aug.work import WORK

    if blind:
        refuse(context, {"extractor"}, "is for batches to be curated; a blind one is not sorted.")
    else:
        refuse(context, {"data", "part", "margin"}, "can only be given with --blind; a batch to be curated has no real images.")
    options = {"name": name, "reference": reference, "n": n, "mode": "blind" if blind else "curate", "data": data, "part": part,
               "margin": margin, "extractor": extractor, "first_seed": first_seed, "class_name": class_name, "truncation": truncation,
               "by": "console"}  # fmt: skip
    arguments = parse_arguments("review_batch", options)
    runs.resolve(reference)
    with progress("generating") as report, stop_wish("Stopping; no batch is made.") as wished:
        try:
            made = WORK["review_batch"](arguments, ConsoleProgress(report, wished))
        except jobs.Stopped:
            return EXIT_STOPPED
    if json:
        print_json(made)
    else:
        say(f"Batch {name} has {made['cases']:,} images. Judge them on the app's Review page.")
        if why := store.batch(name).settings.get("nearest_unknown"):
            remark(f"Note: Distances to the training images are not known: {why}")
    return EXIT_DONE


@app.command("list")
def list_batches(json: Json = False) -> None:
    """List the batches, newest first."""
    from gan_aug import store

    found = store.batches()
    if json:
        print_json(found)
        return
    print_table(
        ("name", "mode", "images", "reviewers", "state", "created"),
        (
            (batch.name, batch.mode, batch.n_cases, batch.n_reviewers, "closed" if batch.closed else "open", batch.created[:16])
            for batch in found
        ),
        empty="There are no batches yet. Make one with: gan-aug review create NAME --from RUN",
    )


@app.command()
def close(name: Batch, json: Json = False) -> None:
    """End the judging of a batch, for all readers and for good."""
    from gan_aug import store

    closed = store.close_batch(name)
    if json:
        print_json(closed)
    else:
        remark(f"Batch {name} is closed; {closed.n_reviewers} people have judged in it.")


@app.command()
def result(name: Batch, json: Json = False) -> None:
    """Say how well readers of a closed blind batch tell synthetic images from real ones."""
    from gan_aug import readings

    found = readings.blind_result(name)
    if json:
        print_json(found)
        return
    say(f"{found.n_real} real and {found.n_synthetic} synthetic images, {found.n_repeats} of them shown twice.")
    for reader in found.readers:
        say(f"{readings.HEADLINES[reader.verdict]}. {readings.in_words(found, reader)}")
        if reader.reading.auc:
            say(f"  AUC {readings.number(reader.reading.auc)}")
        if reader.n_repeats:
            say(f"  Same answer again: {reader.agreed} of {reader.n_repeats}; kappa {readings.number(reader.within)}")
    if (words := readings.average_in_words(found)) is not None:
        say(f"{readings.HEADLINES[found.average_verdict]}. {words}")
    for agreement in (*found.pairs, *([found.all_readers] if found.all_readers else [])):
        say(f"Kappa of {', '.join(agreement.readers)} on {agreement.n} images: {readings.number(agreement.kappa)}")
    for caution in readings.cautions(found):
        remark(caution)


@app.command()
def export(
    name: Batch,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the table and the images; new or empty.")],
    json: Json = False,
) -> None:
    """Write every reader's decisions as a table, with the images they are about; of a blind batch also in the format of iMRMC."""
    from gan_aug import reviews

    table, decisions = reviews.export(name, out)
    if json:
        print_json({"file": table, "decisions": decisions})
    else:
        remark(f"{decisions:,} decisions and the images are in {out}.")
