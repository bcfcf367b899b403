"""Secrets, some thirty, that commands are told in every way that people have, and where they turn up afterwards."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from urllib.parse import quote

import yaml
from disturbed_server import DisturbedServer
from fake_tracking import FakeTracking

Run = Callable[[Sequence[str], Path, Mapping[str, str], Path], str]
"""Runs `translate ARGUMENTS` in a folder, with an environment and a folder of installed packages; all that it says."""

SECRETS: Mapping[str, str] = {
    "password of a URL": "hunter2-q8Zt",
    "password with signs": "p%40ss:w0rd-Vx2k",
    "token as the user of a URL": "tokuser-91hGq7",
    "password of a database": "db-Pa55-krypt",
    "token of a query": "qtok-77ab12cd90",
    "signature of AWS": "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    "session token of AWS": "FwoGZXIvYXdzEJr-session-77",
    "key id of AWS": "AKIAIOSFODNN7PLANTED",
    "secret key of AWS": "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",
    "signature of Azure": "azSig%2Bq1w2e3r4t5%3D",
    "signature of Google": "googsig-0011223344aabb",
    "bearer of a header": "bearer-Zk81-planted.0042",
    "basic of a header": "basicpass-44xy",
    "key of a header": "xapikey-55001122",
    "cookie": "sid-cookie-998877aa",
    "password": "plainpass-31415",
    "password in camel case": "camelpass-27182",
    "api key": "apikey-16180339",
    "client secret": "clientsecret-1414",
    "private key": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCplanted",
    "account key": "accKey+base64/planted99==",
    "password of a DSN": "dsnpass-1732",
    "token of GitHub": "ghp_planted0123456789abcdefghijABCDEFGHIJ",
    "token of Hugging Face": "hf_plantedABCDEFGHIJKLMNOPqrstuv",
    "key of a service": "sk-planted-abcdefghijklmnop1234",
    "token of Slack": "xoxb-1234567890-planted-abcd",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJwbGFudGVkIjoxfQ.c2lnbmF0dXJlLXBsYW50ZWQ",
    "password of MLflow": "mlflowpass-602214",
    "password of the tracking address": "uripass-662607",
    "password of the proxy": "proxypass-299792",
    "password below its name": "belowpass-1054571",
    "password without a scheme": "bareword-137035",
}

_S = SECRETS
ACCESS: Mapping[str, object] = {
    "address": f"https://me:{_S['password of a URL']}@data.example/x.zip",
    "mirror": f"https://me:{quote(_S['password with signs'], safe='')}@mirror.example/x.zip",
    "repository": f"https://{_S['token as the user of a URL']}@git.example/x.git",
    "database": f"postgresql://me:{_S['password of a database']}@db:5432/images",
    "query": f"https://api.example/images?size=3&token={_S['token of a query']}",
    "presigned": (
        "https://bucket.s3.amazonaws.com/x.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Credential={_S['key id of AWS']}%2F20260101%2Feu-west-1%2Fs3%2Faws4_request"
        f"&X-Amz-Security-Token={_S['session token of AWS']}&X-Amz-Signature={_S['signature of AWS']}"
    ),
    "blob": f"https://acc.blob.core.windows.net/c/x.zip?sv=2024&se=2026&sig={_S['signature of Azure']}",
    "bucket": f"https://storage.googleapis.com/b/x.zip?X-Goog-Signature={_S['signature of Google']}",
    "headers": {
        "Authorization": f"Bearer {_S['bearer of a header']}",
        "Cookie": _S["cookie"],
        "X-Api-Key": _S["key of a header"],
    },
    "lines": [
        f"Authorization: Bearer {_S['bearer of a header']}",
        f"Basic {base64.b64encode(('me:' + _S['basic of a header']).encode()).decode()}",
    ],
    "login": {"user": "me", "password": _S["password"], "dbPassword": _S["password in camel case"]},
    "api_key": _S["api key"],
    "client_secret": _S["client secret"],
    "aws": {"aws_secret_access_key": _S["secret key of AWS"]},
    "certificate": f"-----BEGIN PRIVATE KEY-----\n{_S['private key']}\n-----END PRIVATE KEY-----\n",
    "connection": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={_S['account key']};EndpointSuffix=x",
    "dsn": f"host=db user=me password={_S['password of a DSN']} dbname=x",
    "notes": [
        f"clone with {_S['token of GitHub']}",
        f"hub {_S['token of Hugging Face']}, model {_S['key of a service']}",
        f"tell {_S['token of Slack']} and {_S['web token']}",
        f"[store]\npassword:\n  {_S['password below its name']}\nsize: 3",
        f"me:{_S['password without a scheme']}@store.example:5432/images",
    ],
}
"""Options that hold all secrets but those of the environment."""
ENVIRONMENT: Mapping[str, str] = {
    "MLFLOW_TRACKING_USERNAME": "me",
    "MLFLOW_TRACKING_PASSWORD": _S["password of MLflow"],
    "AWS_SECRET_ACCESS_KEY": _S["secret key of AWS"],
    "MY_PROXY": f"http://me:{_S['password of the proxy']}@proxy.example:3128",
}

PLUGIN = '''\
"""A source and a stage that tell everybody what they were told."""

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from translate import Config, DataError, Record, Source, SourceFacts, Stage, hookimpl

translate_contract = ">=2,<3"
SPLITS = ("train", "val", "test")
TOLD = ("MLFLOW_TRACKING_PASSWORD", "AWS_SECRET_ACCESS_KEY", "MY_PROXY", "MLFLOW_TRACKING_URI")


class Access(Config):
    access: dict[str, Any] = {}
    fail: bool = False
    size: int = 16


class VaultSource(Source[Access]):
    """Grey pictures behind a login."""

    name = "vault"

    def facts(self) -> SourceFacts:
        return SourceFacts("paired", SPLITS, pairs=frozenset(SPLITS))

    def notes(self) -> list[str]:
        return [f"read with {self.config.access}"]

    def records(self, split: str) -> Iterator[Record]:
        for key in ("a", "b"):
            for side in ("input", "target"):
                yield Record(key, side, f"{self.config.access['address']} {key}", partial(self._grey, side))

    def _grey(self, side: str) -> Any:
        return np.full((self.config.size, self.config.size, 3), 50 if side == "input" else 200, np.uint8)


class Echo(Stage[Access]):
    """Records, says and returns its options."""

    name = "echo"
    produces = "echo"

    def run(self, context: Any) -> dict[str, Any]:
        everything = {**self.config.access, "environment": [os.environ.get(name, "") for name in TOLD]}
        texts = list(everything.items())
        tracker = context.tracker
        tracker.params(everything)
        tracker.tags({name: str(value) for name, value in texts})
        tracker.table("told", ("name", "value"), [(name, str(value)) for name, value in texts])
        tracker.dataset("vault", "0" * 36, everything, "train")
        for name, value in texts:
            context.console.say(f"{name} is {value}")
            context.console.warn(f"{value}")
        context.console.table("told", ("name", "value"), [(name, str(value)) for name, value in texts])
        if self.config.fail:
            raise DataError(f"no access with {everything}")
        return {"told": str(everything), "nested": [str(value) for _, value in texts]}


@hookimpl
def translate_sources() -> list[type]:
    return [VaultSource]


@hookimpl
def translate_stages() -> list[type]:
    return [Echo]
'''
TRAINING = {
    "uses": "train",
    "needs": {"data": "prepare"},
    "with": {
        "method": "pix2pix",
        "options": {
            "generator": {"uses": "unet", "levels": 3, "filters": 2},
            "discriminator": {"uses": "patchgan", "filters": 2, "layers": 1},
        },
        "max_steps": 2,
        "log_every": 1,
    },
}


def look_through(home: Path, say: Callable[[str], object], run: Run | None = None, training: bool = True) -> list[str]:
    """Runs commands with the secrets below `home`; the sinks in which one was found: `NAME in SINK`."""
    site, project = _install(home), home / "project"
    project.mkdir()
    file = project / "p.yaml"
    file.write_text(yaml.safe_dump(_pipeline(training), sort_keys=False))
    store = FakeTracking()
    server = DisturbedServer(store.answer)
    address = server.url.replace("://", f"://me:{_S['password of the tracking address']}@")
    environment = {**ENVIRONMENT, "MLFLOW_TRACKING_URI": address, "MLFLOW_HTTP_REQUEST_TIMEOUT": "2"}
    said = {}
    for name, arguments, changes in _commands(project):
        if name == "away":
            server.refuse()
        said[name] = (run or _run)(arguments, project, {**environment, **changes}, site)
        if name == "away":
            server.listen()
        say(f"{name}: {len(said[name])} characters said")
    server.close()
    sinks: dict[str, bytes] = {f"what `{name}` says": text.encode() for name, text in said.items()}
    sinks["requests"] = "\n".join(store.texts).encode()
    sinks |= {f"artifact {name}": content for name, content in store.files.items()}
    written = [path for path in sorted(project.rglob("*")) if path.is_file() and path != file]
    sinks |= {path.relative_to(home).as_posix(): path.read_bytes() for path in written}
    say(f"{len(sinks)} sinks, {sum(map(len, sinks.values())):,} bytes")
    expected = ["requests", "what `failure` says", *(["translator.json"] if training else [])]
    silent = [name for name in expected if not any(name in sink and content for sink, content in sinks.items())]
    if b"***" not in sinks["requests"]:
        silent.append("a masked request")
    found = [f"{secret} in {sink}" for sink, content in sinks.items() for secret in _found(content)]
    return [f"{name} is missing, so that nothing was tried" for name in silent] + found


def _commands(project: Path) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Names, arguments and changes of the environment: all goes well, is changed, fails, finds no server, is sent."""
    changed = ["--set", f"stages.echo.with.access.login.password={_S['password of MLflow']}"]
    yield "check", ["check", "p.yaml"], {}
    yield "run", ["run", "p.yaml"], {}
    yield "again", ["run", "p.yaml", *changed, "--force", "echo"], {}
    yield "plan", ["plan", "p.yaml", "--set", "stages.prepare.with.source.size=32"], {}
    yield "plan in JSON", ["plan", "p.yaml", "--json"], {}
    yield "failure", ["--traceback", "run", "p.yaml", "--set", "stages.echo.with.fail=true"], {}
    yield "mistake", ["run", "p.yaml", "--set", f"stages.echo.with.pasword={_S['password']}"], {}
    yield "away", ["run", "p.yaml", "--set", "stages.echo.with.size=17"], {"MLFLOW_HTTP_REQUEST_TIMEOUT": "1"}
    yield "sync", ["track", "sync"], {}
    yield "doctor", ["doctor"], {}
    yield "file store", ["run", "p.yaml", "--set", "stages.echo.with.size=18"], {"MLFLOW_TRACKING_URI": _store(project)}


