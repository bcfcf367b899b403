"""The tracking store: moved, copied, started by four at once, killed while it is made, of a kind no longer there."""

from __future__ import annotations

import re
import shutil
import sys

from PIL import Image

from kinds.images import noise, plain, save
from kinds.lab import Done, Lab, case
from kinds.pipelines import PREPARE, artifacts, prepare, two_sets

MOVED, FOUR, KILLED, STORE = (
    "f09_project_moved.sh",
    "f10_four_at_once.sh",
    "f18_killed_while_store_is_made.sh",
    "f20_file_store.sh",
)


@case(script=MOVED)
def f09(lab: Lab) -> None:
    """After a project was moved, pictures of old runs are seen, and those of new runs lie beside mlflow.db."""
    done = lab.shell(MOVED)
    lab.orderly(done)
    lab.check("old place", "not made again", done.out[:300], "../p/" not in done.out)
    lists = re.findall(r"\[(.*?)\]", done.out)
    lab.check("artifacts of both runs", "2 lists that are not empty", lists, len(lists) >= 2 and all(lists))


@case(of=MOVED)
def copied_project(lab: Lab) -> None:
    """A project that was copied tracks into the copy, and the original keeps its own."""
    place = lab.folder / "p"
    place.mkdir()
    two_sets(lab)
    for side in "AB":
        (lab.folder / side).rename(place / side)
    file = place / "p.yaml"
    file.write_text(PREPARE.format(name="p", source="{uses: folders, a: A, b: B}", more=""))
    lab.works(lab.translate("run", "p.yaml", cwd=place))
    shutil.copytree(place, lab.folder / "q")
    before = artifacts(lab, place)
    lab.works(lab.translate("run", "p.yaml", "--force", "prepare", cwd=lab.folder / "q"))
    lab.check("runs of the original", before, artifacts(lab, place))
    lab.check(
        "runs of the copy",
        "more",
        artifacts(lab, lab.folder / "q"),
        len(artifacts(lab, lab.folder / "q")) > len(before),
    )


@case(of=MOVED)
def moved_and_named_otherwise(lab: Lab) -> None:
    """A project that was moved into a folder with a blank, a % and an é in its name goes on."""
    place = lab.folder / "p"
    place.mkdir()
    for side in "AB":
        save(place / side / "0.png", noise(48, 48))
    (place / "p.yaml").write_text(PREPARE.format(name="p", source="{uses: folders, a: A, b: B}", more=""))
    lab.works(lab.translate("run", "p.yaml", cwd=place))
    other = lab.folder / "my 100% é #1"
    place.rename(other)
    done = lab.translate("run", "p.yaml", "--force", "prepare", cwd=other)
    lab.works(done)
    lab.check("runs", 2, len(artifacts(lab, other)))


@case(of=MOVED)
def read_only_project(lab: Lab) -> None:
    """A tracking store that cannot be written is told in a line, and the run goes on."""
    two_sets(lab)
    file = prepare(lab, "{uses: folders, a: A, b: B}")
    done = lab.translate("run", file, MLFLOW_TRACKING_URI="sqlite:////proc/none/mlflow.db")
    lab.orderly(done)
    lab.check("prepared", 0, done.code)


@case(script=FOUR)
def f10(lab: Lab) -> None:
    """Four runs that start at once in an empty folder are all tracked, without a traceback."""
    done = lab.shell(FOUR, seconds=300)
    lab.check("lines", "(nothing)", done.last)
    logs = list((lab.folder / "w").rglob("log_*"))
    wrong = [path.name for path in logs if "Traceback" in path.read_text() or "error" in path.read_text().lower()]
    lab.check("runs with an error", [], wrong)
    place = (lab.folder / "w" / FOUR.removesuffix(".sh")).resolve()
    names = artifacts(lab, place)
    lab.check("tracked", "at least 8 stages", len(names), len(names) >= 4)


@case(of=FOUR)
def three_conversions_at_once(lab: Lab) -> None:
    """Three conversions into three folders, all with --track into one new store: all are tracked."""
    save(lab.folder / "in/a.png", plain(30))
    command = " & ".join(
        f"'{sys.executable}' -P -m translate convert in out{n} --model '{lab.models}/same3' --track" for n in range(3)
    )
    done = lab.command("bash", "-c", f"{command} & wait")
    lab.orderly(done)
    lab.check("runs", 3, len(artifacts(lab, lab.folder)))


