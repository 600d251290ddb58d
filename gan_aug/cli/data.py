"""Verbs about images: import them, draw phantoms, describe, split and check datasets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_aug.cli.options import Dataset, Json
from gan_aug.cli.output import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_STOPPED,
    UsageError,
    counting,
    print_facts,
    print_json,
    print_table,
    progress,
    remark,
    say,
    stop_wish,
)

app = typer.Typer(help="Import photographs, draw phantoms, split datasets and check them for leaks.", no_args_is_help=True)


@app.command(
    "import",
    epilog="""\b
Examples:
  gan-aug data import ISIC-2017_Training_Data --name isic2017
  gan-aug data import clinic-a clinic-b --name clinics --size 256
  gan-aug data import photos.csv --name mine --image-column file --label-column target
  gan-aug data import downloads --dry-run

Recognised by themselves: ISIC archive exports (CSV or JSON), ISIC 2017, ISIC 2019, SIIM-ISIC 2020, HAM10000, the AIDL21 lists, and
one folder per class. Images that cannot be used are listed with the reason; the import goes on.""",
)
def import_images(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Folders or tables; each becomes one source of the dataset.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the new dataset; not needed for --dry-run.")] = None,
    size: Annotated[int, typer.Option(metavar="PX", help="Side of the stored images: a multiple of 32, up to 1024.")] = 128,
    format: Annotated[str | None, typer.Option(metavar="FORMAT", help="Name of the layout, if it is not recognised.")] = None,
    image_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that names the image file.")] = None,
    label_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of a table that holds the label.")] = None,
    labels: Annotated[str, typer.Option(metavar="RULE", help="binary (benign or malignant) or diagnosis.")] = "binary",
    workers: Annotated[int | None, typer.Option(metavar="K", help="Processes that decode images.  [default: one a processor]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what was recognised, and stop.")] = False,
    json: Json = False,
) -> int:
    """Import photographs and their labels as one dataset."""
    from gan_aug.data import importer

    if dry_run:
        _show_recognised(importer.inspect(paths, format, image_column, label_column, labels), json)
        return EXIT_DONE
    if name is None:
        raise UsageError("Missing option '--name'.")
    with progress("importing") as report, stop_wish("Stopping; nothing will be kept.") as wished:
        try:
            dataset = importer.import_dataset(
                paths, name, size, workers, format, image_column, label_column, labels, counting(report), wished
            )
        except importer.ImportStopped as stopped:
            remark(str(stopped))
            return EXIT_STOPPED
    _show(dataset, json)
    return EXIT_DONE


def _show_recognised(found: list[Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for source in found:
        print_facts(
            {
                "path": source.path,
                "recognised as": source.format,
                "tables": "\n".join(f"{file}: {what}, {rows:,} rows" for file, what, rows in source.tables),
                "rows": source.n_rows,
                "picture files": source.n_files,
                "usable (row, file and label)": source.n_usable,
                "labels of the rows": _counts(source.row_labels),
                "labels of usable files": _counts(source.image_labels),
                "rows without an image": source.n_rows_without_image,
                "images without a row": source.n_images_without_row,
                "without a label": source.n_without_label,
                "no photographs, by their name": source.n_rejected,
                "notes": " ".join(source.notes),
            }
        )
        say("")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


@app.command()
def demo(
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the new dataset.")] = "phantom",
    images: Annotated[int, typer.Option(metavar="N", help="Number of drawings.")] = 2000,
    size: Annotated[int, typer.Option(metavar="PX", help="Side of the drawings.")] = 64,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Same seed, same drawings.")] = 0,
    if_none: Annotated[bool, typer.Option("--if-none", help="Do nothing if the workspace has a dataset.")] = False,
    json: Json = False,
) -> None:
    """Draw a phantom dataset: lesions made by rule, to try everything without any download. They are evidence for nothing medical."""
    from gan_aug.data.dataset import list_datasets
    from gan_aug.data.phantom import make_phantom
    from gan_aug.data.split import make_split

    existing = list_datasets() if if_none else []
    if existing:
        if json:
            print_json(existing[0])
        return
    with progress("drawing") as report:
        dataset = make_phantom(name, images, size, seed, counting(report))
    make_split(name)
    _show(dataset, json)


@app.command("list")
def list_datasets(json: Json = False) -> None:
    """List the datasets of the workspace."""
    from gan_aug.data import dataset

    found, damaged = dataset.scan_datasets()
    for notice in damaged.values():
        remark(notice)
    if json:
        print_json(found)
        return
    print_table(
        ("name", "images", "size", "classes", "sources", "created"),
        (
            (
                record.name + (" (phantom)" if record.phantom else ""),
                record.n_images,
                f"{record.size} px",
                record.classes,
                record.sources,
                record.created[:16],
            )
            for record in found
        ),
        empty="There are no datasets yet. Import one with 'gan-aug data import', or draw one with 'gan-aug data demo'.",
    )


@app.command()
def show(name: Dataset, json: Json = False) -> None:
    """Describe a dataset: classes, sources, splits, and what its import left out."""
    from gan_aug.data.dataset import open_dataset

    _show(open_dataset(name).record, json)


def _show(record: Any, as_json: bool) -> None:
    from gan_aug.data.dataset import open_dataset
    from gan_aug.data.split import describe, list_splits

    images = open_dataset(record.name)
    classes = {name: int((images.labels == number).sum()) for number, name in enumerate(record.classes)}
    sources = images.table["source"].value_counts(sort=False).to_dict()
    licences = images.table["licence"].replace("", "unknown").value_counts(sort=False).to_dict()
    splits = list_splits(record.name)
    if as_json:
        print_json(
            {
                "dataset": record,
                "classes": classes,
                "sources": sources,
                "licences": licences,
                "splits": [split.id for split in splits],
                "folder": images.folder,
            }
        )
        return
    left_out = record.report
    print_facts(
        {
            "dataset": record.name + (" (phantom: drawn by rule, evidence for nothing medical)" if record.phantom else ""),
            "images": f"{record.n_images:,} of {record.size} px",
            "classes": _counts(classes),
            "sources": _counts(sources),
            "licences": _counts(licences),
            "splits": "\n".join(map(describe, splits)),
            "recognised as": left_out.formats,
            "rows without an image": left_out.n_rows_without_image,
            "images without a row": left_out.n_images_without_row,
            "without a label": left_out.n_without_label,
            "rejected files": left_out.n_rejected,
            "notes": " ".join(left_out.notes),
            "folder": images.folder,
        }
    )
    if left_out.n_rejected or left_out.n_rows_without_image or left_out.n_images_without_row or left_out.n_without_label:
        say("\nWhat was left out is listed, with the reasons, in rejected.csv and unmatched.csv of that folder.")


@app.command(
    epilog="""\b
