"""The kind of group that `jobsearch` and its groups of commands are."""

from __future__ import annotations

import difflib

import click


class HelpfulGroup(click.Group):
    """A group that helps on."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `help COMMAND` for `COMMAND --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and suggest one where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            commands = self.list_commands(ctx)
            close = difflib.get_close_matches(args[0], commands, 1)
            if close:
                hint = f"did you mean `{ctx.command_path} {close[0]}`?"
            elif ctx.parent is None:
                hint = f'to search for it, type `jobsearch search "{args[0]}"`'
            else:
                hint = f"there are: {', '.join(commands)}"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx) from None
