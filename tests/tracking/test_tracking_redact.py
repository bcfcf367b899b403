from __future__ import annotations

import pytest

from translate.tracking.redact import flatten, is_secret, masked, redact
from translate.tracking.run import compared


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_password",
        "api_key",
        "apiKey",
        "HF_TOKEN",
        "source.token",
        "aws-secret",
        "access_key",
        "credentials",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["tokens", "num_tokens", "key", "keys", "keep", "passwords_file_count", "secretary"])
def test_names_that_only_look_secret(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("https://me:pw@host/x", "https://***@host/x"),
        ("postgresql://user:p%40ss@db:5432/mlflow", "postgresql://***@db:5432/mlflow"),
        ("https://host/x?token=abc&size=3", "https://host/x?token=***&size=3"),
        ("https://host/x?size=3&X-Amz-Signature=ab#top", "https://host/x?size=3&X-Amz-Signature=***#top"),
        ("https://host/x?key=abc", "https://host/x?key=***"),
        ("https://host/monkey=abc", "https://host/monkey=abc"),
        ("mail me@host", "mail me@host"),
        ("a: b", "a: b"),
    ],
)
def test_urls(before: str, after: str) -> None:
    assert redact(before) == after


def test_nested_values_keep_their_shape() -> None:
    value = {"a": [{"password": ["x", "y"], "b": 1}], "c": "ftp://u:p@h", "d": None}
    assert masked(value) == {"a": [{"password": "***", "b": 1}], "c": "ftp://***@h", "d": None}


def test_flatten() -> None:
    value = {"optimizer": {"lr": 2e-4, "betas": (0.5, 0.999)}, "augment": [{"uses": "flip"}], "empty": {}, "token": "x"}
    assert flatten(value) == {
        "optimizer.lr": "0.0002",
        "optimizer.betas": "0.5, 0.999",
        "augment.0.uses": "flip",
        "token": "***",
    }


def test_a_single_training_is_compared_without_its_name_in_front() -> None:
    options = {"method": "m", "options": {"pool": 5}, "losses": {"l1": 100}, "max_steps": None, "workers": 3}
    train = {"with": {**options, "optimizer": {"lr": 1e-3, "eps": 1}}}
    document = {"seed": 7, "stages": {"prepare": {"with": {"size": 3}}, "train": train}}
    assert compared(document) == {"method": "m", "lr": 1e-3}
    document["stages"] = {"one": train, "two": train}  # type: ignore[dict-item]
    assert flatten(compared(document)) == {"one.method": "m", "two.method": "m"}
