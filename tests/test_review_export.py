"""A batch as a folder to take away: whole or not at all."""

import csv
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up import make_batch, make_blind_batch
from test_readings import answer_all, right

from gan_aug import files, reviews, store
from gan_aug.errors import CorruptFile, InvalidValue, UserError


@pytest.fixture(params=["absent", "empty"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A place for an export that is not there yet, or is an empty folder."""
    place = tmp_path / "out"
    if request.param == "empty":
        place.mkdir()
    return place


def left(out: Path) -> list[Path]:
    """What lies in a folder and, where it began to be made, beside it."""
    return [*(out.iterdir() if out.exists() else ()), *out.parent.glob(".out*")]


def test_what_failed_at_a_missing_picture_goes_through_once_it_is_mended(workspace: Path, out: Path) -> None:
    make_batch("b", 5)
    lost = [store.cases("b")[place].path for place in (2, 4)]
    content = [path.read_bytes() for path in lost]
    lost[0].unlink()
    lost[1].write_bytes(content[0])
    was_there = out.exists()
    for _ in range(2):
        with pytest.raises(CorruptFile, match=r"2\.png is missing, or is not the picture that was judged \(2 pictures in all\)"):
            reviews.export("b", out)
        assert out.exists() == was_there and left(out) == []
    for path, each in zip(lost, content, strict=True):
        path.write_bytes(each)
    assert reviews.export("b", out).table == out / "decisions.csv"
    assert sorted(path.name for path in (out / "images").iterdir()) == [f"{place}.png" for place in range(5)]
    with pytest.raises(InvalidValue, match="not an empty folder"):
        reviews.export("b", out)


def test_a_disk_that_fills_up_leaves_nothing_behind(workspace: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_batch("b", 3)

    def full(real: Callable[..., None]) -> Callable[..., None]:
        calls = []

        def refuse(*arguments: object) -> None:
            calls.append(arguments)
            if len(calls) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(*arguments)

        return refuse

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full(shutil.copyfile))
        with pytest.raises(UserError, match="out cannot be written: No space left on device"):
            reviews.export("b", out)
    assert left(out) == []
    reviews.export("b", out)


def test_a_batch_of_both_kinds_is_exported_with_seeds_that_are_whole_numbers(workspace: Path, out: Path) -> None:
    cases = make_blind_batch("b", n=10, repeats=2)
    answer_all("b", "ana", cases, right)
    store.close_batch("b")
    with reviews.export("b", out).table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        made = cases[row["image"]].synthetic
        assert row["seed"] == (str(made.seed) if made else "")
        assert (row["reason"], row["class"]) == ("", "")
    assert files.sha256_file(out / rows[0]["file"]) == rows[0]["sha256"]
