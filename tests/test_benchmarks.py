"""Benchmarks run: a script that nobody runs for months must not have stopped working when it is wanted."""

import json
import os
import subprocess
import sys
from pathlib import Path

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
