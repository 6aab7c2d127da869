"""The `jobsearch` command: its subcommands, and how errors end."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence

import click

from jobsearch import __version__
from jobsearch.cli.doctor import doctor
from jobsearch.cli.esco import esco
from jobsearch.cli.index import index
from jobsearch.cli.search import search
from jobsearch.cli.shell import shell
from jobsearch.errors import JobSearchError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class _Group(click.Group):
    """A group that suggests the right command for a mistyped one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            close = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            if close:
                hint = f"did you mean `jobsearch {close[0]}`?"
            else:
                hint = f'to search for it, type `jobsearch search "{args[0]}"`'
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx) from None


@click.group(
    cls=_Group,
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


for command in (search, shell, index, esco, doctor):
    cli.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to fail
    try:
        code = cli.main(list(arguments), prog_name="jobsearch", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "jobsearch"
        click.echo(f"Error: {error.format_message()} (see `{command} -h`)", err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        return 1
    except JobSearchError as error:
        click.echo(f"Error: {error}", err=True)
        return 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; what was finished before is kept, nothing is half-written.", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, as in `jobsearch search … | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code if isinstance(code, int) else 0
