"""Forty ways in which a plugin can be broken: what is installed, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from plugin_sources import method

HOOK = "from translate import hookimpl\n"
METHOD = method("bad")
STAGE = """
from translate import NoOptions, Stage, hookimpl
class Bad(Stage[NoOptions]):
    name, produces = "bad", "scores"
    def run(self, context):
        return {{}}
{body}
@hookimpl
def translate_stages():
    return [Bad]
"""


@dataclass(frozen=True)
class Broken:
    """A distribution `broken` whose plugin is called `bad`. `says` is a part of the error."""

    source: str
    says: str
    entries: str = "bad = bad"
    needs: str = ""
    more: dict[str, str] = field(default_factory=dict)
    """Further modules."""
    twice: bool = False
    """Another distribution, `rival`, has a plugin of the name."""


def losses(returned: str) -> str:
    return f"{HOOK}@hookimpl\ndef translate_losses():\n    {returned}\n"


def listener(signature: str, name: str = "translate_stage_started") -> str:
    return f"{HOOK}@hookimpl\ndef {name}({signature}): pass\n"


def changed(before: str, after: str) -> str:
    assert before in METHOD
    return METHOD.replace(before, after)


BROKEN: dict[str, Broken] = {
    # ------------------------------------------------------------------------------------------- it cannot be imported
    "dependency missing": Broken("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to"),
    "name missing": Broken("from translate import Methd", "ImportError: cannot import name 'Methd'"),
    "exits": Broken("raise SystemExit('no licence')", "cannot be imported: SystemExit: no licence"),
    "exits in silence": Broken("import sys; sys.exit(0)", "cannot be imported: SystemExit: 0"),
    "own base exception": Broken("class Odd(BaseException): pass\nraise Odd('x')", "cannot be imported: Odd: x"),
    "syntax": Broken("def (", "cannot be imported: SyntaxError: "),
    "no text": Broken("x = 'a\0b'", "cannot be imported: "),
    "endless": Broken("def f(): return f()\nf()", "cannot be imported: RecursionError: "),
    "assertion": Broken("assert False", "cannot be imported: AssertionError"),
    "imports itself": Broken("from bad import later\nlater = 1", "ImportError: cannot import name 'later'"),
    "submodule broken": Broken("import bad_part", "cannot be imported: ZeroDivisionError", more={"bad_part": "1/0"}),
    "module missing": Broken("", "No module named 'bad_modul'", entries="bad = bad_modul"),
    "attribute missing": Broken(METHOD, "has no attribute 'plugin'", entries="bad = bad:plugin"),
    "newer engine": Broken(
        "from translate import Later", "(it asks for translate-i2i>=9, and this is 0.1.0)", needs="translate-i2i>=9"
    ),
    # ----------------------------------------------------------------------------------------------- contract and hooks
    "contract of tomorrow": Broken(
        f"translate_contract = '>=3'\n{METHOD}", "was written for contract >=3, and translate 0.1.0 has contract 2"
    ),
    "contract as nonsense": Broken("translate_contract = 'new'", "translate_contract is 'new', not a range such as"),
    "no module": Broken("x = 3", "the entry point must name a module, not 3", entries="bad = bad:x"),
    "no hook": Broken("x = 3", "bad implements no hook"),
    "unmarked": Broken("def translate_losses(): return []", "translate_losses is not marked as a hook: put @hookimpl"),
    "unknown hook": Broken(listener("", "translate_tea_time"), "there is no hook 'translate_tea_time'"),
    "misspelt hook": Broken(
        listener("", "translate_stages_started"),
        "there is no hook 'translate_stages_started'; did you mean 'translate_stage_started'?",
    ),
    "unknown argument": Broken(listener("colour"), "has no argument 'colour'; it takes pipeline, stage, folder"),
    "misspelt argument": Broken(
        listener("stag"), "translate_stage_started has no argument 'stag'; did you mean 'stage'?"
    ),
    "misspelt with default": Broken(listener("stag=None"), "has no argument 'stag'; did you mean 'stage'?"),
    "keyword only": Broken(listener("*, stage"), "the argument 'stage' must be a plain one"),
    "all keywords": Broken(listener("**told"), "the argument 'told' must be a plain one"),
    "hook raises": Broken(losses("raise KeyError('x')"), "cannot be registered: KeyError: 'x'"),
    "hook exits": Broken(losses("raise SystemExit('enough')"), "cannot be registered: SystemExit: enough"),
    "hook gives up halfway": Broken(losses("yield int; 1/0"), "cannot be registered: ZeroDivisionError"),
    # --------------------------------------------------------------------------------------------- what hooks return
    "nothing": Broken(losses("pass"), "translate_losses returned None, not a list of classes"),
    "number": Broken(losses("return 3"), "returned 3, not a list of classes or a mapping of names to classes"),
    "text": Broken(losses("return 'edge'"), "returned 'edge', not a list of classes"),
    "no class": Broken(changed("[Paper]", "[3]"), "3 in translate_methods is not a subclass of translate.Method"),
    "wrong class": Broken(
        changed("[Paper]", "[dict]"), "dict in translate_methods is not a subclass of translate.Meth"
    ),
    "instance": Broken(changed("[Paper]", "[NoOptions()]"), "in translate_methods is not a subclass of translate.Meth"),
    "no name": Broken(changed('"bad"', '""'), "Paper in translate_methods needs a `name` of letters"),
    "odd name": Broken(changed('"bad"', '"b/d"'), "needs a `name` of letters, digits, '-', '_' and '.', not 'b/d'"),
    "number as name": Broken(changed("[Paper]", "{3: Paper}"), "needs a `name` of letters, digits"),
    "name clash inside": Broken(changed("[Paper]", "[Paper, Paper]"), "has the name 'bad', which Paper has too"),
    "bad config": Broken(
        changed("[NoOptions]", "").replace("    def step", "    Config = dict\n    def step"),
        "has a Config that is not a subclass of translate.Config",
    ),
    "abstract": Broken(changed("def step", "def stap"), "Paper in translate_methods does not define step"),
    "no players": Broken(changed("    players", "    player"), "needs `players`, a mapping of players"),
    "no directions": Broken(changed("    directions", "    ways"), "needs `directions`, a mapping of names"),
    "data kind": Broken(changed('"paired"', '"pairs"'), "needs `data`, a translate.Sides or one of paired, unpaired"),
    "translate of contract 1": Broken(
        changed("inputs, direction, draw", "inputs, direction"),
        "was written for contract 1: `translate` takes (self, nets, inputs, direction, draw) in contract 2; "
        "docs/contract-2.md says all that changed",
    ),
    "revision": Broken(
        changed("    def step", "    revision = 'b'\n    def step"), "has the revision 'b', which is not a whole number"
    ),
    "stage without product": Broken(
        STAGE.format(body="").replace(', "scores"', ", 3"), "does not say what it produces (`produces`)"
    ),
    # ---------------------------------------------------------------------------------------------------- two of a name
    "two distributions": Broken(METHOD, "the plugin name 'bad' is given by ", twice=True),
    "twice in one": Broken(
        METHOD, "is given twice by broken: bad = bad and bad = worse", entries="bad = bad\nbad = worse"
    ),
}

AT_WORK: dict[str, tuple[str, str]] = {
    "constructor raises": (
        STAGE.format(body="    def __init__(self, *args): raise KeyError('x')"),
        "stage 'own' broke while it was checked: KeyError: 'x' (plugin 'bad' of broken 1.2)",
    ),
    "check raises": (
        STAGE.format(body="    def check(self, parents): return 1 / 0"),
        "stage 'own' broke while it was checked: ZeroDivisionError: division by zero (plugin 'bad' of broken 1.2)",
    ),
    "run raises": (
        STAGE.format(body="    def run(self, context): raise RuntimeError('no disk')"),
        "stage own failed: RuntimeError: no disk (plugin 'bad' of broken 1.2)",
    ),
    "run exits": (
        STAGE.format(body="    def run(self, context): raise SystemExit(0)"),
        "stage own failed: SystemExit: 0 (plugin 'bad' of broken 1.2)",
    ),
    "facts that are no JSON": (
        STAGE.format(body="    def run(self, context): return {'x': {1, 2}}"),
        "stage own failed: TypeError: Object of type set is not JSON serializable",
    ),
    "event raises": (
        STAGE.format(body="@hookimpl\ndef translate_stage_started(stage): raise OSError('no post')"),
        "plugin 'bad' (broken 1.2, entry point bad = bad) failed in stage_started: OSError: no post",
    ),
    "event exits": (
        STAGE.format(body="@hookimpl\ndef translate_run_started(): raise SystemExit(0)"),
        "plugin 'bad' (broken 1.2, entry point bad = bad) failed in run_started: SystemExit: 0",
    ),
    "late event raises": (
        STAGE.format(body="@hookimpl\ndef translate_stage_finished(stage): raise OSError('no post')"),
        "warning: plugin 'bad' (broken 1.2, entry point bad = bad) failed in stage_finished: OSError: no post",
    ),
    "late event exits": (
        STAGE.format(body="@hookimpl\ndef translate_run_finished(status): raise SystemExit(status)"),
        "warning: plugin 'bad' (broken 1.2, entry point bad = bad) failed in run_finished: SystemExit: done",
    ),
    "tracker raises": (
        STAGE.format(body="@hookimpl\ndef translate_tracker(): raise OSError('no server')"),
        "plugin 'bad' (broken 1.2, entry point bad = bad) failed in tracker: OSError: no server",
    ),
    "tracker that is none": (
        STAGE.format(body="@hookimpl\ndef translate_tracker(): return 'here'"),
        "tracking by builtins.str: opening failed, and the run goes on without it: PluginError: it is no "
        "translate.Tracker: it lacks params, metrics",
    ),
}
"""A stage `own` that uses `bad/bad` loads, and then does harm; what the tracker does and late events are warnings."""

TRAINING: dict[str, tuple[str, str, str]] = {
    "loss not in the vocabulary": ('{"l1": F', '{"l2": F', "l2"),
    "unknown player": ('Update("G"', 'Update("H"', "H"),
    "loss that is not finite": ('{"l1": F', '{"l1": float("nan") * F', "loss 'l1' of method bad"),
    "loss that is no scalar": ('F.l1_loss(fake.float(), batch["target"])', "fake", "l1"),
    "step that raises": (
        "        fake = nets.gen(batch",
        "        batch = {}\n        fake = nets.gen(batch",
        "KeyError",
    ),
    "network of the wrong shape": ("return moved", "return moved[..., 1:]", "shape"),
    "no networks": ('return {"gen": build(', 'return {"gan": build(', "gen"),
}
"""What to change in the method of `acme_everything`, and what the error speaks of."""
