"""Do the small-data presets beat ``aidl21`` and ``paper`` on a few thousand images, at equal kimg?

    python benchmarks/small_data.py prepare FOLDER
    python benchmarks/small_data.py run --data NAME [--gans dcgan,sngan] [--recipes small-data,aidl21,paper] [--seeds 0] [--kimg 100]
                                        [--extractor derm] [--minutes 30] [--processes 1] [--winners]
    python benchmarks/small_data.py table
    python benchmarks/small_data.py summary
    python benchmarks/small_data.py arithmetic

``prepare`` imports and splits the two datasets of these experiments, from FOLDER/isic2017 and FOLDER/isic_uda1 (``isic_cc0``) and from
FOLDER/ham10000. A cell is one GAN, recipe and seed on one dataset, all classes together. ``run`` works through the cells for so many
minutes and then stops; called again, it goes on where it was. Each finished cell appends a row to results/small_data.jsonl, whence
``table`` prints them all and ``summary`` the README's table. A recipe is a preset, or a preset and settings that differ from it:
``small-data+r1_gamma=0``; a row keeps all settings, and is named after the presets as they are when it is read. Arithmetic (bf16 where
the processor has it, channels_last) is the same for all recipes, so that they differ in method and not in speed; each row says which it
was, and ``arithmetic`` sets cells that were trained in both beside each other.

Measured on val, which chooses between recipes: KID with its interval and the floor of two real sets, Frechet distance, precision, recall,
density, coverage, all through one extractor; and the audit, so that a gain by copying cannot hide. ``--part test`` measures finished
cells on images that chose nothing, ``--winners`` those of each GAN's best recipe. ``--processes`` trains as many cells side by side; on one
GPU they share it under NVIDIA's MPS and take turns without.
"""

import argparse
import contextlib
import functools
import json
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed

from gan_aug import audit, catalog, device, evaluate, files, runs, train_gan, workspace
from gan_aug.data import importer, taken_over
from gan_aug.data.dataset import open_dataset
from gan_aug.data.split import load_split, make_split
from gan_aug.errors import UserError
from gan_aug.records import GanConfig, Run, parse_settings, spelled, to_dict

RESULTS = Path(__file__).parent / "results" / "small_data.jsonl"
AUDITED = 200  # images of each kind
PRESETS = ("small-data", "aidl21", "paper")
SUMMED_KIMG = 100.0
CELL = ("data", "split", "gan", "recipe", "seed", "kimg", "arithmetic")
NOT_RECIPE = ("total_kimg", "tick_kimg", "snapshot_kimg", "precision", "channels_last")  # a cell says them itself

Row = dict[str, Any]


def prepare(folder: Path) -> None:
    """Import both datasets at 128 px and split them: ``isic_cc0`` as ``derm`` was trained, ``ham10000`` by the default rule."""
    importer.import_dataset([folder / "isic2017", folder / "isic_uda1"], "isic_cc0")
    importer.import_dataset([folder / "ham10000"], "ham10000")
    for split in (taken_over.take_over_split("isic_cc0", "derm").split, make_split("ham10000")):
        open_dataset(split.dataset).at(64)  # derived once, before processes ask for it at the same time
        print(f"{split.dataset}, split {split.id}")


def rows() -> list[Row]:
    """All results so far."""
    found = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    return [row | {"recipe": recipe_of(row["gan"], row["recipe"].partition("+")[0], row["config"])} for row in found]


def recipe_of(gan: str, preset: str, config: dict[str, Any]) -> str:
    """The recipe with which that preset, as it is now, gives these settings; those younger than a row are at their defaults in it."""
    config = {**to_dict(GanConfig()), **config}
    usual = to_dict(catalog.gan_config(gan, preset))
    left_out = (*NOT_RECIPE, *catalog.entry(gan).idle(config["architecture"]))
    names = [name for name in usual if name not in left_out and config[name] != usual[name]]
    return preset + "+" * bool(names) + ",".join(f"{name}={spelled(config[name]).replace(',', '/')}" for name in names)


def settings_of(cell: Row) -> tuple[str, dict[str, Any]]:
    """Preset of a cell's recipe, and the settings that replace some of the preset's. Commas inside a list are written ``/``."""
    preset, _, changes = cell["recipe"].partition("+")
    changed = parse_settings(GanConfig, [change.replace("/", ",") for change in changes.split(",") if change])
    kimg, arithmetic = cell["kimg"], {"precision": cell["arithmetic"], "channels_last": True}
    return preset, {**arithmetic, **changed, "total_kimg": kimg, "tick_kimg": kimg / 40, "snapshot_kimg": kimg / 5}