Examples:
  gan-aug data split isic2017
  gan-aug data split isic2017 --seed 1 --fraction 0.25
  gan-aug data split isic2017 --like derm"""
)
def split(
    name: Dataset,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Same seed, same split, on every machine.")] = 0,
    val: Annotated[float, typer.Option(metavar="SHARE", help="Share of the images for choosing and tuning.")] = 0.15,
    test: Annotated[float, typer.Option(metavar="SHARE", help="Share of the images for the one final test.")] = 0.15,
    fraction: Annotated[float, typer.Option(metavar="SHARE", help="Share of the train part that is kept (low-data studies).")] = 1.0,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|TABLE",
            help="Give each image the part that it had in a run's training, or has in a .csv or .parquet table (image_id, part).",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Split a dataset into train, val and test, whole patients at a time.

    Lesions, identical images and near-duplicates are kept together too. The same arguments give the split that is there already."""
    from gan_aug.data.split import make_split
    from gan_aug.data.taken_over import take_over_split

    if like is not None:
        if (seed, val, test, fraction) != (0, 0.15, 0.15, 1.0):
            raise UsageError("--like says which part every image has; --seed, --val, --test and --fraction cannot change it.")
        taken = take_over_split(name, like)
        made, left_out = taken.split, {"unknown": len(taken.unknown), "held_back": list(taken.held_back)}
    else:
        made, left_out = make_split(name, seed, val, test, fraction), {}
    sizes = _sizes(name, made)
    if json:
        print_json({"split": made.id, "dataset": name, "seed": seed, "fingerprint": made.fingerprint, "sizes": sizes, **left_out})
        return
    say(f"Split {made.id} of {name}:")
    _print_sizes(sizes)
    if left_out.get("unknown"):
        say(f"Not used: {left_out['unknown']:,} images that {like} does not have.")
    if left_out.get("held_back"):
        held_back = left_out["held_back"]
        say(
            f"Not used: {len(held_back):,} that show what another part holds ({', '.join(held_back[:5])}{' ...' if held_back[5:] else ''})."
        )


