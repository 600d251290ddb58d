"""Verbs about GANs: train them, list them, generate images, walk through latent space, find its directions, project into it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gan_aug.cli.options import ClassName, Device, Json, Reference, Resume, Seeds, Settings, Split, check_resume, read_settings, refuse
from gan_aug.cli.output import (
    EXIT_DONE,
    UsageError,
    counting,
    print_facts,
    print_json,
    print_table,
    progress,
    say,
)
from gan_aug.cli.training import train_here

app = typer.Typer()


@app.command(
    epilog="""\b
Examples:
  gan-aug train dcgan --data phantom --kimg 2
  gan-aug train sngan --data isic2017 --class malignant --kimg 100
  gan-aug train acgan --data isic2017 --set width=64 --set g_lr=1e-4 --dry-run
  gan-aug train --resume RUN
  gan-aug train --resume RUN --kimg 400

The run id is printed on standard output, everything else on standard error. Ctrl-C leaves a snapshot from which --resume goes on;
the exit code is then 130. With a greater --kimg, --resume makes a new run that takes over what the other has learnt."""
)
def train(
    context: typer.Context,
    gan: Annotated[str | None, typer.Argument(metavar="GAN", help="dcgan, wgan_gp, acgan, sngan or r3gan; see 'gan-aug gans'.")] = None,
    data: Annotated[str | None, typer.Option("--data", metavar="DATASET", help="Dataset to train on; only its train part is used.")] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="CLASS", help="Train on one class only (not acgan, which learns all).")
    ] = None,
    preset: Annotated[
        str, typer.Option(metavar="PRESET", help="small-data, aidl21 or paper; 'gan-aug gans' says which a GAN has.")
    ] = "small-data",
    size: Annotated[int | None, typer.Option(metavar="PX", help="Side of the images: 64, 128 or 256.  [default: the preset's]")] = None,
    kimg: Annotated[
        float | None, typer.Option(metavar="K", help="Length, in thousands of real images shown.  [default: the preset's]")
    ] = None,
    batch: Annotated[int | None, typer.Option(metavar="B", help="Images per step.  [default: the preset's]")] = None,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides every random draw of the training.")] = 0,
    settings: Settings = None,
    split: Split = None,
    resume: Resume = None,
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be trained, and stop.")] = False,
    json: Json = False,
) -> int:
    """Train a GAN on the train part of a dataset."""
    from gan_aug import catalog, lengthening
    from gan_aug.records import GanConfig

    values = read_settings(GanConfig, settings, size=("resolution", size), kimg=("total_kimg", kimg), batch=("batch_size", batch))
    if resume is not None:
        run_id = check_resume(context, resume, "gan", "kimg")
        if kimg is not None:
            lengthening.longer(run_id, kimg)  # a mistake shows before torch is loaded
            return train_here("gan", lambda: lengthening.lengthen(run_id, kimg).id, f"train --resume {resume} --kimg {kimg:g}", json)
        return train_here("gan", lambda: run_id, f"train --resume {resume}", json)
    if gan is None or data is None:
        raise UsageError("Missing GAN or '--data'.")
    catalog.gan_config(gan, preset, **values)  # a mistake shows before torch is loaded, which takes seconds
    options: dict[str, Any] = {"class_name": class_name, "preset": preset, "settings": values, "seed": seed, "split_id": split}
    options["device_name"] = device
    if dry_run:
        from gan_aug import train_gan
        from gan_aug.train_gan import ranks

        planned = train_gan.plan(gan, data, **options)
        if ranks.launched().main:  # of several processes that a launcher started, one speaks
            _show_plan(*planned, json)
        return EXIT_DONE

    def prepare() -> str:
        from gan_aug import train_gan

        return train_gan.prepare(gan, data, **options).id

    return train_here("gan", prepare, f"train {gan} --data {data}", json)


def _show_plan(run: Any, rows: Any, as_json: bool) -> None:
    from gan_aug import train_gan
    from gan_aug.data.dataset import open_dataset
    from gan_aug.records import GanConfig, from_dict

    labels = open_dataset(run.dataset).labels[rows]
    images = {name: int((labels == number).sum()) for number, name in enumerate(run.classes) if run.class_name in (None, name)}
    parameters = train_gan.parameter_counts(run)
    if as_json:
        print_json({"gan": run.spec, "preset": run.preset, "dataset": run.dataset, "split": run.split_id, "device": run.device,
                    "seed": run.seed, "images": images, "parameters": parameters, "config": run.config})  # fmt: skip
        return
    steps = from_dict(GanConfig, run.config).total_steps
    print_facts(
        {
            "GAN": f"{run.spec}, preset {run.preset}",
            "images": ", ".join(f"{count:,} {name}" for name, count in images.items())
            + f" (train part of {run.dataset}, split {run.split_id})",
            "device": run.device,
            "parameters": ", ".join(f"{name} {count:,}" for name, count in parameters.items()),
            "steps of G": steps,
            "seed": run.seed,
        }
    )
    say("")
    print_facts(run.config)


@app.command()
def gans(json: Json = False) -> None:
    """List the GANs, their papers and presets."""
    from gan_aug import catalog

    if json:
        print_json(list(catalog.ENTRIES.values()))
        return
    for entry in catalog.ENTRIES.values():
        names = " or ".join((entry.name, *entry.aliases))
        text = f"{entry.title}. {entry.summary}\n  {entry.paper} (arXiv {entry.arxiv}).\n  Presets: {', '.join(entry.presets)}."
        say(f"{names}\n  {text}\n")
    for name, summary in catalog.PRESET_SUMMARIES.items():
        say(f"preset {name}: {summary}")


@app.command(
    epilog="""\b
