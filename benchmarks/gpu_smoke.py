"""Does gan_aug run on this machine's GPU? A short training of each GAN and of EfficientNet, a resume, and CPU against GPU pictures.

    python benchmarks/gpu_smoke.py [--images FILE.npy] [--size 64] [--steps 40] [--json FILE]

It wants torch, pandas, pyarrow, safetensors, onnx, onnxscript, onnxruntime and Pillow; no database, console or Streamlit. EfficientNet is
skipped, and that is said, where efficientnet-pytorch is missing. Without CUDA everything runs on the CPU. Exit code 0: every check held.

Checked: every statistic is finite; a training that was stopped half-way goes on from there and ends with the weights of one that was not
stopped, to the last bit, and so does one whose steps are not captured as graphs; pictures of the GPU are those of ONNX Runtime on the CPU,
to 1/255; EfficientNet gives the same probabilities on both. PyTorch is told to add up in a fixed order, which costs speed.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that no installation is needed

from gan_aug import __version__, catalog, checkpoint, device, export, files, images, latent, render, runs, train_gan
from gan_aug.data.dataset import DatasetWriter, folder_of, open_dataset
from gan_aug.data.duplicates import phash
from gan_aug.data.phantom import make_phantom
from gan_aug.data.split import load_split, make_split
from gan_aug.errors import InvalidValue, UserError
from gan_aug.records import Checkpoint, ClassifierConfig, ImportReport, Run

DATA = "smoke"
CLASSES = ("benign", "malignant")
BATCH = 32
PICTURES = 16
PROBABILITY_TOLERANCE = 0.01  # GPUs multiply in TF32, with 10 bits

COLUMNS = (
    "name", "steps", "seconds", "images_s", "eager_images_s", "peak_MiB", "resume_diff", "graph_diff", "spread", "picture_diff",
    "tf32_diff", "score_diff", "ok",
)  # fmt: skip

Result = dict[str, Any]
Train = Callable[..., Checkpoint]


def make_dataset(source: Path | None, size: int) -> None:
    """A dataset to train on: drawn lesions, or the images of a .npy file with labels made up in turn."""
    if source is None:
        make_phantom(DATA, images=192, size=size)
    else:
        pixels = np.load(source, mmap_mode="r", allow_pickle=False)
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise InvalidValue(f"{source} holds {pixels.dtype} {pixels.shape}.", f"Give uint8 images of shape (N, {size}, {size}, 3).")
        with files.new_folder(folder_of(DATA)) as folder:
            writer = DatasetWriter(folder, size)
            for number, image in enumerate(pixels):
                digest = files.sha256_bytes(image.tobytes())
                row = {"image_id": f"{number:06d}", "label": CLASSES[number % 2], "byte_sha256": digest, "pixel_sha256": digest}
                unknown = dict.fromkeys(("diagnosis", "patient_id", "lesion_id", "source", "licence", "file"), "")
                writer.append(image, phash=phash(image), **row, **unknown)
            report = ImportReport(("npy",), len(pixels), len(pixels), 0, 0, 0, 0, ("Labels are made up.",))
            writer.finish(DATA, CLASSES, {"size": size}, report)
    make_split(DATA)


def measure(train: Train, prepare: Callable[[], Run], steps: int, on: torch.device) -> tuple[Result, Checkpoint]:
    """Train straight, and again with a stop half-way; returns speed, memory and how the ends compare, and the straight training's end."""
    straight, broken = prepare(), prepare()
    ticks: list[dict[str, Any]] = []
    if on.type == "cuda":
        torch.cuda.reset_peak_memory_stats(on)
    start = time.perf_counter()
    train(straight.id, on_tick=ticks.append)
    seconds = time.perf_counter() - start
    asked = iter(range(1, steps + 1))
    stopped = train(broken.id, should_stop=lambda: next(asked) == steps // 2)
    train(broken.id)
    ends = [runs.list_checkpoints(run.id)[-1] for run in (straight, broken)]
    difference = largest_weight_difference(*ends)
    result = {
        "steps": ends[0].step,
        "seconds": round(seconds, 2),
        "images_s": ticks[-1]["images_per_second"],  # of the last tick: the first one warms up
        "peak_MiB": round(torch.cuda.max_memory_allocated(on) / 2**20) if on.type == "cuda" else None,
        "resume_diff": difference,
        "ok": (stopped.step, ends[0].step, ends[1].step) == (steps // 2, steps, steps) and difference == 0,
    }
    return result, ends[0]


def compare_graphs(prepare: Callable[[], Run], made: Checkpoint) -> Result:
    """Train once more, launching every kernel by itself, and hold the end against ``made``, whose steps were captured as graphs."""
    eager = prepare()
    ticks: list[dict[str, Any]] = []
    os.environ["GAN_AUG_CUDA_GRAPHS"] = "0"
    try:
        train_gan.train(eager.id, on_tick=ticks.append)
    finally:
        del os.environ["GAN_AUG_CUDA_GRAPHS"]
    difference = largest_weight_difference(made, runs.list_checkpoints(eager.id)[-1])
    return {"graph_diff": difference, "eager_images_s": ticks[-1]["images_per_second"]}


def largest_weight_difference(one: Checkpoint, other: Checkpoint) -> float:
    a, b = checkpoint.load_sampled(one), checkpoint.load_sampled(other)
    return max(float((a[name].double() - b[name].double()).abs().max()) for name in a)


@torch.inference_mode()
def compare_pictures(made: Checkpoint, on: torch.device) -> Result:
    """The device's pictures against ONNX Runtime's on the CPU: largest difference of any pixel value, 0 to 255, without and with TF32.

    ``spread`` is the standard deviation of the pixel values: pictures of one grey would agree whatever the device did.
    """
    G, config, n_classes = export.load_generator(made)
    z = latent.z_of_seeds(list(range(PICTURES)), config.z_dim)
    y = np.arange(PICTURES) % n_classes if n_classes else None
    reference = render.open_renderer(export.export_onnx(made)).render(z, y)
    result = {"spread": round(float(reference.std()), 1)}
    for name, tf32 in (("picture_diff", False), ("tf32_diff", True)):
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
            generated = G.to(on)(torch.from_numpy(z).to(on), None if y is None else torch.from_numpy(y).to(on))
        pixels = images.to_uint8(generated.permute(0, 2, 3, 1).cpu().numpy())
        result[name] = int(np.abs(pixels.astype(int) - reference.astype(int)).max())
    return result


def smoke_gan(name: str, size: int, steps: int, on: torch.device) -> Result:
    """Train, resume and generate with one GAN, its preset small-data."""
    step_kimg = BATCH * catalog.gan_config(name).d_steps / 1000
    tick = steps // 2 * step_kimg
    settings = {"resolution": size, "batch_size": BATCH, "total_kimg": (steps - 0.5) * step_kimg, "tick_kimg": tick, "snapshot_kimg": tick}
    settings["r1_every"] = 4  # often enough for the steps with R1 to be captured, too

    def prepare() -> Run:
        return train_gan.prepare(name, DATA, settings=settings, device_name=str(on))

    result, made = measure(train_gan.train, prepare, steps, on)
    if device.graphs_wanted(on):
        result |= compare_graphs(prepare, made)
    result |= compare_pictures(made, on)
    return {"name": name, **result, "ok": result["ok"] and result["picture_diff"] <= 1 and not result.get("graph_diff")}


def smoke_classifier(size: int, steps: int, on: torch.device) -> Result:
    """Train, resume and predict with EfficientNet-b0 under classic augmentation."""
    name = "efficientnet-b0"
    try:
        from gan_aug import classifier, train_classifier
    except ModuleNotFoundError as error:
        return {"name": name, "ok": True, "skipped": f"the package {error.name} is missing"}
    config = ClassifierConfig(backbone=name, resolution=size, batch_size=BATCH, steps=steps, evaluate_every=steps // 2)
    result, made = measure(
        train_classifier.train, lambda: train_classifier.prepare(DATA, "standard", config, device_name=str(on)), steps, on
    )
    _, model, _ = train_classifier.load_classifier(made.id, str(on))
    rows = np.array(load_split(DATA).rows("val"))
    cpu = torch.device("cpu")
    there = classifier.probabilities(model, open_dataset(DATA).at(size), rows, on)
    here = classifier.probabilities(model.to(cpu), open_dataset(DATA).at(size), rows, cpu)
    difference = float(np.abs(there - here).max())
    return {"name": name, **result, "score_diff": difference, "ok": result["ok"] and difference <= PROBABILITY_TOLERANCE}


def print_table(results: list[Result]) -> None:
    cells = [COLUMNS, *([_text(result.get(column)) for column in COLUMNS] for result in results)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    for result in results:
        if "skipped" in result:
            print(f"{result['name']} was skipped: {result['skipped']}.")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="uint8 images (N, size, size, 3) as .npy; drawn ones without")
    parser.add_argument("--size", type=int, default=64, choices=(64, 128, 256), help="side of the images [px]")
    parser.add_argument("--steps", type=int, help="steps of each training, an even number; default 40 on a GPU, 2 on a CPU")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--json", type=Path, help="write the results here")
    arguments = parser.parse_args()
    on = device.pick(arguments.device)
    steps = arguments.steps or (40 if on.type == "cuda" else 2)
    if steps < 2 or steps % 2:
        parser.error("--steps must be an even number, 2 or above")
    if arguments.images and not arguments.images.is_file():
        parser.error(f"there is no file {arguments.images}")
    print(f"gan_aug {__version__}, torch {torch.__version__}, Python {platform.python_version()}, {device.describe(on)}")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which the next line wants
    torch.use_deterministic_algorithms(True, warn_only=True)  # a difference then means an error
    if on.type == "cpu":
        print("No GPU is used: everything runs on the CPU.")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"GAN_AUG_HOME": f"{folder}/workspace", "GAN_AUG_CHECKPOINTS": f"{folder}/checkpoints"}
        make_dataset(arguments.images, arguments.size)
        results = []
        for name in catalog.ENTRIES:
            print(f"{name} ...", flush=True)
            results.append(smoke_gan(name, arguments.size, steps, on))
        print("efficientnet-b0 ...", flush=True)
        results.append(smoke_classifier(arguments.size, steps, on))
    print_table(results)
    ok = all(result["ok"] for result in results)
    if arguments.json:
        machine = {"torch": torch.__version__, "python": platform.python_version(), "device": device.describe(on), "size": arguments.size}
        files.write_json(arguments.json, {"gan_aug": __version__, **machine, "ok": ok, "results": results})
    print("Every check held." if ok else "A check failed.")
    return 0 if ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(str(error))
