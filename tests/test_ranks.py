"""Several processes that train one GAN: two of them, over gloo, some started as a user starts them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import preloaded
import pytest
import rank_tasks
import torch
from served import free_port

from gan_aug import checkpoint, runs, train_gan
from gan_aug.errors import InvalidValue
from gan_aug.records import GanConfig, from_dict
from gan_aug.train_gan.ranks import Ranks, digest
from gan_aug.train_gan.state import TrainingImages

ROOT = Path(__file__).resolve().parent.parent


def prepare(name: str, **more: object) -> str:
    """A run of twelve steps of eight images for each step of D, with a snapshot every four."""
    step = 8 * more.get("d_steps", 1) / 1000
    settings = {"z_dim": 8, "width": 4, "batch_size": 8, "ema_kimg": 0.05, "r1_every": 2}
    settings |= {"total_kimg": 12 * step, "tick_kimg": 2 * step, "snapshot_kimg": 4 * step, **more}
    return train_gan.prepare(name, "phantom", settings=settings, seed=3, device_name="cpu").id


def launch(function: Callable[..., None], *arguments: object, processes: int = 2) -> list[preloaded.Child]:
    """Call a function in several processes, whose environment tells them their place; its first argument is the rank."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "CUDA_VISIBLE_DEVICES": ""}
    place |= dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(processes))
    places = [{**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return [preloaded.Child(function, rank, *arguments, environment=places[rank]) for rank in range(processes)]


def on_two_ranks(folder: Path, task: str, *run_ids: str, fails: bool = False) -> list[dict]:
    """What each of the two ranks has seen of a task of rank_tasks.py."""
    assert [child.wait(300) for child in launch(rank_tasks.perform, folder, task, *run_ids)] == [fails, fails]
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


def saved_digest(run_id: str) -> str:
    """Digest of what the last snapshot holds, computed as the ranks compute theirs."""
    weights = checkpoint.load_snapshot(runs.list_checkpoints(run_id)[-1]).weights

    class Holder:
        def __init__(self, values):
            self.values = values

        def state_dict(self):
            return self.values

    training = train_gan.state.build_training(runs.load_run(run_id), torch.device("cpu"))
    return digest(Holder({key: weights[name][key] for key in network.state_dict()}) for name, network in training.networks.items())


# One with batch statistics, R1 and adaptive DiffAugment, one with two penalties and none of these, one whose D changes buffers in every
# pass, one with two D steps, and one with classes.
@pytest.mark.parametrize(
    ("name", "more"), [("dcgan", {"augment_target": 0.01}), ("r3gan", {}), ("sngan", {}), ("wgan_gp", {"d_steps": 2}), ("acgan", {})]
)
def test_two_ranks_hold_the_same_weights_and_a_resumed_run_ends_with_those_of_an_uninterrupted_one(phantom, tmp_path, name, more):
    straight, broken = prepare(name, **more), prepare(name, **more)
    first, second = on_two_ranks(tmp_path, "train", straight, broken)
    assert first == second
    assert (first["share"] or 0) > 0 if "augment_target" in more else first["share"] is None
    assert first["stopped_at"] == 5
    assert first["straight"] == first["broken"] == saved_digest(straight) == saved_digest(broken)

    # Only one of them has written.
    for run_id in (straight, broken):
        assert [line["step"] for line in runs.read_stats(run_id)[0]][-1] == 12
        assert runs.status(run_id).state == "finished"
    assert [line["step"] for line in runs.read_stats(straight)[0]] == [2, 4, 6, 8, 10, 12]
    assert runs.log_tail(straight).count("Starting at step 0 of 12 on cpu") == 1
    assert "2 processes" in runs.log_tail(straight)
    assert [saved.step for saved in runs.list_checkpoints(straight)] == [4, 8, 12]


def test_two_ranks_learn_from_the_whole_batch(phantom, tmp_path):
    """A D without batch statistics: the averaged gradients are those of one process, R1's double backward included."""
    run_id = prepare("r3gan", dihedral=False)
    first, second = on_two_ranks(tmp_path, "gradients", run_id)
    assert first == second
    assert first["images"] == 4
    run = runs.load_run(run_id)
    training = train_gan.state.build_training(run, torch.device("cpu"))
    data = train_gan.state.TrainingImages(run, training.config, torch.device("cpu"))
    data.load(0)
    x, _ = data.batch(0)
    assert len(x) == 8
    (training.D(x).mean() + train_gan.loop.r1_penalty(training.D, x)).backward()
    expected = [parameter.grad.double().sum().item() for parameter in training.D.parameters()]
    assert any(abs(value) > 1e-3 for value in expected)
    assert first["gradients"] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_weights_that_differ_are_never_saved(phantom, tmp_path):
    run_id = prepare("dcgan")
    first, second = on_two_ranks(tmp_path, "differ", run_id, fails=True)
    assert first == second
    assert "At step 8 the weights of rank 1 differ" in first["error"]
    assert [saved.step for saved in runs.list_checkpoints(run_id)] == [4]
    assert runs.status(run_id).state == "failed"


def test_a_rank_that_fails_ends_the_others(phantom, tmp_path):
    run_id = prepare("dcgan")
    first, second = on_two_ranks(tmp_path, "fail", run_id, fails=True)
    assert second["error"] == "UserError: The plug was pulled."
    assert first["error"] == "OtherRankFailed: Another process of this training failed (rank 1: The plug was pulled.)."
    status = runs.status(run_id)
    assert status.state == "failed" and "The plug was pulled" in status.message
    assert [saved.step for saved in runs.list_checkpoints(run_id)] == [4]


# --- from the console --------------------------------------------------------------------------------------------------------------------


TRAIN = ("gan_aug", "train", "dcgan", "--data", "phantom", "--batch", "8", "--device", "cpu", "--set", "width=4", "--set", "z_dim=8")


def torchrun(*more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", *TRAIN, *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    options = {"cwd": ROOT, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, start_new_session=True, **options)


def test_torchrun_trains_one_run(phantom):
    with torchrun("--kimg", "0.08", "--set", "tick_kimg=0.016") as child:
        out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err[-3000:]
    (run,) = runs.list_runs()
    assert out.split() == [run.id]
    assert runs.status(run.id).state == "finished"
    assert [line["step"] for line in runs.read_stats(run.id)[0]] == [2, 4, 6, 8, 10]
    assert "2 processes" in runs.log_tail(run.id)


@pytest.mark.parametrize(
    ("processes", "more", "said"),
    [(2, ("--class", "cat"), ["has no class 'cat'"]), (3, (), ["8 images cannot be shared out to 3 processes", "--batch 9"])],
)
def test_what_is_wrong_is_said_and_leaves_no_run(phantom, tmp_path, processes, more, said):
    assert all(child.wait(300) for child in launch(rank_tasks.console, tmp_path, *TRAIN, *more, processes=processes))
    assert all(words in (tmp_path / "rank-0.txt").read_text() for words in said)
    assert runs.list_runs() == []


def test_ctrl_c_saves_a_snapshot_from_which_the_run_goes_on(phantom):
    """torchrun passes a Ctrl-C on that a terminal has sent to all processes already: each hears it twice."""
    with torchrun("--set", "tick_kimg=0.016") as child:
        run_id = child.stdout.readline().strip()
        while not runs.read_stats(run_id)[0]:
            time.sleep(0.1)
            assert child.poll() is None, child.stderr.read()[-3000:]
        os.killpg(child.pid, signal.SIGINT)
        child.communicate(timeout=120)
    status = runs.status(run_id)
    assert status.state == "stopped"
    assert [saved.step for saved in runs.list_checkpoints(run_id)] == [status.step]
    assert not list(runs.run_folder(run_id).rglob("*.tmp"))


# --- one process -------------------------------------------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_shared_out_is_refused():
    assert Ranks(1, 4).share(8) == 2
    for batch_size in (9, 4):
        with pytest.raises(InvalidValue, match=f"{batch_size} images cannot be shared out to 4") as refusal:
            Ranks(0, 4).share(batch_size)
        advised = int(refusal.value.todo.split("--batch ")[1])
        assert Ranks(0, 4).share(advised) >= 2


def test_each_rank_sees_its_share_of_the_images_with_their_classes(phantom):
    run = runs.load_run(prepare("acgan", d_steps=2, dihedral=False))
    config = from_dict(GanConfig, run.config)
    whole, *shares = (TrainingImages(run, config, torch.device("cpu"), ranks) for ranks in (Ranks(), Ranks(0, 2), Ranks(1, 2)))
    for step in range(3):
        for data in (whole, *shares):
            data.load(step)
        for turn in range(2):
            images, labels = whole.batch(turn)
            assert set(labels.tolist()) == {0, 1}
            (first, first_labels), (second, second_labels) = (data.batch(turn) for data in shares)
            assert len(first) == len(second) == 4
            assert torch.equal(torch.cat([first, second]), images)
            assert torch.equal(torch.cat([first_labels, second_labels]), labels)


def test_alone_nothing_is_exchanged():
    ranks, network = Ranks(), torch.nn.Linear(2, 2)
    assert ranks.main and ranks.share(3) == 3 and ranks.key() == ()
    assert ranks.stop(True) and not ranks.stop(False)
    assert ranks.from_main(lambda: 7) == 7
    ranks.average_gradients(network)
    assert network.weight.grad is None