Examples:
  gan-aug sample RUN --seeds 0-63 --out pictures
  gan-aug sample RUN@best --seeds 0,5,9 --class malignant --truncation 0.8 --out pictures"""
)
def sample(
    run: Reference,
    seeds: Seeds,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the PNG files and manifest.csv; new, or filled by this verb.")],
    class_name: ClassName = None,
    truncation: Annotated[float, typer.Option(metavar="T", help="0 to 2; below 1 trades variety for typicality.")] = 1.0,
    json: Json = False,
) -> None:
    """Generate images of a trained GAN as PNG files that carry where they come from."""
    from gan_aug import sample as sampling
    from gan_aug.latent import parse_seeds

    numbers = list(dict.fromkeys(parse_seeds(seeds)))  # a seed that is named twice is one picture
    with progress("generating") as report:
        manifest = sampling.sample_to_folder(
            run, numbers, out, class_name, truncation, lambda done, total, message: report(done / total, message)
        )
    if json:
        print_json({"folder": out, "manifest": manifest, "images": len(numbers)})
    else:
        say(f"{len(numbers):,} images and {manifest.name} are in {out}.")


@app.command(
    epilog="""\b
Examples:
  gan-aug walk RUN --seeds 3,7,12 --frames 24 --out walk.webp
  gan-aug walk RUN --seeds 3,7 --same-z RUN2 --same-z RUN3@10 --out side-by-side.png
  gan-aug walk RUN --seeds 5 --through-classes --out benign-to-malignant.gif"""
)
def walk(
    run: Reference,
    seeds: Seeds,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Animation (.webp, .gif; .mp4 with ffmpeg) or strip (.png).")],
    frames: Annotated[int, typer.Option(metavar="N", help="Number of pictures on the way.")] = 24,
    same_z: Annotated[
        list[str] | None, typer.Option(metavar="RUN2", help="Show the same z through another run too; may be repeated.")
    ] = None,
    class_name: ClassName = None,
    through_classes: Annotated[
        bool, typer.Option("--through-classes", help="Keep one seed and walk from class to class (acgan only).")
    ] = False,
    json: Json = False,
) -> None:
    """Walk from seed to seed, on great circles, as an animation or a strip."""
    from gan_aug import sample as sampling
    from gan_aug import sampled_folder
    from gan_aug.latent import parse_seeds

    if out.suffix.lower() in (".png", ".webp"):
        sampled_folder.refuse(out.parent, "a walk")
    numbers, references = parse_seeds(seeds), [run, *(same_z or [])]
    if through_classes:
        if len(numbers) != 1 or same_z or class_name:
            raise UsageError("--through-classes takes one run and one seed, and visits every class.")
        generated = sampling.class_walk(run, numbers[0], frames)
    else:
        generated = sampling.walk(references, numbers, frames, class_name)
    sampling.write_walk(generated, out, sampling.walk_provenance(references, numbers, frames, class_name))
    if json:
        print_json({"file": out, "frames": frames, "seeds": numbers, "runs": references})
    else:
        say(f"{frames} frames are in {out}.")


@app.command(
    epilog="""\b
Examples:
  gan-aug directions RUN --out directions
  gan-aug directions RUN --seeds 3,7 --top 4 --save 1=darker --save 3=border --out directions
  gan-aug directions RUN --named --out named

