"""Verbs about trainings that are there: list them, describe one, measure what a GAN generates."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_aug import catalog
from gan_aug.cli.options import Data, Json, Split, Subject
from gan_aug.cli.output import (
    UsageError,
    counting,
    print_facts,
    print_json,
    print_table,
    progress,
    remark,
    say,
)
from gan_aug.records import spelled

app = typer.Typer()


@app.command()
def runs(
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="gan or classifier only.")] = None,
    json: Json = False,
) -> None:
    """List the trainings, newest first."""
    from gan_aug import runs as run_folders

    if kind not in (None, "gan", "classifier"):
        raise UsageError(f"--kind cannot be {kind!r}; it is gan or classifier.")
    listed, damaged = run_folders.scan_runs(kind)
    found, without_status = run_folders.scan_statuses(listed)
    for notice in (*damaged.values(), *without_status.values()):
        remark(notice)
    if json:
        print_json([{"run": run, "status": status} for run, status in found])
        return
    print_table(
        ("run", "kind", "dataset", "class or scheme", "state", "created"),
        ((run.id, run.kind, run.dataset, run.scheme or run.class_name or "all", status.state, run.created[:16]) for run, status in found),
        empty="There are no runs yet. Train one with: gan-aug train dcgan --data DATASET",
    )


@app.command()
def show(run_id: Annotated[str, typer.Argument(metavar="RUN", help="Run id; 'gan-aug runs' lists them.")], json: Json = False) -> None:
    """Describe a training: its data, state, statistics, snapshots and settings."""
    from gan_aug import runs as run_folders

    run, status = run_folders.load_run(run_id), run_folders.status(run_id)
    checkpoints, notices = run_folders.scan_checkpoints(run_id)
    stats = run_folders.read_stats(run_id)[0]
    best = run_folders.best(run_id)
    changed = {name: value for name, (_, value) in catalog.changed(run).items()}
    if json:
        last = stats[-1] if stats else None
        print_json(
            {
                "run": run, "changed": changed, "best": best, "status": status, "checkpoints": checkpoints, "notices": notices,
                "last_stats": last,
            }
        )  # fmt: skip
        return
    print_facts(
        {
            "run": run.id,
            "what": f"{run.spec} on {run.dataset}" + (" (phantom)" if run.phantom else ""),
            "class": run.class_name or "all",
            "scheme": run.scheme,
            "train images": run.n_images,
            "seed": run.seed,
            "preset": run.preset and " ".join([run.preset, *(f"{name}={spelled(value)}" for name, value in changed.items())]),
            "parent": run.parent,
            "state": f"{status.state}: {status.message}",
            "warnings": status.flags,
            "device": run.device,
            "code version": run.code_version,
            "split": run.split_id,
            "best snapshot": best and f"step {best['step']}: {best['reason']}",
            "created": run.created,
            "folder": run_folders.run_folder(run_id),
        }
    )
    for notice in notices:
        say(notice)
    if stats:
        say("\nLast statistics")
        print_facts(stats[-1])
    say("\nSnapshots")
    print_table(
        ("name", "step", "weights", "created"),
        ((checkpoint.id, checkpoint.step, checkpoint.weights_sha256[:12], checkpoint.created[:16]) for checkpoint in checkpoints),
        empty="None yet.",
    )
    say("\nSettings")
    print_facts(run.config)


@app.command(
    epilog="""\b
Extractors:
  derm                       a classifier of CC0 dermoscopic images that comes with gan_aug
  inception, inception:FILE  the network of the FID; its weights are needed
  classifier:RUN             a classifier trained here, which knows lesions
  random-conv                for tests; says nothing about realism

\b
Examples:
  gan-aug evaluate RUN --data ham10000
  gan-aug evaluate RUN --data isic2017 --extractor classifier:RUN2
  gan-aug evaluate pictures --data isic2017 --extractor inception --n 2000
  gan-aug evaluate RUN --data isic2017 --extractor classifier:RUN2 --select"""
)
def evaluate(
    subject: Subject,
    data: Data,
    extractor: Annotated[str, typer.Option(metavar="NAME", help="Network that turns images into features; see below.")] = "derm",
    part: Annotated[str, typer.Option(metavar="PART", help="Part with the real images; a use of test is logged.")] = "val",
    n: Annotated[int, typer.Option(metavar="N", help="Images on either side, at most.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which images are compared.")] = 0,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Class of the real images.  [default: the run's]")
    ] = None,
    split: Split = None,
    infinity: Annotated[
        bool, typer.Option("--infinity", help="Also the Frechet distance without its bias; takes three images a side for each feature.")
    ] = False,
    select: Annotated[bool, typer.Option("--select", help="Measure every snapshot on val and keep the best as RUN@best.")] = False,
    json: Json = False,
) -> None:
    """Measure generated images against real ones: KID, Frechet distance, precision, recall, density, coverage."""
    from gan_aug import jobs

    if select and (part != "val" or class_name is not None or split is not None or infinity):
        raise UsageError("--select looks at val and at the run's own class and split; leave --part, --class, --split and --infinity out.")
    with jobs.slot(f"gan-aug evaluate {subject}"), progress("measuring") as report:
        from gan_aug import evaluate as evaluation
        from gan_aug.metrics.record import evaluations

        if select:
            best = evaluation.select_best(subject, data, extractor, n, seed, on_progress=counting(report))
            found = [record for record in evaluations(subject) if record.subject == best.id][-6:]
        else:
            options = {"class_name": class_name, "split_id": split, "infinity": infinity}
            found = evaluation.evaluate(subject, data, part, extractor, n, seed, **options, on_progress=counting(report))
    if json:
        print_json({"best": best, "metrics": found} if select else found)
        return
    if select:
        say(f"The best snapshot is {best.id}; {subject}@best now means it.")
    first = found[0]
    say(f"Measured through {first.extractor}: {first.n_fake:,} generated images against {first.n_real:,} real ones.\n")
    print_table(
        ("metric", "value", "95 % interval", "two real sets"),
        ((record.title, record.text_of(record.value), record.interval_text, record.floor_text) for record in found),
        empty="",
    )
    for note in first.notes:
        say(f"Note: {note}")


@app.command(
    epilog="""\b
