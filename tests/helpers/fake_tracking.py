"""A tracking server in memory that keeps everything twice that it is told twice, as stores without keys do."""

from __future__ import annotations

import itertools
import json
import re
import threading
import uuid
from collections import Counter
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
Answer = tuple[int, bytes]
Point = tuple[str, int, int, float]
"""A point of a curve: name, step, time in milliseconds, value."""


class FakeTracking:
    """Answers requests of MLflow's client for experiments, runs and artifacts. Safe to use from several threads."""

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.points: dict[str, list[Point]] = {}
        self.files: dict[str, bytes] = {}
        self.texts: list[str] = []
        """The body of every request that is text."""
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def answer(self, method: str, target: str, body: bytes) -> Answer:
        """Status and body for a request."""
        address = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        with self._lock:
            if address.path.startswith(ARTIFACTS):
                return self._artifact(method, unquote(address.path.removeprefix(ARTIFACTS)).strip("/"), query, body)
            name = address.path.removeprefix(API).replace("/", "_").replace("-", "_")
            handler = getattr(self, f"_on_{name}", None)
            if handler is None:
                return _error(404, "ENDPOINT_NOT_FOUND", address.path)
            self.texts.append(body.decode())
            try:
                answer = handler({**query, **(json.loads(body) if body else {})})
            except KeyError as error:
                return _error(404, "RESOURCE_DOES_NOT_EXIST", str(error))
            return answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())

    def state(self) -> dict[str, Any]:
        """All that a check compares, as JSON."""
        with self._lock:
            return {"runs": self.runs, "points": self.points, "files": sorted(self.files)}

    def doubled(self) -> int:
        """How many points are there more than once."""
        counts = Counter((run, name, step) for run, points in self.points.items() for name, step, _, _ in points)
        return sum(times - 1 for times in counts.values())

    def _artifact(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        if method == "PUT":
            self.files[path] = body
            return 200, b"{}"
        folder = query.get("path", path).strip("/") + "/"
        names = [name.removeprefix(folder) for name in self.files if name.startswith(folder)]
        listed = [{"path": name, "is_dir": False, "file_size": 1} for name in names if "/" not in name]
        listed += [{"path": name, "is_dir": True} for name in sorted({n.split("/")[0] for n in names if "/" in n})]
        return 200, json.dumps({"files": listed}).encode()

    def _on_experiments_get_by_name(self, asked: dict[str, Any]) -> Any:
        name = asked["experiment_name"]
        if name not in self.experiments:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", name)
        return {"experiment": {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}}

    def _on_experiments_create(self, asked: dict[str, Any]) -> Any:
        if asked["name"] in self.experiments:
            return _error(400, "RESOURCE_ALREADY_EXISTS", asked["name"])
        self.experiments[asked["name"]] = str(next(self._numbers))
        return {"experiment_id": self.experiments[asked["name"]]}

    def _on_runs_create(self, asked: dict[str, Any]) -> Any:
        run_id = uuid.uuid4().hex  # MLflow remembers where the artifacts of an id lie
        info = {
            "run_id": run_id,
            "run_name": asked.get("run_name", ""),
            "experiment_id": asked["experiment_id"],
            "status": "RUNNING",
            "start_time": int(asked.get("start_time", 0)),
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/{run_id}",
        }
        tags = {tag["key"]: tag["value"] for tag in asked.get("tags", [])}
        self.runs[run_id] = {"info": info, "tags": tags, "params": {}, "inputs": []}
        self.points[run_id] = []
        return {"run": self._run(run_id)}

    def _on_runs_get(self, asked: dict[str, Any]) -> Any:
        if asked["run_id"] not in self.runs:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", asked["run_id"])
        return {"run": self._run(asked["run_id"])}

    def _on_runs_search(self, asked: dict[str, Any]) -> Any:
        key, value = re.fullmatch(r"tags\.`(.+)` = '(.*)'", asked["filter"]).groups()  # type: ignore[union-attr]
        wanted = [run_id for run_id, run in self.runs.items() if run["tags"].get(key) == value]
        return {"runs": [self._run(run_id) for run_id in wanted]}

    def _on_runs_update(self, asked: dict[str, Any]) -> Any:
        info = self.runs[asked["run_id"]]["info"]
        info.update({key: asked[key] for key in ("status", "end_time", "run_name") if key in asked})
        return {"run_info": info}

    def _on_runs_log_batch(self, asked: dict[str, Any]) -> Any:
        if asked["run_id"] not in self.runs:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", asked["run_id"])
        run = self.runs[asked["run_id"]]
        for metric in asked.get("metrics", []):
            point = (metric["key"], int(metric.get("step", 0)), int(metric["timestamp"]), float(metric["value"]))
            self.points[asked["run_id"]].append(point)
        run["params"].update({param["key"]: param["value"] for param in asked.get("params", [])})
        run["tags"].update({tag["key"]: tag["value"] for tag in asked.get("tags", [])})
        return {}

    def _on_runs_set_tag(self, asked: dict[str, Any]) -> Any:
        self.runs[asked["run_id"]]["tags"][asked["key"]] = asked["value"]
        return {}

    def _on_runs_log_inputs(self, asked: dict[str, Any]) -> Any:
        self.runs[asked["run_id"]]["inputs"] += asked.get("datasets", [])
        return {}

    def _on_logged_models_search(self, asked: dict[str, Any]) -> Any:
        return {"models": []}

    def _on_metrics_get_history(self, asked: dict[str, Any]) -> Any:
        points = [point for point in self.points.get(asked["run_id"], []) if point[0] == asked["metric_key"]]
        return {"metrics": [{"key": k, "step": s, "timestamp": t, "value": v} for k, s, t, v in points]}

    def _run(self, run_id: str) -> dict[str, Any]:
        run = self.runs[run_id]
        tags = [{"key": key, "value": value} for key, value in run["tags"].items()]
        params = [{"key": key, "value": value} for key, value in run["params"].items()]
        return {"info": run["info"], "data": {"tags": tags, "params": params}}


def _error(status: int, code: str, message: str) -> Answer:
    return status, json.dumps({"error_code": code, "message": message}).encode()