def _store(project: Path) -> str:
    return f"sqlite:///{project}/mlflow.db"


def _pipeline(training: bool) -> dict[str, object]:
    stages: dict[str, object] = {
        "prepare": {"uses": "preprocess", "with": {"source": {"uses": "vault/vault", "access": deepcopy(ACCESS)}}},
        "echo": {"uses": "vault/echo", "with": {"access": deepcopy(ACCESS)}},
    }
    if training:
        stages["train"] = deepcopy(TRAINING)
    return {"version": 1, "name": "p", "stages": stages}


def _install(home: Path) -> Path:
    """The plugin as an installed package; its folder."""
    site = home / "site"
    info = site / "vault-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "vault_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vault\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[translate]\nvault = vault_plugin\n")
    return site


def _run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], site: Path) -> str:
    paths = os.pathsep.join([str(site), str(Path(__file__).resolve().parents[2]), *sys.path])
    variables = {**os.environ, **environment, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "translate", *arguments]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    return f"{done.stdout}\n{done.stderr}"


def _found(content: bytes) -> Iterator[str]:
    """The secrets in a text, as they are, quoted for a URL, or in base64."""
    for name, secret in SECRETS.items():
        forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode().rstrip("=")}
        if any(form.encode() in content for form in forms):
            yield name