@case(of=FOUR)
def two_of_one_output(lab: Lab) -> None:
    """Two conversions into one OUTPUT at the same time: one is refused by the lock, or both end in order; pixels are
    right."""
    for number in range(20):
        save(lab.folder / f"in/{number:02d}.png", plain(number))
    start = f"'{sys.executable}' -P -m translate convert in out --model '{lab.models}/same3'"
    done = lab.command("bash", "-c", f"{start} & {start} & wait")
    lab.orderly(done)
    values = [
        int(__import__("numpy").asarray(Image.open(path))[0, 0, 0])
        for path in sorted((lab.folder / "out").glob("*.png"))
    ]
    lab.check("values", list(range(20)), values)


@case(of=FOUR)
def two_of_one_pipeline(lab: Lab) -> None:
    """The same pipeline twice at once: one waits or is refused by name, and the data are whole."""
    two_sets(lab)
    prepare(lab, "{uses: folders, a: A, b: B}")
    start = f"'{sys.executable}' -P -m translate run p.yaml"
    done = lab.command("bash", "-c", f"{start} & {start} & wait")
    lab.orderly(done)
    lab.works(lab.translate("run", "p.yaml"))


@case(script=KILLED)
def f18(lab: Lab) -> None:
    """A first run that is killed while mlflow.db is made: later runs are tracked all the same, sync and doctor work."""
    done = lab.shell(KILLED, seconds=300)
    lab.orderly(done)
    place = lab.folder / "w" / KILLED.removesuffix(".sh")
    lab.check("tracked", "at least one run", artifacts(lab, place), len(artifacts(lab, place)) >= 1)


def spoilt(lab: Lab, content: bytes) -> None:
    """Notes that a run works beside an mlflow.db that is spoilt, and says so in a line."""
    two_sets(lab)
    file = prepare(lab, "{uses: folders, a: A, b: B}")
    (lab.folder / "mlflow.db").write_bytes(content)
    done = lab.translate("run", file, seconds=100)
    lab.orderly(done)
    lab.check("prepared", 0, done.code)
    lines = [line for line in done.text.splitlines() if "sqlalchemy" in line.lower() or "alembic" in line.lower()]
    lab.check("lines of libraries", [], lines[:2])


@case(of=KILLED)
def empty_store(lab: Lab) -> None:
    """An mlflow.db of no bytes, as a full disk leaves it, is made anew or told; the run goes on."""
    spoilt(lab, b"")


@case(of=KILLED)
def garbage_store(lab: Lab) -> None:
    """An mlflow.db that is no database is told, kept, and the run goes on."""
    spoilt(lab, b"this is no database at all, but a note of mine" * 100)
    lab.check("kept", True, (lab.folder / "mlflow.db").read_bytes().startswith(b"this is no database"))


@case(of=KILLED)
def half_a_store(lab: Lab) -> None:
    """An mlflow.db with the head of a database and nothing behind is told, and the run goes on."""
    spoilt(lab, b"SQLite format 3\0" + bytes(4000))


@case(script=STORE)
def f20(lab: Lab) -> None:
    """MLFLOW_TRACKING_URI=./mlruns is told in a line, with what to set instead; no traceback."""
    done = lab.shell(STORE)
    lab.says(done, "mlruns")


def with_store(lab: Lab, uri: str) -> Done:
    two_sets(lab)
    file = prepare(lab, "{uses: folders, a: A, b: B}")
    done = lab.translate("run", file, MLFLOW_TRACKING_URI=uri, seconds=120)
    lab.orderly(done)
    lab.check("prepared", 0, done.code)
    leaks = [
        line
        for line in done.text.splitlines()
        if re.search(r"urllib3|HTTPConnectionPool|sqlalchemy|^WARNING mlflow", line)
    ]
    lab.check("raw lines", [], leaks[:2])
    return done


@case(of=STORE)
def file_uri(lab: Lab) -> None:
    """MLFLOW_TRACKING_URI=file:///… is told likewise."""
    lab.says(with_store(lab, f"file://{lab.folder}/mlruns"), "mlruns")


@case(of=STORE)
def no_server(lab: Lab) -> None:
    """A tracking server that does not answer is told in a line, and the run goes on."""
    with_store(lab, "http://127.0.0.1:9")


@case(of=STORE)
def no_such_scheme(lab: Lab) -> None:
    """A store of an unknown kind (`myslq://…`) is told in a line, and the run goes on or is refused."""
    two_sets(lab)
    file = prepare(lab, "{uses: folders, a: A, b: B}")
    done = lab.translate("run", file, MLFLOW_TRACKING_URI="myslq://localhost/x")
    lab.says(done, "myslq")