def begun(notes: Path, prepare: Callable[[], Run]) -> Run:
    """The run whose id stands in ``notes``, so that a training goes on where it was; a new one, noted down, if there is none."""
    if notes.exists():
        return runs.load_run(files.read_json(notes)["run"])
    run = prepare()
    files.write_json(notes, {"run": run.id})
    return run


def run_cell(cell: Row, extractor: str, part: str, until: float) -> Row | None:
    """Train and measure a cell; None if time was up before the training had ended."""
    if time.monotonic() > until:
        return None
    print(f"{time.strftime('%H:%M:%S')}  {' '.join(str(value) for value in cell.values())}, {part}", flush=True)
    notes = workspace.home() / "small_data" / ("-".join(str(cell[key]) for key in CELL).replace("/", ".") + ".json")
    preset, settings = settings_of(cell)
    run = begun(
        notes,
        lambda: train_gan.prepare(cell["gan"], cell["data"], preset=preset, settings=settings, seed=cell["seed"], device_name="auto"),
    )
    train_gan.train(run.id, should_stop=lambda: time.monotonic() > until)
    if runs.status(run.id).state != "finished":
        return None
    stats = runs.read_stats(run.id)[0]
    # On val every snapshot, because KID of the last one alone can be chance (docs/experiments.md, 2026-11-29).
    snapshots = runs.list_checkpoints(run.id)[0 if part == "val" else -1 :]
    by_snapshot = [evaluate.evaluate(snapshot.id, cell["data"], part, extractor) for snapshot in snapshots]
    measured = by_snapshot[-1]
    kid = measured[0]
    audited = audit.audit(run.id, cell["data"], extractor, AUDITED)
    accuracy = [line["D/accuracy"] for line in stats[len(stats) // 2 :] if "D/accuracy" in line]
    return {
        **cell,
        "part": part,
        "run": run.id,
        "extractor": kid.extractor,
        "weights_sha256": kid.weights_sha256[:16],
        "n": kid.n_fake,
        "real_groups": kid.real_groups,
        **{record.metric: record.value for record in measured},
        "kid_ci": kid.ci,
        "kid_by_kimg": {f"{snapshot.kimg:g}": records[0].value for snapshot, records in zip(snapshots, by_snapshot, strict=True)},
        "floor": {record.metric: record.floor_real_real for record in measured},
        "floor_n": kid.floor_n,
        "audit": audited.verdict,
        "near_duplicates": audited.near_duplicates,
        "auth_pct": audited.spaces[0].auth_pct,
        "ct": audited.spaces[0].ct,
        "d_accuracy": round(float(np.mean(accuracy)), 4) if accuracy else None,
        "images_per_second": round(float(np.median([line["images_per_second"] for line in stats])), 1),
        "device": run.device,
        "config": {key: value for key, value in run.config.items() if key not in ("tick_kimg", "snapshot_kimg")},
        "code_version": run.code_version,
        "created": runs.now(),
    }


def cells_of(options: argparse.Namespace) -> list[Row]:
    """The cells that the options ask for, seed by seed; a recipe whose preset a GAN does not have is left out."""
    open_dataset(options.data)
    split = load_split(options.data)
    arithmetic = device.resolve_precision(options.arithmetic, device.pick())
    found = []
    for seed in (int(text) for text in options.seeds.split(",")):
        for recipe in options.recipes.split(";" if ";" in options.recipes or "+" in options.recipes else ","):
            for gan in (catalog.entry(name) for name in options.gans.split(",")):
                values = (options.data, split.id, gan.name, recipe, seed, options.kimg, arithmetic)
                cell = dict(zip(CELL, values, strict=True))
                preset, settings = settings_of(cell)
                if preset in gan.presets:
                    config = to_dict(catalog.gan_config(gan.name, preset, **settings))
                    found.append(cell | {"recipe": recipe_of(gan.name, preset, config)})
    return found


def winners(cells: list[Row]) -> list[Row]:
    """Those of each GAN's best recipe on val, by the mean KID over the seeds that have been measured."""
    measured: dict[str, dict[str, list[Row]]] = {}
    wanted = {tuple(cell.values()) for cell in cells}
    for row in rows():
        if row["part"] == "val" and tuple(row[key] for key in CELL) in wanted:
            measured.setdefault(row["gan"], {}).setdefault(row["recipe"], []).append(row)
    best = {gan: min(recipes, key=lambda recipe: _mean_kid(recipes[recipe])) for gan, recipes in measured.items()}
    return [cell for cell in cells if cell["recipe"] == best.get(cell["gan"])]


def run_cells(options: argparse.Namespace) -> None:
    """Work through the cells that have no row yet, until the minutes are over; then, if asked, look at test for the best ones."""
    until = time.monotonic() + options.minutes * 60
    cells = cells_of(options)
    if _append_rows(cells, options.part, until, options) and options.winners:
        _append_rows(winners(cells), "test", until, options)


def _append_rows(cells: list[Row], part: str, until: float, options: argparse.Namespace) -> bool:
    """Append a row for each cell that has none; whether time was enough."""
    done = {tuple(row[key] for key in (*CELL, "part")) for row in rows()}
    cells = [cell for cell in cells if (*cell.values(), part) not in done]
    work = functools.partial(run_cell, extractor=options.extractor, part=part, until=until)
    with multiprocessing.get_context("spawn").Pool(options.processes) if options.processes > 1 else contextlib.nullcontext() as pool:
        found: Iterable[Row | None] = pool.imap_unordered(work, cells) if pool else map(work, cells)
        enough = True
        for row in found:
            if row is None:
                enough = False
                continue
            RESULTS.parent.mkdir(exist_ok=True)
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            told = f"KID {row['kid']:.4f}, recall {row['recall']:.2f}, {row['images_per_second']:.0f} images/s"
            print(f"  {row['gan']} {row['recipe']}, seed {row['seed']}, {part}: {told}", flush=True)
    if not enough:
        print("Time is up; the same command goes on.")
    return enough


def print_table() -> None:
    """One line a cell, best KID first within a dataset, GAN, part and extractor: only those can be ranked."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows():
        protocol = (row["part"], row["weights_sha256"], row["n"], row.get("real_groups", 0))  # 0: KID counted pairs of one lesion
        groups.setdefault((row["data"], row["gan"], row["kimg"], *protocol), []).append(row)
    for (data, gan, kimg, part, digest, n, lesions), members in sorted(groups.items()):
        floor = members[0]["floor"]
        of = f" (of {lesions} lesions)" if lesions else ""
        print(f"\n{gan}, {kimg:g} kimg on {data}; {n} images{of} a side of {part}, {members[0]['extractor']} ({digest[:8]})")
        measures = f"{'KID':>8}  {'95 % interval':>18}  {'Frechet':>8}  prec.  recall  density  cover."
        print(f"{measures}  D acc.  auth. %  images/s  arithm.  seed  recipe")
        for row in sorted(members, key=lambda row: row["kid"]):
            interval = f"{row['kid_ci'][0]:.4f} to {row['kid_ci'][1]:.4f}"
            accuracy = "-" if row["d_accuracy"] is None else f"{row['d_accuracy']:.2f}"
            print(
                f"{_metrics(row, interval)}  {accuracy:>6}  {row['auth_pct'][0]:7.1f}  {row['images_per_second']:8.0f}  "
                f"{row['arithmetic']:>7}  {row['seed']:4d}  {row['recipe']}{'' if row['audit'] == audit.CLEAN else ' - ' + row['audit']}"
            )
        print(f"{_metrics(floor, '')}  {'':42}two sets of {members[0]['floor_n']} real images")
        _print_seeds(members)


def _print_seeds(members: list[Row]) -> None:
    """Of each recipe that was trained from several seeds: mean and spread of KID, lowest first."""
    recipes: dict[str, list[Row]] = {}
    for row in members:
        recipes.setdefault(row["recipe"], []).append(row)
    for recipe, of_recipe in sorted(recipes.items(), key=lambda item: _mean_kid(item[1])):
        kids = list(_by_seed(of_recipe).values())
        if len(kids) > 1:
            print(f"{np.mean(kids):8.4f}  mean of {len(kids)} seeds, SD {np.std(kids, ddof=1):.4f}: {recipe}")


def summary() -> str:
    """KID of the presets on val through ``derm``, as a table in Markdown: mean over seeds, and each. Beside it the best preset on test.

    Of each dataset the split that was measured last, and one way of measuring; a seed that was trained in both arithmetics counts once, by
    the mean of the two.
    """
    wanted = [row for row in rows() if row["kimg"] == SUMMED_KIMG and row["extractor"] == "derm"]
    last = {row["data"]: _protocol(row) for row in wanted if row["part"] == "val"}
    found: dict[tuple[str, str], dict[tuple[str, str], list[Row]]] = {}
    for row in sorted(wanted, key=lambda row: row["seed"]):
        preset, _, changes = row["recipe"].partition("+")
        if _protocol(row) == last.get(row["data"]) and re.fullmatch(r"(width=\d+)?", changes):
            found.setdefault((row["data"], row["gan"]), {}).setdefault((row["part"], preset), []).append(row)
    lines = [
        f"| data, GAN | {' | '.join(f'`{preset}`' for preset in PRESETS)} | two real sets | the best one on test |",
        "|---|" + "---|" * 5,
    ]
    for (data, gan), cells in sorted(found.items()):
        members = {preset: cells.get(("val", preset), []) for preset in PRESETS}
        best = min(filter(members.get, PRESETS), key=lambda preset: _mean_kid(members[preset]))
        floors = dict.fromkeys(f"{row['floor']['kid']:z.3f}" for rows_of in members.values() for row in rows_of)
        values = [*map(_kids, members.values()), ", ".join(floors), _kids(cells.get(("test", best), []))]
        lines.append(f"| `{data}`, {catalog.entry(gan).title} | {' | '.join(values)} |")
    return "\n".join(lines)


def _protocol(row: Row) -> tuple[Any, ...]:
    """What two rows must have in common to be averaged, besides what was trained."""
    return row["split"], row["weights_sha256"], "real_groups" in row


def _by_seed(members: list[Row]) -> dict[int, float]:
    """KID of each seed, the mean over its arithmetics."""
    kids: dict[int, list[float]] = {}
    for row in sorted(members, key=lambda row: row["seed"]):
        kids.setdefault(row["seed"], []).append(row["kid"])
    return {seed: float(np.mean(values)) for seed, values in kids.items()}


def _mean_kid(members: list[Row]) -> float:
    return float(np.mean(list(_by_seed(members).values())))


def _kids(members: list[Row]) -> str:
    each = ", ".join(f"{kid:z.3f}" for kid in _by_seed(members).values())
    return f"{_mean_kid(members):z.3f} ({each})" if "," in each else each or "-"


def print_arithmetic() -> None:
    """Cells that were trained both in fp32 and in bf16, side by side."""
    pairs: dict[tuple[Any, ...], dict[str, Row]] = {}
    for row in rows():
        same = (*(row[key] for key in CELL if key != "arithmetic"), row["part"], *_protocol(row))
        pairs.setdefault(same, {})[row["arithmetic"]] = row
    print(f"{'fp32: KID (95 %)':>27}  {'bf16: KID (95 %)':>27}  recall  recall  seed  cell")
    for (data, _, gan, recipe, seed, kimg, part, *_), found in sorted(pairs.items()):
        if len(found) > 1:
            fp32, bf16 = found["fp32"], found["bf16"]
            kids = (f"{row['kid']:.4f} ({row['kid_ci'][0]:.4f} to {row['kid_ci'][1]:.4f})" for row in (fp32, bf16))
            recalls = f"{fp32['recall']:6.2f}  {bf16['recall']:6.2f}"
            print(f"{'  '.join(kids)}  {recalls}  {seed:4d}  {gan} {recipe}, {kimg:g} kimg, {part} of {data}")


def _metrics(values: Row, interval: str) -> str:
    return (
        f"{values['kid']:8.4f}  {interval:>18}  {values['frechet']:8.2f}  {values['precision']:5.2f}  {values['recall']:6.2f}  "
        f"{values['density']:7.2f}  {values['coverage']:6.2f}"
    )


def explained(main: Callable[[], None]) -> int:
    """Exit code of a script; of an error that its user can mend, what happened and what to do are told."""
    try:
        main()
    except UserError as error:
        print(f"{error.what}\n{error.todo}", file=sys.stderr)
        return 1
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("table", help="print the stored results")
    verbs.add_parser("summary", help="print the README's table of the presets")
    verbs.add_parser("arithmetic", help="print cells that were trained in fp32 and in bf16 side by side")
    verbs.add_parser("prepare", help="import and split the two datasets").add_argument("folder", type=Path)
    run = verbs.add_parser("run", help="train and measure cells", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    run.add_argument("--data", required=True, help="a dataset of the workspace, with its split")
    run.add_argument("--extractor", default="derm", help="what all cells are measured through")
    run.add_argument("--gans", default="dcgan,sngan")
    run.add_argument("--recipes", default="small-data,aidl21,paper", help="with ';' between them where one has settings")
    run.add_argument("--seeds", default="0")
    run.add_argument("--kimg", type=float, default=100.0, help="thousands of real images shown")
    run.add_argument("--minutes", type=float, default=30.0, help="after which no step is begun")
    run.add_argument("--part", default="val", choices=("val", "test"))
    run.add_argument("--winners", action="store_true", help="afterwards measure each GAN's best recipe on test")
    run.add_argument("--processes", type=int, default=1, help="cells at a time")
    run.add_argument("--arithmetic", default="auto", choices=("auto", "fp32", "bf16"), help="auto: bf16 where the processor has it")
    options = parser.parse_args()
    if options.verb == "run":
        run_cells(options)
    elif options.verb == "prepare":
        prepare(options.folder)
    elif options.verb == "table":
        print_table()
    elif options.verb == "arithmetic":
        print_arithmetic()
    else:
        print(summary())


if __name__ == "__main__":
    sys.exit(explained(main))
