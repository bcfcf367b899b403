"""Secrets of many kinds are masked wherever they stand, and what only resembles one stays."""

from __future__ import annotations

import pytest
from yardstick import additions_of

from translate.tracking.redact import is_secret, masked, redact

X = "hunter2xyz"
LONG = "Planted0123456789abcdefghijABCDEFGHIJ"

PLACES = [
    f"password = {X}",
    f"password={X}",
    f"db.password = {X} ; production",
    f"--password {X}",
    f"train --api-key '{X} two' --lr 1",
    f"['train', '--password', '{X}']",
    f"password: correct horse {X}",
    f"  passphrase: correct horse {X}",
    f"export PASSWORD = {X}",
    f"password: |\n  first\n  {X}\nsize: 3",
    f"password:\n  {X}",
    f"password:\n  correct horse\n  {X}\nsize: 3\n",
    f"  db:\n    password:  # of the database\n      {X}\n\n  size: 3",
    f"- token:\n    {X}\n- size: 3",
    f"[db]\npassword =\n    {X}\nuser = me\n",
    f"api_key=\n\t{X}",
    f"credentials:\n  user: me\n  value: {X}\nsize: 3",
    f"secrets:\n  - {X}\n  - other{X}\n",
    f"{{'notes': ['[db]\\\\npassword:\\\\n  {X}\\\\nsize: 3']}}",
    f"me:{X}@host",
    f"me:{X}@db.example:5432/x",
    f"mirror = me:{X}@mirror.example/x.zip",
    f"('me:{X}@10.0.0.1', 3)",
    f"me:{X}@localhost",
    f"proxy me:p:{X}@proxy:3128 does not answer",
    f"{{user: me, password: {X}}}",
    f'{{"password": "a\\"{X}", "b": 1}}',
    f'{{\\"password\\": \\"{X}\\"}}',
    f"<password>{X}</password>",
    f"login failed, password: {X}",
    f"the password is {X}",
    f"api key {LONG}",
    f"Server=h;Database=d;Uid=u;Pwd={X};",
    f"password=ab;{X}",
    f"postgres://u:p@ss/{X}@h",
    f"postgres://u:p'{X}@h/db",
    f"postgres://u:1#{X}@h/db",
    f"amqp://:{X}@h:5672/",
    f"https://{X}@sentry.io/12",
    f"https://hooks.slack.com/services/T00000000/B00000000/{X}",
    f"https://discord.com/api/webhooks/123/{X}",
    f"https://api.telegram.org/bot123456789:{X}/send",
    f"https://acc.blob.core.windows.net/c?sv=2024&sig={X}%3D&se=2",
    f"SharedAccessSignature sig={X}&sr=x",
    f"SharedAccessSignature=sv=1&sig={X}",
    f"https://h/cb?access_token={X}&state=1",
    f"Authorization: Basic {X}",
    f'Authorization: Digest username="me", response="{X}"',
    f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, Signature={X}",
    f"curl -H 'Authorization: token {X}' https://h",
    f"curl -H 'PRIVATE-TOKEN: {X}' https://h",
    f"curl -u me:{X} https://h",
    f"{{'Authorization': 'Basic {X}', 'a': 'b'}}",
    f"('Authorization', 'Basic {X}')",
    f"Cookie: a=b; sid={X}",
    f"Set-Cookie: sid={X}; Path=/",
    f"machine h login me password {X}",
    f"machine h\n  login me\n  password {X}\n",
    f"mysql -h h -p{X}",
    f"-----BEGIN PRIVATE KEY-----\n{X}\n-----END PRIVATE KEY-----",
    f"-----BEGIN RSA PRIVATE KEY-----\n{X}",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{X}\n-----END PGP PRIVATE KEY BLOCK-----",
    f'"private_key": "-----BEGIN PRIVATE KEY-----\\n{X}\\n-----END PRIVATE KEY-----\\n"',
    f'"private_key_id": "{X}"',
]
"""Texts that hold a secret of no form of its own."""


@pytest.mark.parametrize("text", PLACES)
def test_a_secret_is_masked_by_its_place(text: str) -> None:
    clean = redact(text)
    assert X not in clean and LONG not in clean
    assert "***" in clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        f"ghp_{LONG}",
        f"github_pat_{LONG}",
        f"glpat-{LONG}",
        f"hf_{LONG}",
        f"sk-proj-{LONG}",
        "xoxb-1234567890-planted-abcd",
        "xapp-1-A0123-456-abcdef",
        f"GOCSPX-{LONG}",
        "123456789:AAE-abcdefghijklmnopqrstuvwxyz01234",
        "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.c2lnbmF0dXJlLXBsYW50ZWQ",
        f"dckr_pat_{LONG}",
        f"hvs.{LONG}",
        f"npm_{LONG}",
        "A" * 86 + "==",
    ],
)
def test_a_secret_is_masked_by_its_form(token: str) -> None:
    for text in (token, f"clone with {token}, then go", f'"{token}"', f"https://h/{token}/x"):
        assert token not in redact(text)


