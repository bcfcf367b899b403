"""The command line: parse, call, print, exit code. Nothing heavy is imported before a command asks for it."""

from __future__ import annotations

import shutil
import signal
import sys
import traceback
from functools import partial
from typing import Any

import click

from translate.cli import authoring, catalogue, convert, evaluate, models, pipelines, plugins, sample, services
from translate.cli.common import ARGUMENTS
from translate.cli.plugin_commands import PluginCommands
from translate.errors import Stopped, TranslateError, in_words
from translate.redact import redact
from translate.signals import exit_code, stopping
from translate.streams import standard_streams
from translate.text import folded
from translate.threads import wait_patiently
from translate.version import __version__

STOPPED = "stopped; the same command goes on from here"


class Main(PluginCommands):
    """Turns errors into one message and an exit code; `--traceback` and `--quiet` may stand anywhere on the line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        anywhere = {"--traceback": "--traceback", "--quiet": "--quiet", "-q": "--quiet"}
        end = args.index("--") if "--" in args else len(args)
        flags = dict.fromkeys(anywhere[arg] for arg in args[:end] if arg in anywhere)
        rest = [arg for arg in args[:end] if arg not in anywhere]
        return super().parse_args(ctx, [*flags, *rest, *args[end:]])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        wait_patiently()
        with standard_streams():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with stopping():
                return super().invoke(ctx)
        except click.ClickException as error:
            vars(error)["message"] = redact(error.message)
            raise
        except (click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo(STOPPED, err=True)
            ctx.exit(exit_code(signal.SIGINT))
        except Stopped as stopped:
            if not stopped.told:
                click.echo(STOPPED, err=True)
            raise
        except Exception as error:
            ctx.exit(_report(error, ctx.params.get("traceback", False)))


def _report(error: Exception, full: bool) -> int:
    """Says what went wrong on stderr and returns the exit code."""
    from translate.pipeline.location import PipelineError

    if full:
        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
    if isinstance(error, PipelineError):
        _say(str(error))
    elif isinstance(error, OSError) and error.filename and error.strerror:
        _say(f"error: {in_words(error)}")
    elif isinstance(error, TranslateError | OSError):
        _say(f"error: {error}")
    else:
        hint = "" if full else " (--traceback or TRANSLATE_TRACEBACK=1 shows where)"
        _say(f"error: {type(error).__name__}: {error}{hint}")
    return error.exit_code if isinstance(error, TranslateError) else 1


def _say(text: str) -> None:
    """Says an error on stderr; on a terminal its lines break at words."""
    text = redact(text)
    if sys.stderr.isatty():
        text = folded(text, shutil.get_terminal_size().columns)
    click.echo(text, err=True)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", prog_name="translate")
@click.option(
    "--quiet", "-q", is_flag=True, help="Say nothing but warnings and errors, where a command does some work."
)
@click.option("--traceback", is_flag=True, envvar="TRANSLATE_TRACEBACK", help="Show where an error comes from.")
@click.option("--plugin", multiple=True, metavar="NAME", help="Import a plugin that nothing names: its image formats.")
@click.option("--no-plugin", multiple=True, metavar="NAME", help="Leave a plugin out, as TRANSLATE_PLUGINS_OFF does.")
@click.option("--trace-plugins", is_flag=True, help="Show every import of a plugin and every hook call with its time.")
@click.pass_context
def main(
    ctx: click.Context,
    quiet: bool,
    traceback: bool,
    plugin: tuple[str, ...],
    no_plugin: tuple[str, ...],
    trace_plugins: bool,
) -> None:
    """Image-to-image translation: train, convert and score with one pipeline file."""
    if plugin or no_plugin or trace_plugins:
        from translate.plugins import Registry, switched

        trace = partial(click.echo, err=True) if trace_plugins else None
        ctx.with_resource(switched(no_plugin, trace, on=plugin))
        if plugin:
            Registry()  # takes their formats into use, also for commands that look for no component


_GROUPS = (pipelines, convert, sample, evaluate, models, catalogue, plugins, authoring, services)

for group in _GROUPS:
    for command in group.COMMANDS:
        main.add_command(command)
