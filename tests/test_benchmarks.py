"""Benchmarks run: a script that nobody runs for months must not have stopped working when it is wanted."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_aug import catalog
from gan_aug.records import to_dict

ROOT = Path(__file__).resolve().parent.parent


def run(script: str, *options: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), *options],
        env={**os.environ, "GAN_AUG_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_benchmark_of_metrics_runs_and_finds_equal_results(tmp_path: Path) -> None:
    done = run("metrics_speed.py", "--quick", "--rounds", "2", "--out", str(tmp_path / "found.json"), home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["quick"]
    assert set(found["found"]) == {"frechet", "frechet, singular", "extractor"}
    for one in found["found"].values():
        assert one["largest_difference"] <= one["tolerance"]
        assert len(one["rounds"]) == 2
        for unit in ("wall", "processor"):
            middle, least, most = one["ratios"][unit]
            first, second = (timing["theirs"][unit] / timing["ours"][unit] for timing in one["rounds"])
            assert [least, most] == sorted((first, second))
            assert middle == (first + second) / 2


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_chequerboard_is_found_at_its_period(period: int) -> None:
    energies = runpy.run_path(str(ROOT / "benchmarks" / "chequerboard.py"))["energies"]
    rng = np.random.default_rng(0)
    plain = rng.normal(128, 20, (200, 64, 64, 3))
    assert energies(plain) == pytest.approx([1, 1, 1], abs=0.1)
    wave = np.cos(2 * np.pi * np.arange(64) / period)
    along_rows = energies(plain + 4 * wave[:, None])  # (64, 1) broadcasts over channels: it changes from column to column
    found = dict(zip((2, 4, 8), along_rows, strict=True))
    assert found.pop(period) > 1.5
    assert list(found.values()) == pytest.approx([1, 1], abs=0.1)


def test_the_table_of_presets_averages_seeds_of_one_split(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = {"data": "d", "split": "new", "gan": "dcgan", "kimg": 100.0, "extractor": "derm", "weights_sha256": "w", "floor": {"kid": 0.01}}
    trained = [
        {"split": "old", "recipe": "small-data", "seed": 0, "arithmetic": "bf16", "part": "val", "kid": 9.0},
        {"recipe": "small-data", "seed": 1, "arithmetic": "fp32", "part": "val", "kid": 0.2},
        {"recipe": "small-data", "seed": 0, "arithmetic": "fp32", "part": "val", "kid": 0.1},
        {"recipe": "small-data", "seed": 1, "arithmetic": "bf16", "part": "val", "kid": 0.4},
        {"recipe": "small-data", "seed": 1, "arithmetic": "bf16", "part": "test", "kid": 0.5},
        {"recipe": "aidl21+width=48", "seed": 0, "arithmetic": "fp32", "part": "val", "kid": 0.7},
        {"recipe": "aidl21+width=48", "seed": 0, "arithmetic": "fp32", "part": "val", "kid": 9.0, "real_groups": 3},
        {"recipe": "small-data+r1_gamma=1", "seed": 0, "arithmetic": "fp32", "part": "val", "kid": 9.0},
        {"recipe": "small-data", "seed": 2, "arithmetic": "fp32", "part": "val", "kid": 9.0, "kimg": 40.0},
    ]
    configs = {
        "small-data": catalog.gan_config("dcgan"),
        "aidl21+width=48": catalog.gan_config("dcgan", "aidl21", width=48),
        "small-data+r1_gamma=1": catalog.gan_config("dcgan", r1_gamma=1.0),
    }
    rows = [usual | row | {"config": to_dict(configs[row["recipe"]])} for row in trained]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "small_data.py"))
    monkeypatch.setitem(benchmark["rows"].__globals__, "RESULTS", tmp_path / "rows.jsonl")
    assert benchmark["summary"]().splitlines()[2:] == ["| `d`, DC-GAN | 0.200 (0.100, 0.300) | 0.700 | - | 0.010 | 0.500 |"]


def test_a_recipe_is_named_after_the_preset_as_it_is_now() -> None:
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "small_data.py"))
    recipe_of, settings_of = benchmark["recipe_of"], benchmark["settings_of"]
    config = to_dict(catalog.gan_config("dcgan", total_kimg=7.0, precision="bf16"))
    assert recipe_of("dcgan", "small-data", config) == "small-data", "length and arithmetic are the cell's"
    assert recipe_of("dcgan", "small-data", config | {"d_lr": 0.1, "augment": []}) == "small-data+d_lr=0.1,augment=none"
    assert recipe_of("dcgan", "small-data", config | {"gp_weight": 3.0}) == "small-data", "of a setting that DC-GAN does not read"
    older = {name: value for name, value in config.items() if name != "upsampling"}  # from before there was another
    assert recipe_of("dcgan", "small-data", older) == "small-data+upsampling=transposed"

    for row in benchmark["rows"]():
        preset, settings = settings_of(row)
        again = to_dict(catalog.gan_config(row["gan"], preset, **settings))
        assert recipe_of(row["gan"], preset, again) == row["recipe"]