@pytest.mark.parametrize(
    "name",
    [
        "webhook",
        "webhook_url",
        "slack.webhookUrl",
        "license_key",
        "deploy_key",
        "bearer",
        "auth_header",
        "connection_string",
        "sas",
        "sas_url",
        "otp",
        "github_pat",
        "dsn",
        "SENTRY_DSN",
        "private_key_id",
        "seed_phrase",
        "PGPASSWORD",
        "pass",
        "db_pass",
    ],
)
def test_names_of_options_that_hold_secrets(name: str) -> None:
    assert is_secret(name)
    assert masked({name: "abc"}) == {name: "***"}
    assert X not in redact(f"{name}: {X}") + redact(f"{name}={X}") + redact(f"{name} = {X}")


ORDINARY = [
    "key: l1",
    "key = l1",
    "sort_key: name",
    "author: me",
    "author = Jane Doe",
    "tokenizer: bpe",
    "tokens = 512",
    "max_tokens: 512",
    "pass: 2",
    "pass = 2",
    "low_pass: 0.25",
    "compass: 12",
    "keypoints: 17",
    "header: true",
    "pattern: '*.png'",
    "path: data/pat/1",
    "string: abc",
    "url: https://host/x.zip",
    "otpimal = 3",
    "https://host:8080/@user/x",
    "http://host:8080?mail=me@host",
    "['http://host:80', 'me@host']",
    "ssh://host:22/a@b",
    "https://medium.com/@me/post",
    "mail me@host.org at 12:30",
    "12:30@studio",
    "at 12:30@studio.example, cam:12:30@studio.example",
    "img_12:30:05@cam1.png",
    "2026-11-29T12:30@lab",
    "photo:big@2x.png",
    "shot1:take2b@night.jpg",
    "train:cycle@best",
    "models:/maps-cyclegan@best",
    "python:3.12-slim@sha256:0123abcd",
    "npm:react@18.2.0",
    "mailto:jane@host.org",
    "Author:jane@host.org",
    "git@host.org:me/x.git",
    "file.yaml:12:5@main",
    "C:\\photos\\me@home.org",
    "C:/photos/me@home.org",
    "runs/maps-cyclegan@quick/train:3",
    "token:\n  the first of 12 words",
    "pass:\n  2",
    "tokens:\n  512",
    "key:\n  l1",
    "password:\nsize: 3",
    "the option --password needs a value",
    "--no-password given",
    "--tokenizer bpe --passes 3",
    "step 220: loss 0.25, key 3",
    "the token is the first of 12 words",
    "basic training of 12 networks",
    "runs/maps-cyclegan@quick/train",
    "file.yaml:12:5: stages.train.with.password: unknown option",
    "3f786850e387550fdab836ed7e6dc881de23001b",
    "https://host/services/T0/B0",
    "if password == other",
    "<path>data</path>",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_what_only_resembles_a_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_an_address_without_a_user_in_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOG", "https://medium.com/@somebody/post")
    monkeypatch.setenv("STORE", "https://me:p@ss/word12@h/db")
    assert redact("medium.com/, p@ss/word12") == "medium.com/, ***"


def test_a_number_of_passes_is_no_password() -> None:
    value = {"pass": 2, "key": "l1", "author": "me", "keypoints": 17, "tokenizer": "bpe"}
    assert masked(value) == value


def test_the_argument_behind_an_option_is_masked_in_a_list() -> None:
    command = ["train", "--password", "correct horse", "--lr", "1"]
    assert masked({"command": command}) == {"command": ["train", "--password", "***", "--lr", "1"]}


@pytest.mark.parametrize(
    "part",
    [
        "a.",
        "a-",
        "password: ",
        "x=",
        "login a ",
        "login ",
        "{a: ",
        "'a",
        '\\"',
        "://a:",
        "a://b:c",
        "SharedAccessSignature=",
        "mysql -",
        "redis-cli -",
        "curl -",
        "a:\\n ",
        "token ",
        "password:\n  ",
        "me:",
        "me:pass@",
        "\n ",
    ],
)
def test_long_texts_take_no_long_time(part: str) -> None:
    text = part * (20_000 // len(part))
    # of 20,000 characters in one pass 0.2 to 0.7 million, in the square of their number from 4 million on
    assert additions_of(lambda _: redact(text), times=1) < 3_000_000