def _sizes(name: str, made: Any) -> dict[str, dict[str, int]]:
    """Images of each class in each part."""
    from collections import Counter

    from gan_aug.data.dataset import open_dataset

    labels = open_dataset(name).table["label"]
    parts = dict.fromkeys(("train", "val", "test", *sorted(set(made.parts))))
    return {part: dict(sorted(Counter(labels[made.rows(part)]).items())) for part in parts}


def _print_sizes(sizes: dict[str, dict[str, int]]) -> None:
    classes = sorted(set().union(*sizes.values()))
    print_table(
        ("part", "images", *classes),
        ((part, sum(counts.values()), *(counts.get(name, 0) for name in classes)) for part, counts in sizes.items()),
        empty="It is empty.",
    )


@app.command()
def check(name: Dataset, json: Json = False) -> int:
    """Compare the stored files with their digests; look for duplicates, and for splits that separate what belongs together.

    The exit code is 1 if a file is not as it was written, or a split separates something."""
    from gan_aug.data import leaks
    from gan_aug.data.dataset import check_files
    from gan_aug.records import to_dict

    with progress("checking the files") as report:
        checked = check_files(name, counting(report))
    found = leaks.check(name)
    if json:
        print_json({**to_dict(found), "files": checked})
    else:
        _show_check(found, checked)
    return EXIT_FAILED if found.violations else EXIT_DONE


def _show_check(found: Any, checked: Any) -> None:
    print_facts(
        {
            "stored files": _in_words(checked),
            "images": found.n_images,
            "groups (never separated)": found.n_groups,
            "largest group": f"{found.largest_group:,} images",
            "images with a known patient": found.n_with_patient,
            "images with a known lesion": found.n_with_lesion,
            "duplicate pairs": len(found.pairs),
            "of these, unknown to the table": sum(not pair.related for pair in found.pairs),
            "of these, with different labels": sum(pair.labels_differ for pair in found.pairs),
        }
    )
    if found.pairs:
        say("")
        print_table(
            ("image", "image", "what", "similarity", "related by the table", "labels differ"),
            ((pair.image_a, pair.image_b, pair.kind, pair.similarity, pair.related, pair.labels_differ) for pair in found.pairs[:20]),
            empty="",
        )
        if len(found.pairs) > 20:
            say(f"... and {len(found.pairs) - 20:,} more; --json lists all.")
    for group in found.large_groups:
        say(f"{len(group)} images look like one picture, and no split can be made: {', '.join(group[:5])} ...")
    for split_id, sizes in found.sizes.items():
        say(f"\nSplit {split_id}")
        _print_sizes(sizes)
    say("")
    for violation in found.violations:
        say(violation)
    if not found.violations:
        say("No split separates images that belong together.")


def _in_words(checked: Any) -> str:
    """Which stored files were compared, and which could not be."""
    older = "this dataset is older and has no digest of it"
    lines = [
        f"{file} is as it was imported" if known else f"{file} was not checked: {older}"
        for file, known in (("table.parquet", checked.table), ("images.npy", checked.images))
    ]
    if checked.table and not checked.images:  # the fingerprint, which is all that an older import has, covers no more
        lines[0] = "table.parquet has the bytes, labels, patients and lesions that were imported; the rest was not checked: " + older
    return "\n".join(lines + [f"images-{size}.npy is what images.npy gives" for size in checked.derived])
