"""Make a run ready to be passed on: its weights in half precision, what they have seen, and a model card. Only what CC0 images made.

<out>/<name>/
    run.json, training_list.parquet, status.json     as in every run folder
    split.json, split.parquet                         which images were for training, choosing and testing
    snapshots/step-*/                                 the sampled network, fp16, with its digest
    evaluations.jsonl, audits.jsonl                   written by ``evaluate`` and ``audit`` on the published run itself
    README.md                                         the card, from all of these
    pictures.png                                      of a GAN: what it generates, beside its card
    graph.onnx, graph.json                            of a GAN: how it computes, so that nobody needs torch to see it generate
"""

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch

from gan_aug import audit, backbones, checkpoint, classifier, files, images, runs, sample, stats, workspace
from gan_aug.backbones import InitialWeights
from gan_aug.catalog import entry
from gan_aug.data import training_list
from gan_aug.data.dataset import folder_of, open_dataset
from gan_aug.data.licences import is_free
from gan_aug.data.split import digest_of_test, load_split
from gan_aug.errors import InvalidValue, NotFound
from gan_aug.export import load_generator
from gan_aug.images import to_float, to_uint8
from gan_aug.latent import z_of_seeds
from gan_aug.metrics import record
from gan_aug.records import Checkpoint, ClassifierConfig, Run, from_dict, to_dict

LARGEST = 12 * 2**20  # of a file of weights [bytes]
PICTURES = 64  # compared between full and half precision
SHOWN, COLUMNS = 40, 10  # pictures beside the card
RESAMPLINGS = 2000  # for the interval of an AUC over more than two classes