SeFa (arXiv 2007.06600) reads them off the weights of the first layer. Each strip has one row per seed, the seed in the middle."""
)
def directions(
    context: typer.Context,
    run: Reference,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for a PNG strip per direction and directions.json.")],
    top: Annotated[int, typer.Option(metavar="N", help="How many, the strongest first.")] = 8,
    seeds: Annotated[str, typer.Option(metavar="SEEDS", help="Seeds to start from, one row each.")] = "0-2",
    reach: Annotated[float, typer.Option(metavar="R", help="How far to go either way, in standard deviations of z.")] = 4.0,
    steps: Annotated[int, typer.Option(metavar="N", help="Pictures on the way, an odd number.")] = 7,
    class_name: ClassName = None,
    save: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=NAME", help="Name a direction, in the database; replaces one of that name. May be repeated."),
    ] = None,
    named: Annotated[bool, typer.Option("--named", help="The directions that have names instead.")] = False,
    json: Json = False,
) -> None:
    """Find the directions in which a GAN's pictures change most, see each as a strip, and name them."""
    from gan_aug import directions as finding
    from gan_aug import sampled_folder
    from gan_aug.latent import parse_seeds

    pairs = [text.partition("=") for text in save or []]
    if named and pairs:
        raise UsageError("--save names new directions, and --named shows those that have names; use one of them.")
    if named:
        refuse(context, {"top"}, "cannot be given with --named, which shows all directions that have names.")
    if any(not number.isdecimal() or not name for number, _, name in pairs):
        raise UsageError("--save takes a number and a name, as in --save 1=darker.")
    sampled_folder.refuse(out, "a strip")
    if pairs:
        _check_saved(run, [(int(number), name) for number, _, name in pairs])
    lines = finding.write_strips(run, out, top, tuple(parse_seeds(seeds)), reach, steps, class_name, named)
    saved = [finding.save(run, int(number), name).name for number, _, name in pairs]
    if json:
        print_json({"folder": out, "directions": lines, "saved": saved})
        return
    say(f"{len(lines)} directions are in {out}.")
    print_table(("file", "strength"), ((line["file"], line["strength"]) for line in lines), empty="")
    if saved:
        say(f"Saved: {', '.join(saved)}.")


def _check_saved(run: str, pairs: list[tuple[int, str]]) -> None:
    """Refuse what --save cannot do, before anything is written.

    Raises
    ------
    UsageError
        If a name is given twice: the first direction would lose it.
    UserError
        If there is no such direction, or it cannot be called so.
    """
    from gan_aug import directions as finding
    from gan_aug import workspace

    names = [workspace.check_name(name, "name of a direction") for _, name in pairs]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice:
        raise UsageError(f"--save gives the name {twice} to two directions; give each a name of its own.")
    found = finding.find(run)
    for number, _ in pairs:
        finding.check_number(found, number)


@app.command(
    epilog="""\b
Examples:
  gan-aug project RUN photograph.jpg --out projection
  gan-aug project RUN photograph.jpg --class malignant --extractor classifier:RUN2 --steps 1000 --out projection"""
)
def project(
    run: Reference,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A photograph; its centre square is taken.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for projection.png, which shows the photograph, and projection.json.")],
    class_name: ClassName = None,
    extractor: Annotated[str, typer.Option(metavar="NAME", help="Network whose features are compared besides pixels.")] = "random-conv",
    starts: Annotated[int, typer.Option(metavar="N", help="Random pictures to start from, the nearest of 256.")] = 4,
    steps: Annotated[int, typer.Option(metavar="N", help="Steps from each start.")] = 300,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides the random pictures.")] = 0,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Find the latent vector whose picture comes nearest to a photograph, and tell how near."""
    with progress("projecting") as report:
        from gan_aug import project as projecting

        options = {"class_name": class_name, "extractor": extractor, "starts": starts, "steps": steps, "seed": seed, "device_name": device}
        found = projecting.project(run, image, out=out, **options, on_progress=counting(report))
    if json:
        print_json(found)
        return
    say(f"The projection of {found.image} by {found.checkpoint} is in {out}.")
    print_facts(
        {
            "distance": f"{found.distance:.1f} grey levels",
            "nearest of 256 random pictures": f"{found.random_least:.1f} (median {found.random_median:.1f})",
            "features by " + found.extractor: found.feature_distance,
            "length of z": f"{found.length:.2f} (about 1 for samples)",
        }
    )


@app.command("export", hidden=True)
def export_onnx(run: Reference, json: Json = False) -> None:
    """Write the generator of a snapshot as ONNX beside its weights."""
    from gan_aug import runs as run_folders
    from gan_aug.export import export_onnx as export

    path = export(run_folders.resolve(run)[1])
    if json:
        print_json({"file": path})
    else:
        say(str(path))
