"""The `jobsearch` command: its subcommands, and how errors end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from jobsearch import __version__
from jobsearch.cli.compare import compare
from jobsearch.cli.doctor import doctor
from jobsearch.cli.esco import esco
from jobsearch.cli.evaluate import evaluate
from jobsearch.cli.groups import HelpfulGroup
from jobsearch.cli.index import index
from jobsearch.cli.match import match
from jobsearch.cli.models import models
from jobsearch.cli.pairs import pairs
from jobsearch.cli.report import report
from jobsearch.cli.search import search
from jobsearch.cli.serve import serve
from jobsearch.cli.shell import shell
from jobsearch.cli.tune import tune
from jobsearch.errors import JobSearchError

# What has an encoder of its own, by the option that names it, for who looks for `--encoder` where there is none.
_INSTEAD_OF_ENCODER = {
    "--index": "an index brings its encoder: name one with --index (`jobsearch index list` shows them)",
    "--base": "name the encoders with --base and --tuned",
}
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@click.group(
    cls=HelpfulGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="jobsearch")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Search job titles and skills by meaning, over ESCO.

    Without a command the interactive search starts. The index is built on first use.

    \b
    Examples:
      jobsearch search "machine learning engineer"
      jobsearch
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(shell)


for command in (search, match, shell, compare, pairs, tune, models, report, index, esco, evaluate, serve, doctor):
    command.no_args_is_help = False  # a group alone is wrong usage, told in one line
    cli.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    _prepare_streams()
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jobsearch"
        _say(f"Error: {_told(error)} (see `{command} -h`)")
        return 2
    except click.ClickException as error:
        _say(f"Error: {error.format_message()}")
        return 1
    except JobSearchError as error:
        _say(f"Error: {error}")
        return 1
    except (KeyboardInterrupt, click.Abort) as error:
        return _interrupted(str(error))
    except BrokenPipeError:
        # The reader of our output has gone, as in `jobsearch search … | head -1`.
        _drop_output()
        return 0
    except OSError as error:
        # What the library does not foresee: a full disk behind stdout, a path that is too long, …
        _drop_output()
        where = f": {error.filename}" if error.filename else ""
        _say(f"Error: the system refused: {error.strerror or error}{where}; `jobsearch doctor` looks for the cause")
        return 1
    except RuntimeError as error:
        # CPython before 3.12 makes a RuntimeError of a Ctrl-C that comes while a class is made, as by an import.
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return _interrupted()
    return code if isinstance(code, int) else 0


def _interrupted(told: str = "") -> int:
    """Say that a command was interrupted, and what became of its work if the command itself told that."""
    if sys.stderr.isatty():
        click.echo(err=True)  # ends the line on which the terminal shows ^C
    _say(f"Interrupted; {told or 'what was finished before is kept, nothing is half-written'}.")
    return INTERRUPTED


def _invoke(arguments: Sequence[str]) -> Any:
    if "_JOBSEARCH_COMPLETE" in os.environ:  # how click asks for completions in a user's shell
        return cli.main(list(arguments), prog_name="jobsearch", standalone_mode=False)
    # Not by `cli.main`: it ends broken pipes with 1, and Ctrl-C with an empty line even in a log.
    try:
        with cli.make_context("jobsearch", list(arguments)) as context:
            return cli.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code


def _told(error: click.UsageError) -> str:
    """Return what was wrong, with what to do where it can be guessed."""
    if isinstance(error, click.NoSuchOption) and error.option_name == "--encoder" and error.ctx:
        options = {name for parameter in error.ctx.command.params for name in parameter.opts}
        for name, hint in _INSTEAD_OF_ENCODER.items():
            if name in options:
                return f"there is no option --encoder here; {hint}"
    return error.format_message()


def _prepare_streams() -> None:
    """Give each closed stream a place to go, and let no letter that a terminal cannot show be a reason to fail."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller, as in `jobsearch … >&-`
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _say(message: str) -> None:
    """Print a message as one line on stderr, whatever a user typed that is quoted in it."""
    with contextlib.suppress(OSError):  # nobody is left to be told
        click.echo(" ".join(message.splitlines()), err=True)


def _drop_output() -> None:
    """Let what is still to be written to stdout go nowhere, so that the interpreter's last flush does not fail."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