def publish(reference: str, name: str, out: Path) -> Path:
    """Copy a snapshot into a run folder of its own, with its weights in half precision.

    Parameters
    ----------
    reference : str
        ``RUN``, ``RUN@best``, ``RUN@last`` or ``RUN@kimg``.
    name : str
        Id of the published run, which no other run has. A shipped run alone may be made anew in the checkpoints folder.
    out : Path
        Folder in which it is made; ``pretrained`` of the checkpoints folder is where the app looks.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    InvalidValue
        If an image that the weights have seen is not CC0 or cannot be checked (as where a classifier began with weights that no run here
        has written), the weights do not fit half precision or are too large, or the folder or a run of that name exists.
    """
    run, snapshot = runs.resolve(reference)
    _refuse_taken(workspace.check_name(name, "run name"), out)
    lineage = _lineage(run)
    lists = [training_list.read(runs.run_folder(name)) for name in (*(str(one.run_id) for one in lineage), run.id)]
    seen = list({(image.dataset, image.image_id): image for one in lists for image in one}.values())
    _check_licences(run, seen)
    full = checkpoint.load_sampled(snapshot)
    half = {key: value.half() if value.is_floating_point() else value for key, value in full.items()}
    broken = [key for key, value in half.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise InvalidValue(f"{broken[0]} of {snapshot.id} does not fit half precision.", "Publish another snapshot.")
    meta, config = runs.read_meta(Path(snapshot.folder)), run.config
    if lineage:  # a path on this machine tells others nothing but who worked where
        config = {**config, "weights": f"sha256:{lineage[0].sha256}"}
        meta |= {"initial_weights": {"sha256": lineage[0].sha256, "run": lineage[0].run_id}}
    published = dataclasses.replace(run, id=name, parent=None, config=config)
    try:
        with files.new_folder(out / name) as folder:
            files.write_json(folder / "run.json", to_dict(published))
            training_list.write(folder, seen)
            for suffix in (".json", ".parquet"):
                shutil.copyfile(folder_of(run.dataset) / "splits" / f"{run.split_id}{suffix}", folder / f"split{suffix}")
            place = runs.snapshot_folder(folder, snapshot.step)
            place.mkdir(parents=True)
            weights = place / meta["sampled"]
            checkpoint.save_weights(half, weights)
            size = weights.stat().st_size
            if size > LARGEST:
                raise InvalidValue(
                    f"The weights are {size / 2**20:.1f} MiB, more than {LARGEST / 2**20:.0f}.", "Train a narrower network to publish it."
                )
            meta |= {
                "run": name,
                "config": config,
                "files": {meta["sampled"]: {"sha256": files.sha256_file(weights), "bytes": size}},
                "metrics": {**meta["metrics"], "fp16_difference": _difference(run, snapshot, full, half), **_held_out(run, half)},
                "published_from": snapshot.id,
            }
            files.write_json(place / "meta.json", meta)
            done = runs.RunStatus("finished", snapshot.step, snapshot.kimg, snapshot.kimg, 0.0, "Published.", (), runs.now())
            runs.write_status(folder, done)
    except FileExistsError:
        place = out / name if out.is_dir() else out
        raise InvalidValue(f"{place} is already there.", "Choose another name or folder, or delete it first.") from None
    return out / name


def _refuse_taken(name: str, out: Path) -> None:
    """Refuse the name of a run that is there: of two runs of one name only one is ever found.

    What is made anew of a shipped run stands in the checkpoints folder, where it is found first, until a person puts it in its place.

    Raises
    ------
    InvalidValue
    """
    if not runs.is_there(name):
        return
    place, checkpoints = runs.run_folder(name), workspace.checkpoints()
    if place.parent == workspace.pretrained() and out.resolve() == checkpoints:
        return
    raise InvalidValue(f"There already is a run {name!r}, in {place}.", "Choose another name.")


def _lineage(run: Run) -> list[InitialWeights]:
    """The weights that a classifier began with, those that the run began with which wrote them, and so on; none if random numbers.

    Raises
    ------
    InvalidValue
        If it is not known of any of them which run wrote it, so nobody can tell which images they have seen.
    """
    found: list[InitialWeights] = []
    while (name := run.config.get("weights")) is not None and not _is_checked(run):
        try:
            weights, why = backbones.initial_weights(from_dict(ClassifierConfig, run.config)), None
        except NotFound:
            weights, why = None, "are no longer there"
        if weights is not None and _digests_in_log(run) != {weights.sha256[:12]}:
            why = "are not noted in its log as those of its training"
        elif weights is not None and weights.run_id is None:
            why = "were written by no run that is here"
        if weights is None or why:
            raise InvalidValue(
                f"{run.id} began with the weights {name}, which {why}, so nobody can tell which images they have seen.",
                "Publish only what began with random numbers, or with weights of a run on CC0 images that are still here.",
            )
        found.append(weights)
        run = runs.load_run(str(weights.run_id))
    return found


def _is_checked(run: Run) -> bool:
    """Whether it was published, and its initial weights looked at then; its training list holds what they have seen."""
    return any("initial_weights" in runs.read_meta(Path(snapshot.folder)) for snapshot in runs.list_checkpoints(run.id))


def _digests_in_log(run: Run) -> set[str]:
    """Digests of the initial weights, which the log tells at every start; the record has a name only, that others may bear by now."""
    path = runs.run_folder(run.id) / "log.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {digest for line in lines if " starts from " in line for digest in re.findall(r"\(sha256 ([0-9a-f]{12}),", line)}


def _check_licences(run: Run, seen: list[Any]) -> None:
    """Refuse weights that have seen an image which is not CC0: they can repeat it."""
    wanted: dict[str, set[str]] = {}
    for image in seen:
        wanted.setdefault(image.dataset, set()).add(image.image_id)
    for data, ids in wanted.items():
        table = open_dataset(data).table
        held = [(image_id, licence) for image_id, licence in zip(table["image_id"], table["licence"], strict=True) if image_id in ids]
        if len(held) < len(ids):
            raise InvalidValue(
                f"{len(ids) - len(held)} images that {run.id} has seen are not in {data}, so their licence is unknown.",
                "Publish where the dataset is complete.",
            )
        barred = [f"{image_id} ({licence or 'no licence stated'})" for image_id, licence in held if not is_free(str(licence))]
        if barred:
            raise InvalidValue(
                f"{run.id} has seen {len(barred)} images of {data} that are not CC0: {', '.join(barred[:3])} ...",
                "Publish only what was trained on CC0 images: weights can repeat what they have seen.",
            )


@torch.inference_mode()
def _difference(run: Run, snapshot: Checkpoint, full: checkpoint.Weights, half: checkpoint.Weights) -> float:
    """How far half precision moves a result: the largest step of a pixel [1/255] of a GAN, of a probability of a classifier."""
    if run.kind == "gan":
        G, config, n_classes = load_generator(snapshot)
        z = torch.from_numpy(z_of_seeds(list(range(PICTURES)), config.z_dim))
        y = torch.arange(PICTURES) % n_classes if n_classes else None
        pictures = []
        for weights in (full, half):
            G.load_state_dict(weights)
            pictures.append(to_uint8(G(z, y).permute(0, 2, 3, 1).numpy()).astype(int))
        return float(np.abs(pictures[0] - pictures[1]).max())
    config = from_dict(ClassifierConfig, run.config)
    model = classifier.build(config, len(run.classes)).eval()
    draws = np.random.default_rng(0).integers(0, 256, (PICTURES, config.resolution, config.resolution, 3), np.uint8)
    x = torch.from_numpy(to_float(draws)).permute(0, 3, 1, 2)
    found = []
    for weights in (full, half):
        model.load_state_dict(weights)
        found.append(model(x).softmax(1))
    return float((found[0] - found[1]).abs().max())


def _held_out(run: Run, half: checkpoint.Weights) -> dict[str, float]:
    """AUC of a classifier on the test part of its split, with its interval; nothing for a GAN. The look at test is logged."""
    if run.kind == "gan":
        return {}
    image_set, split = open_dataset(run.dataset), load_split(run.dataset, run.split_id)
    access = {"time": runs.now(), "by": "publish", "subject": run.id, "split": split.id, "test_digest": digest_of_test(image_set, split)}
    record.append_lines(folder_of(run.dataset) / "test_access.jsonl", [access])
    config = from_dict(ClassifierConfig, run.config)
    model = classifier.build(config, len(run.classes))
    model.load_state_dict(half)
    rows = np.array(split.rows("test"), np.int64)
    p = classifier.probabilities(model, image_set.at(config.resolution), rows, torch.device("cpu"))
    area = _area(image_set.labels[rows], p, [split.groups[row] for row in rows])
    return {"test/auc": area.value, "test/auc_low": area.low, "test/auc_high": area.high, "test/images": len(rows)}


def _area(labels: np.ndarray, p: np.ndarray, groups: list[str]) -> stats.Interval:
    """AUC with its 95 % interval: DeLong's of two classes; of more, the mean over them as on val, with whole groups drawn again.

    Parameters
    ----------
    labels : array of shape (n,)
    p : array of shape (n, classes)
        Probabilities.
    groups : list of length n

    Raises
    ------
    InvalidValue
        If a class is missing, or so small that most resamplings miss it.
    """
    if p.shape[1] == 2:
        return stats.delong_ci((labels == 1).astype(int), p[:, 1])
    value = _mean_auc(labels, p)
    if value in (0.0, 1.0):  # so is that of each class, and of every resampling: the class that is known worst tells how sure that is
        each = [stats.bootstrap_auc((labels == label).astype(int), p[:, label], groups) for label in range(p.shape[1])]
        return max(each, key=lambda area: area.high - area.low)
    place = np.unique(groups, return_inverse=True)[1]
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    draws = []
    for replicate in range(RESAMPLINGS):
        picks = (stats.uniforms(len(members), 0, "mean AUC", replicate) * len(members)).astype(np.int64)
        rows = np.concatenate([members[pick] for pick in picks])
        if len(np.unique(labels[rows])) == p.shape[1]:
            draws.append(_mean_auc(labels[rows], p[rows]))
    if len(draws) < RESAMPLINGS / 2:
        raise InvalidValue(
            f"Only {len(draws)} of {RESAMPLINGS} resamplings of the test part held every class.",
            "A class has too few patients for an interval; split the data with a larger test part.",
        )
    low, high = stats.percentiles(np.array(draws), 0.95)
    return stats.Interval(value, low, high, 0.95, f"bootstrap of {len(members)} patients or groups, {RESAMPLINGS} resamplings")


def _mean_auc(labels: np.ndarray, p: np.ndarray) -> float:
    """The mean over the classes of the AUC of each against the others, by which training chooses its snapshot on val."""
    return float(np.mean([stats.auc((labels == label).astype(np.int64), p[:, label]) for label in range(p.shape[1])]))


def write_card(run_id: str, attribution: str = "") -> Path:
    """Write the model card of a published run, README.md, from what its folder holds; beside that of a GAN, pictures that it generates.

    Parameters
    ----------
    attribution : str
        How the makers of the images ask to be named; goes into the card.

    Raises
    ------
    NotFound, InvalidValue
        If there is no such run, it was not published, or that was by a version that did not look at its initial weights.
    """
    run, snapshot = runs.resolve(run_id)
    meta = runs.read_meta(Path(snapshot.folder))
    if "published_from" not in meta:
        raise InvalidValue(f"Run {run.id} is no published one.", f"Publish it first: gan-aug publish {run_id} --name NAME")
    if run.config.get("weights") is not None and "initial_weights" not in meta:
        raise InvalidValue(
            f"When {run.id} was published nobody looked at the weights that it began with, so a card cannot say that all images are CC0.",
            f"Publish it again, where that can be checked: gan-aug publish {meta['published_from']} --name NAME",
        )
    folder = runs.run_folder(run.id)
    latest: dict[tuple[Any, ...], record.MetricRecord] = {}
    for line in record.evaluations(run.id):
        latest[line.extractor, line.dataset, line.part, line.class_name, line.metric] = line
    sources: dict[str, int] = {}
    for image in training_list.read(folder):
        sources[image.dataset] = sources.get(image.dataset, 0) + 1
    audits = audit.audits(run.id)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gan_aug"), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    text = environment.get_template("card.md.j2").render(
        run=run,
        snapshot=snapshot,
        meta=meta,
        title=entry(run.spec).title if run.kind == "gan" else "EfficientNet classifier",
        paper=f"{entry(run.spec).paper} (arXiv {entry(run.spec).arxiv})" if run.kind == "gan" else None,
        sources=sources,
        metrics=list(latest.values()),
        audit=audits[-1] if audits else None,
        attribution=attribution,
        pictures=_show(run, snapshot, folder / runs.PICTURES_NAME) if run.kind == "gan" else None,
    )
    files.write_text(folder / "README.md", text)
    return folder / "README.md"


def _show(run: Run, snapshot: Checkpoint, path: Path) -> str:
    """Generate the first seeds into one picture, of each class the same ones where G knows classes; returns what it shows, in words."""
    names: tuple[str | None, ...] = run.classes if entry(run.spec).conditional else (None,)
    seeds = list(range(max(1, SHOWN // len(names))))
    generated = np.concatenate([sample.sample(snapshot.id, seeds, name)[0] for name in names])
    what = {"seed": seeds} | ({"classes": names} if names[0] else {})
    origin = {**sample.provenance(run, snapshot, seeds[0], " and ".join(run.classes) if names[0] else None), **what}
    columns = COLUMNS if len(seeds) % COLUMNS == 0 else len(seeds)
    files.write_bytes(path, images.png_bytes(images.grid(generated, columns), origin))
    return f"seeds 0 to {seeds[-1]}" + (f" as {', then as '.join(run.classes)}" if names[0] else "")