Examples:
  gan-aug audit RUN --data isic2017 --extractor classifier:RUN2
  gan-aug audit pictures --data isic2017 --class malignant --out audit

Extractors are those of 'gan-aug evaluate'. The sheet of the closest pairs shows real images and goes to the workspace, or --out."""
)
def audit(
    subject: Subject,
    data: Data,
    extractor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Network to look through, besides the pixels.  [default: pixels alone]")
    ] = None,
    n: Annotated[int, typer.Option(metavar="N", help="Images of each kind, at most.")] = 1000,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which images are compared.")] = 0,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Class of the training images.  [default: the run's]")
    ] = None,
    split: Split = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the picture sheet.  [default: in the workspace]")] = None,
    json: Json = False,
) -> None:
    """Tell whether a generator copies the images it was trained on, beside held-out real images."""
    from gan_aug import jobs, sampled_folder

    if out is not None:
        sampled_folder.refuse(out, "the sheet, which shows real images,")
    with jobs.slot(f"gan-aug audit {subject}"), progress("comparing") as report:
        from gan_aug import audit as auditing

        found = auditing.audit(
            subject, data, extractor, n, seed, out=out, class_name=class_name, split_id=split, on_progress=counting(report)
        )
    if json:
        print_json(found)
        return
    say(f"{found.verdict.capitalize()}. {' '.join(found.reasons)}\n")
    print_facts(
        {
            "compared": f"{found.n_fake:,} generated and {found.n_held_out:,} held-out images with {found.n_train:,} training images",
            "identical": found.identical,
            "near-duplicates": f"{found.near_duplicates[0]} (held-out: {found.near_duplicates[1]})",
        }
    )
    say("")
    print_table(
        ("by", "", "median distance", "relative", "AuthPct", "rank z", "C_T"),
        (
            (space.space if kind == 0 else "", words, space.median_distance[kind], space.median_relative[kind], space.auth_pct[kind],
             *((space.rank_z, space.ct) if kind == 0 else ("", "")))
            for space in found.spaces
            for kind, words in enumerate(("generated", "held-out"))
        ),
        empty="",
    )  # fmt: skip
    say("")
    print_table(
        ("class", "generated", "identical", "near-duplicates", "AuthPct", "held-out", "AuthPct of held-out", "rank z"),
        (
            (row.class_name, row.n_fake, row.identical, row.near_duplicates, row.auth_pct[0], row.n_held_out, row.auth_pct[1], row.rank_z)
            for row in found.classes
        ),
        empty="",
    )
    say(f"\nThe closest pairs, generated beside real, are in {found.sheet}.")
    for note in found.notes:
        say(f"Note: {note}")


@app.command(
    "legacy-metrics",
    epilog="""\b
Examples:
  gan-aug legacy-metrics RUN --data isic2017
  gan-aug legacy-metrics pictures --data isic2017 --matched --n 100

The table of random pairs is kept for comparison with the AIDL21 project; it does not measure quality. --matched adds what these metrics
can say; it takes up to a second for each image.""",
)
def legacy_metrics(
    subject: Subject,
    data: Data,
    n: Annotated[int, typer.Option(metavar="N", help="Images on either side, at most.")] = 200,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which images are compared.")] = 0,
    matched: Annotated[
        bool, typer.Option("--matched", help="Also best match to the nearest training images, and variety within a set.")
    ] = False,
    extractor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Network by which the nearest are sought.  [default: pixels]")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Class of the real images.  [default: the run's]")
    ] = None,
    split: Split = None,
    json: Json = False,
) -> None:
    """Measure PSNR, SSIM, MS-GMSD, MDSI and HaarPSI as the AIDL21 project did, beside pairs of real images."""
    from gan_aug import jobs

    if extractor and not matched:
        raise UsageError("--extractor is for --matched; random pairs need none.")
    with jobs.slot(f"gan-aug legacy-metrics {subject}"), progress("measuring") as report:
        from gan_aug import resemblance

        options = {"matched": matched, "extractor": extractor, "class_name": class_name, "split_id": split}
        found = resemblance.legacy_metrics(subject, data, n, seed, **options, on_progress=counting(report))
    if json:
        print_json(found)
        return
    say(f"{found.label}\n")
    print_table(
        ("pairs", "metric", "more alike is", "generated", "quartiles", "real", "quartiles of real", "n"),
        (
            (row.pairs, row.title, "higher" if row.higher_is_alike else "lower", row.fake.mean, _quartiles(row.fake), row.real.mean,
             _quartiles(row.real), row.fake.n)
            for row in found.rows
        ),
        empty="",
    )  # fmt: skip
    for note in found.notes:
        say(f"Note: {note}")


def _quartiles(spread: Any) -> str:
    return " ".join(f"{value:.3g}" for value in spread.quartiles)
