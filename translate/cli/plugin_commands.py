"""Commands of plugins: listed by the metadata of packages, imported when one of them is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from translate.errors import ConfigError
from translate.text import suggest

GROUP = "translate.commands"
"""The entry points that say which plugin brings a command: `gallery = "acme"`."""


def owners() -> dict[str, list[str]]:
    """The plugins that bring each command, by its name, from metadata alone."""
    # Only `--help` and names that are not built in get here.
    from importlib.metadata import entry_points

    plugins: dict[str, list[str]] = {}
    for entry in entry_points(group=GROUP):
        if entry.value not in plugins.setdefault(entry.name, []):
            plugins[entry.name].append(entry.value)
    return dict(sorted(plugins.items()))


class PluginCommands(click.Group):
    """A group of built-in commands, after which come those of plugins; a built-in one goes first.

    `NAME` is a command that a package lists, or the command of the plugin of that name; `PLUGIN/NAME` is any command of
    any plugin.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        built_in = super().list_commands(ctx)
        return [*built_in, *(name for name in owners() if name not in built_in)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A built-in command, else what `--help` says of a plugin's, which is not imported for that."""
        if command := super().get_command(ctx, cmd_name):
            return command
        plugins = owners().get(cmd_name)
        return click.Command(cmd_name, short_help=f"Of the plugin {' and '.join(plugins)}.") if plugins else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if super().get_command(ctx, name) is not None or name.startswith("-"):
            return super().resolve_command(ctx, args)
        command = _of_plugin(name)
        if command is None:
            ctx.fail(f"No such command {name!r}{suggest(name, self.list_commands(ctx)) or '.'}")
        return name, command, args[1:]


def _of_plugin(name: str) -> click.Command | None:
    """The command of a plugin; imports that plugin alone. None for a name that nobody has.

    Errors: ConfigError where several plugins bring it, PluginError for a broken plugin.
    """
    from translate.plugins import Registry

    registry, listed = Registry(), owners()
    plugins = listed.get(name, [])
    if len(plugins) > 1:
        choices = " or ".join(f"`translate {plugin}/{name}`" for plugin in sorted(plugins))
        raise ConfigError(f"the command {name!r} is brought by {' and '.join(sorted(plugins))}; say {choices}")
    owner, slash, part = name.partition("/")
    if not slash:
        owner, part = (plugins or [name])[0], name
    installed = {plugin.name for plugin in registry.plugins()}
    if owner not in installed:
        if plugins or slash:
            raise ConfigError(f"there is no plugin {owner!r}{suggest(owner, installed)}")
        return None
    plugin = registry.load(owner)
    commands: Mapping[str, Any] = plugin.commands
    if part not in commands:
        if not plugins and not slash:
            return None
        near = suggest(part, commands) or f"; it brings {', '.join(commands) or 'none'}"
        raise ConfigError(f"{plugin} brings no command {part!r}{near}")
    command: click.Command = commands[part]
    return command
