"""Changes a pipeline's tree by another one: an extending file, a profile, or a `--set`.

Mappings merge; lists and single values replace. A mapping that names another `uses` replaces the whole component.
"""

from __future__ import annotations

from enum import Enum

from translate.pipeline.location import Issue, Node
from translate.plugins.options import show
from translate.text import suggest


class How(Enum):
    """The kind of a change, which decides the meaning of null and of numbers."""

    EXTENDS = "extends"
    """A file that extends another: null takes a key of that file out."""
    PROFILE = "profile"
    """A profile: null is a value, but for a stage, which it leaves out."""
    SET = "set"
    """One value by its path: as a profile, and a number names an item of a list."""


CHANGEABLE = ("description", "seed", "stages", "tracking", "plugins")
"""The keys of a file that a profile and `--set` can change."""


def extend(base: Node, over: Node, issues: list[Issue]) -> Node:
    """The tree of a file that extends another one, `base`. It stands where the extending file stands."""
    entries = dict(base.children())
    for key, node in over.children().items():
        if node.value is None and key in entries:
            del entries[key]
        elif key not in entries:
            entries[key] = node
        elif key == "stages":
            entries = _without_patches(entries, node)
            entries[key] = _stages(entries[key], node, How.EXTENDS, issues)
        elif key == "profiles":
            entries[key] = _profiles(entries[key], node, issues)
        else:
            entries[key] = merge(entries[key], node, How.EXTENDS, issues)
    return Node(entries, over.place, over.path, over.key)


def apply(root: Node, over: Node, how: How, issues: list[Issue]) -> Node:
    """`root` changed by a profile or a `--set`. A stage set to null is left out; a new one must say what it uses."""
    entries = dict(root.children())
    for key, node in over.children().items():
        if key == "stages" and key in entries:
            entries[key] = _stages(entries[key], node, how, issues)
        elif key in CHANGEABLE:
            entries[key] = merge(entries[key], node, how, issues) if key in entries else node
    return Node(entries, root.place, root.path, root.key)


def split(root: Node, over: Node) -> tuple[Node, Node]:
    """`over` in two parts: changes of `root`, and those of stages that are not there until matrices are unfolded."""
    stages, changes = root.step("stages"), over.step("stages")
    if stages is None or changes is None or not isinstance(changes.value, dict):
        return over, Node({}, over.place)
    present: dict[str, Node] = {}
    later: dict[str, Node] = {}
    for name, node in changes.children().items():
        group = present if name in stages.children() or "uses" in node.children() else later
        group[name] = node
    early = {**over.children(), "stages": Node(present, changes.place, changes.path, changes.key)}
    late = {"stages": Node(later, changes.place, changes.path, changes.key)} if later else {}
    return Node(early, over.place, over.path, over.key), Node(late, over.place, over.path, over.key)


def merge(base: Node, over: Node, how: How, issues: list[Issue]) -> Node:
    """A value changed by another one."""
    old, new = base.value, over.value
    if how is How.SET and isinstance(new, dict) and not isinstance(old, dict):
        if isinstance(old, list):
            return _items(base, new, issues)
        if old is not None:
            issues.append(Issue(over.place, over.path, f"is {show(base.plain())} in the file and has no keys to set"))
            return base
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return over
    if "uses" in old and "uses" in new and old["uses"].value != new["uses"].value:
        return over
    entries = dict(old)
    for name, node in new.items():
        if name not in old:
            entries[name] = node
        elif node.value is None and how is How.EXTENDS:
            del entries[name]
        else:
            entries[name] = merge(old[name], node, how, issues)
    # A key that lacks is missed in the file that was written last, whose author can see all of them.
    place = over if how is How.EXTENDS else base
    return Node(entries, place.place, place.path, place.key)


def _stages(base: Node, over: Node, how: How, issues: list[Issue]) -> Node:
    if not isinstance(base.value, dict):
        return over if how is How.EXTENDS else base
    stages = dict(base.children())
    for name, node in over.children().items():
        if name not in stages and "uses" not in node.children():
            issues.append(
                Issue(node.key or node.place, node.path, f"there is no stage {name!r}{suggest(name, stages)}")
            )
        elif node.value is None:
            del stages[name]
        else:
            stages[name] = merge(stages[name], node, how, issues) if name in stages else node
    return Node(stages, base.place, base.path, base.key)


def _profiles(base: Node, over: Node, issues: list[Issue]) -> Node:
    """Profiles by name. Null takes one out; inside of one, null means what it means in any profile."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    profiles = dict(base.value)
    for name, node in over.value.items():
        if node.value is None and name in profiles:
            del profiles[name]
        else:
            profiles[name] = merge(profiles[name], node, How.PROFILE, issues) if name in profiles else node
    return Node(profiles, over.place, over.path, over.key)


def _without_patches(entries: dict[str, Node], stages: Node) -> dict[str, Node]:
    """The entries of a file, its profiles without changes of the stages that `stages` takes out."""
    gone = {name for name, node in stages.children().items() if node.value is None}
    profiles = entries.get("profiles")
    if not gone or profiles is None or not isinstance(profiles.value, dict):
        return entries
    rest = {}
    for name, node in profiles.value.items():
        profile, patches = node, node.step("stages")
        if patches is not None and isinstance(patches.value, dict):
            staying = {
                stage: node for stage, node in patches.value.items() if stage not in gone or "uses" in node.children()
            }
            patches = Node(staying, patches.place, patches.path, patches.key)
            profile = Node({**node.children(), "stages": patches}, node.place, node.path, node.key)
        rest[name] = profile
    return {**entries, "profiles": Node(rest, profiles.place, profiles.path, profiles.key)}


def _items(base: Node, new: dict[str, Node], issues: list[Issue]) -> Node:
    """A list of the file with the items replaced that `--set` names by number, from 0."""
    assert isinstance(base.value, list)
    items = list(base.value)
    for name, node in new.items():
        if name.isdigit() and int(name) < len(items):
            items[int(name)] = merge(items[int(name)], node, How.SET, issues)
        else:
            issues.append(Issue(node.place, node.path, f"the list has items 0 to {len(items) - 1}"))
    return Node(items, base.place, base.path, base.key)
