"""Records: validation on construction, JSON there and back, typed settings."""

import dataclasses
import json
from typing import Any, Literal

import pytest

from gan_aug import fields
from gan_aug.errors import InvalidValue, UnknownKey
from gan_aug.records import ClassifierConfig, Dataset, GanConfig, ImportReport, from_dict, parse_settings, spelled, to_dict


def test_a_config_survives_json():
    config = GanConfig(augment=("translation", "cutout"), g_lr=1e-4)
    assert from_dict(GanConfig, json.loads(json.dumps(to_dict(config)))) == config


def test_nested_records_survive_json():
    report = ImportReport(("ham10000",), 3, 2, 1, 0, 0, 0, ("One note.",))
    dataset = Dataset("ham", ("benign", "malignant"), 2, 128, ("ham",), "ab", "2026-01-01", report)
    assert from_dict(Dataset, json.loads(json.dumps(to_dict(dataset)))) == dataset


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("resolution", 100),
        ("resolution", 64.0),
        ("batch_size", 1),
        ("batch_size", True),
        ("g_lr", float("nan")),
        ("g_lr", 0.0),
        ("d_lr", "fast"),
        ("beta1", 1.0),
        ("real_label", 0.4),
        ("gp_weight", float("inf")),
        ("total_kimg", -1.0),
        ("augment", ("blur",)),
        ("augment", "cutout"),
        ("precision", "fp16"),
        ("architecture", "resnet"),
        ("channels_last", 1),
    ],
)
def test_impossible_values_are_named(setting, value):
    with pytest.raises(InvalidValue, match=setting):
        GanConfig(**{setting: value})


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A record with every kind of field."""

    names: tuple[str, ...] = ()
    rows: tuple[tuple[int, ...], ...] = ()
    report: ImportReport | None = None
    count: int | None = None
    paper: Literal["plain", "lined"] = "plain"
    more: dict[str, Any] = dataclasses.field(default_factory=dict)
    public: bool = False


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("names", ("a", 1), "a list, each of it a text"),
        ("rows", ((1, 2), (3, 4.5)), "a list, each of it a list, each of it a whole number"),
        ("report", {"sources": []}, "of type ImportReport or nothing"),
        ("count", True, "a whole number or nothing"),
        ("paper", "squared", "'plain' or 'lined'"),
        ("more", {"loss": float("nan")}, "names with values that JSON can hold"),
        ("public", 1, "true or false"),
    ],
)
def test_a_value_of_another_type_is_refused_however_deep_it_lies(field, value, allowed):
    fields.check_types(Sheet(names=("a",), rows=((1,), ()), count=3, paper="lined", more={"loss": [0.5, None]}))
    with pytest.raises(InvalidValue) as caught:
        fields.check_types(Sheet(**{field: value}))
    assert (caught.value.what, caught.value.todo) == (f"{field} cannot be {value!r}.", f"It must be {allowed}.")


def test_unknown_keys_are_named_with_those_there_are():
    with pytest.raises(UnknownKey, match="'batch'") as caught:
        from_dict(GanConfig, {"batch": 3})
    assert "batch_size" in caught.value.todo


@pytest.mark.parametrize(("kimg", "steps"), [(32.112, 2007), (32.113, 2008), (0.016, 1), (0.001, 1), (100, 6250)])
def test_a_training_has_no_step_too_many(kimg, steps):
    assert GanConfig(batch_size=16, total_kimg=float(kimg)).total_steps == steps


def test_frozen_random_features_are_refused():
    with pytest.raises(InvalidValue, match="frozen_blocks"):
        ClassifierConfig(frozen_blocks=3)
    assert ClassifierConfig(frozen_blocks=3, weights="b0.pt").frozen_blocks == 3


def test_settings_are_read_in_the_type_of_their_field():
    texts = ["batch_size=32", "g_lr=1e-4", "augment=translation,cutout", "channels_last=false", "precision=bf16"]
    assert parse_settings(GanConfig, texts) == {
        "batch_size": 32,
        "g_lr": 1e-4,
        "augment": ("translation", "cutout"),
        "channels_last": False,
        "precision": "bf16",
    }
    assert parse_settings(GanConfig, ["augment=none"]) == {"augment": ()}
    assert parse_settings(ClassifierConfig, ["weights=none"]) == {"weights": None}
    assert parse_settings(ClassifierConfig, ["weights=b0.pt"]) == {"weights": "b0.pt"}


@pytest.mark.parametrize(
    "record",
    [
        GanConfig(batch_size=48, g_lr=1e-5, augment=("translation", "cutout"), dihedral=True, channels_last=False),
        GanConfig(),
        ClassifierConfig(weights="b0.pt"),
        ClassifierConfig(),
    ],
)
def test_settings_are_spelled_as_they_are_read(record):
    texts = [f"{name}={spelled(value)}" for name, value in to_dict(record).items()]
    assert type(record)(**parse_settings(type(record), texts)) == record


@pytest.mark.parametrize("text", ["batch_size", "batch_size=many", "batch_size=3.5", "channels_last=1", "g_lr=", "speed=3"])
def test_wrong_settings_are_refused(text):
    with pytest.raises((InvalidValue, UnknownKey)):
        parse_settings(GanConfig, [text])


def test_a_setting_that_is_named_twice_is_refused():
    with pytest.raises(InvalidValue) as caught:
        parse_settings(GanConfig, ["width=8", "batch_size=4", "width=9"])
    assert (caught.value.what, caught.value.todo) == ("width is set twice, the second time to '9'.", "Set it once.")
