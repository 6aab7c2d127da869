"""What goes wrong ends with one line that says so and what to do: exit 1 for the library, 2 for wrong usage."""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from cli_home import CONCEPTS, linked_copy, replace_file, write_bundle
from cli_process import Cli, Result, error_of, execute

from jobsearch.cli.app import cli as root
from jobsearch.cli.app import run
from jobsearch.errors import JobSearchError
from jobsearch.index.manifest import ABOUT, ENCODER, LABELS, MANIFEST, VECTORS, WORDS, Manifest

# --- queries and options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((""), r"query 1 is empty \(''\); type a job title or a skill"),
        ((" \t\n\u00a0\u200b"), r"query 1 is empty .*"),
        (("nurse", "-k", "0"), rf"k is 0, expected a whole number from 1 to {CONCEPTS} .*'small'.*"),
        (("nurse", "-k", "-1"), rf"k is -1, expected a whole number from 1 to {CONCEPTS} .*"),
        (("nurse", "-k", str(CONCEPTS + 1)), rf"k is {CONCEPTS + 1}, expected .* from 1 to {CONCEPTS} .*"),
        (("nurse", "-k", "11", "--kind", "skill"), r"k is 11, expected .* from 1 to 10 \(the skills .*"),
        (("nurse", "--kind", "job"), r"kind is 'job', expected one of occupation, skill, all"),
        (("nurse", "--index", "no index!"), r"index name 'no index!': expected letters, .*`jobsearch index list`.*"),
        (("nurse", "--index", "/no/where"), r"no index '/no/where'.*`jobsearch index build .*"),
        (("nurse", "--index", "x/" * 3000), r".*File name too long.*`jobsearch doctor`.*"),
    ],
    ids=["empty", "blank", "k0", "k-1", "k-many", "k-skills", "kind", "index-name", "index-path", "index-long"],
)
def test_what_cannot_be_searched(session_home: Path, cli: Cli, arguments: tuple[str, ...] | str, says: str) -> None:
    given = (arguments,) if isinstance(arguments, str) else arguments
    for options in ((), ("--json",)):
        assert re.fullmatch(f"Error: {says}", error_of(cli(session_home, "search", *options, *given)))


@pytest.mark.parametrize("command", ["search", "shell"])
def test_what_is_wrong_with_k_and_kind_is_told_whatever_stdin_holds(session_home: Path, cli: Cli, command: str) -> None:
    queries = ("-",) if command == "search" else ()
    for stdin in (b"", b"nurse\n"):
        assert "k is 0" in error_of(cli(session_home, command, *queries, "-k", "0", stdin=stdin))
        assert "kind is 'x'" in error_of(cli(session_home, command, *queries, "--kind", "x", stdin=stdin))


# --- wrong usage -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("serach", "nurse"), "there is no command 'serach'; did you mean `jobsearch search`?"),
        (("doktor",), "did you mean `jobsearch doctor`?"),
        (("machine learning engineer",), 'to search for it, type `jobsearch search "machine learning engineer"`'),
        (("nurse",), 'to search for it, type `jobsearch search "nurse"`'),
        (("two\nlines",), 'type `jobsearch search "two lines"`'),
        (("search",), "Missing argument 'QUERY…'"),
        (("search", "nurse", "-k", "many"), "'many' is not a valid integer"),
        (("search", "nurse", "-k", "1.5"), "'1.5' is not a valid integer"),
        (("search", "nurse", "--knd", "skill"), "--knd"),
        (("search", "nurse", "-k"), "-k"),
        (("index", "bild"), "there is no command 'bild'; did you mean `jobsearch index build`?"),
        (("models", "xyz"), "there is no command 'xyz'; there are: delete, list, show"),
        (("esco", "help", "imprt"), "did you mean `jobsearch esco import`?"),
        (("esco", "use"), "Missing argument 'NAME'"),
        (("help", "serach"), "did you mean `jobsearch search`?"),
        (("search", "x", "--encoder", "use"), "an index brings its encoder: name one with --index (`jobsearch index"),
        (("shell", "--encoder=use"), "name one with --index"),
        (("compare", "x", "--encoder", "use"), "name the encoders with --base and --tuned"),
        (("search", "x", "--encodr", "use"), "No such option '--encodr'"),
        (("index", "verify", "--encoder", "use"), "No such option '--encoder'"),
        (("doctor", "more"), "more"),
        (("--frob",), "--frob"),
    ],
)
def test_wrong_usage(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    line = error_of(cli(tmp_path / "home", *arguments), code=2)
    assert says in line
    assert re.search(r"\(see `jobsearch [a-z ]*-h`\)$", line)
    assert not (tmp_path / "home").exists()


def groups(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return []
    below = [found for name, sub in command.commands.items() for found in groups(sub, (*path, name))]
    return ([path] if path else []) + below


@pytest.mark.parametrize("path", groups(root), ids=" ".join)
def test_a_group_without_a_command(cli: Cli, tmp_path: Path, path: tuple[str, ...]) -> None:
    assert "Missing command" in error_of(cli(tmp_path, *path), code=2)


# --- indexes ---------------------------------------------------------------------------------------------------

FILES = [
    MANIFEST,
    VECTORS,
    LABELS,
    WORDS,
    ABOUT,
    *(f"{ENCODER}/{name}" for name in ("config.json", "weights.safetensors", "sp.model")),
]


def test_every_file_of_a_version_is_damaged_below(session_home: Path) -> None:
    version = session_home / "indexes" / "small" / "versions" / "0001"
    assert {str(path.relative_to(version)) for path in version.rglob("*") if path.is_file()} == set(FILES)


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut_short(content: bytes) -> bytes:
    return content[: len(content) * 9 // 10]


@pytest.mark.parametrize("harm", [flip, cut_short, None], ids=["flipped", "truncated", "missing"])
def test_a_damaged_index(session_home: Path, cli: Cli, tmp_path: Path, harm: Callable[[bytes], bytes] | None) -> None:
    for position, name in enumerate(FILES):
        home = linked_copy(session_home, tmp_path / str(position))
        file = home / "indexes" / "small" / "versions" / "0001" / name
        content = file.read_bytes()
        file.unlink()
        if harm:
            file.write_bytes(harm(content))
        line = error_of(cli(home, "search", "nurse"))
        assert name in line
        assert "`jobsearch index build --name small`" in line
        assert error_of(cli(home, "index", "verify")) == line
        shutil.rmtree(home)


@pytest.mark.parametrize("content", [b"", b"0002\n", b"../../x\n", b"\xff\xfe", b"0001"])
def test_a_damaged_pointer(home: Path, cli: Cli, content: bytes) -> None:
    replace_file(home / "indexes" / "small" / "current", content)
    found = cli(home, "search", "nurse", "-k", "1")
    if content == b"0001":  # the end of the line is not what matters
        assert found.code == 0
    else:
        assert "small" in error_of(found)


def change_manifest(home: Path, **changes: object) -> None:
    """Write a manifest whose checksum is right."""
    folder = home / "indexes" / "small" / "versions" / "0001"
    changed = replace(Manifest.read(folder, ""), **changes)  # type: ignore[arg-type]
    replace_file(folder / MANIFEST, changed.to_json().encode())


def test_an_index_of_another_format_version(home: Path, cli: Cli) -> None:
    change_manifest(home, format_version=3)
    line = error_of(cli(home, "search", "nurse"))
    assert re.search(r"has format version 3, this release reads 6; run `jobsearch index build --name small`", line)


def test_an_index_whose_encoder_is_not_the_one_that_made_the_vectors(home: Path, cli: Cli) -> None:
    change_manifest(home, encoder={"name": "use", "fingerprint": "0" * 64, "case": "lower"})
    line = error_of(cli(home, "search", "nurse"))
    assert re.search(
        r"'small' was built with encoder 0{12} \(512 wide\) and holds [0-9a-f]{12} \(512 wide\); run `", line
    )


def test_vectors_that_another_encoder_made_are_found_by_verify(home: Path, cli: Cli) -> None:
    """The files are whole and fit together; only embedding labels again tells that the vectors are not theirs."""
    folder = home / "indexes" / "small" / "versions" / "0001"
    vectors = bytearray((folder / VECTORS).read_bytes())
    vectors[-512 * 4 :], vectors[-1024 * 4 : -512 * 4] = vectors[-1024 * 4 : -512 * 4], vectors[-512 * 4 :]
    replace_file(folder / VECTORS, bytes(vectors))
    from jobsearch.index.manifest import describe_files

    change_manifest(home, files=describe_files(folder))
    assert cli(home, "search", "nurse", "-k", "1").code == 0
    assert "the vector of label" in error_of(cli(home, "index", "verify"))


# --- taxonomies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["taxonomy.json", "concepts.csv.gz", "alternative_labels.csv.gz"])
@pytest.mark.parametrize("harm", [flip, cut_short], ids=["flipped", "truncated"])
def test_a_damaged_taxonomy(home: Path, cli: Cli, table: str, harm: Callable[[bytes], bytes]) -> None:
    file = home / "data" / "taxonomies" / "small" / table
    replace_file(file, harm(file.read_bytes()))
    line = error_of(cli(home, "index", "build"))
    assert str(file.parent) in line
    assert "`jobsearch esco info`" in line
    assert cli(home, "search", "nurse", "-k", "1").code == 0  # the index has all that it needs


def test_a_taxonomy_in_use_that_is_gone(home: Path, cli: Cli) -> None:
    shutil.rmtree(home / "data" / "taxonomies" / "small")
    shutil.rmtree(home / "indexes" / "small")
    for arguments in (("index", "build"), ("esco", "info"), ("search", "nurse")):
        line = error_of(cli(home, *arguments))
        assert "no taxonomy 'small'; expected one of esco-en, both; `jobsearch esco use NAME`" in line


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b" \n"])
def test_without_a_readable_choice_the_built_in_taxonomy_is_in_use(home: Path, cli: Cli, content: bytes) -> None:
    replace_file(home / "data" / "taxonomies" / "active", content)
    found = cli(home, "esco", "info", "--json")
    assert (found.code, json.loads(found.out)["name"]) == (0, "esco-en")


def importing(bundle: Path, tmp_path: Path) -> dict[str, tuple[str, str]]:
    """Paths that cannot be imported, and what is said of them."""
    latin = write_bundle(tmp_path / "latin")
    file = latin / "occupations_de.csv"
    file.write_bytes(file.read_text(encoding="utf-8").encode("latin-1"))
    (tmp_path / "bundle.zip").write_bytes(b"this is no archive")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "nothing").mkdir()
    return {
        str(tmp_path / "missing"): r"there is no .*missing, expected ESCO's bundle",
        str(tmp_path / "bundle.zip"): r"bundle.zip is no ZIP file",
        str(tmp_path / "cut.zip"): r"cut.zip is cut short or damaged",
        str(tmp_path / "nothing"): r"nothing holds no CSV file",
        str(latin): r"occupations_de.csv line 2 is not UTF-8 \(byte 0xE4\)",
        str(bundle / "skills_en.csv"): r"skills_en.csv is one table, expected the folder",
    }


def test_what_cannot_be_imported(bundle: Path, cli: Cli, tmp_path: Path) -> None:
    for path, says in importing(bundle, tmp_path).items():
        assert re.search(says, error_of(cli(tmp_path / "home", "esco", "import", path)))
    assert "has de, en, asked for fr" in error_of(
        cli(tmp_path / "home", "esco", "import", str(bundle), "--language", "fr")
    )
    for name in ("esco-en", "a/b", ".."):
        assert f"'{name}'" in error_of(cli(tmp_path / "home", "esco", "import", str(bundle), "--name", name))
    assert not (tmp_path / "home").exists()


# --- the home folder -------------------------------------------------------------------------------------------


def test_a_home_that_cannot_be_made(bundle: Path, cli: Cli, tmp_path: Path) -> None:
    """Root may write anywhere, but not below a file and not in /proc."""
    (tmp_path / "file").write_text("")
    line = error_of(cli(tmp_path / "file" / "home", "esco", "import", str(bundle)))
    assert "a file stands where a folder is needed" in line
    assert "/proc/jobsearch" in error_of(cli(Path("/proc/jobsearch"), "esco", "import", str(bundle)))


def test_an_index_that_cannot_be_written_where_it_should(home: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = error_of(cli(home, "index", "build", "--name", f"{tmp_path}/file/index"))
    assert "cannot write" in line
    assert "a file stands where a folder is needed" in line


def test_a_disk_that_is_full(session_home: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the vectors and labels still fit, the weights do not."""
    home = linked_copy(session_home, tmp_path / "home")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000_000, 40_000_000))

    line = error_of(execute(home, "index", "build", limit=limit))
    assert re.search(
        r"cannot write .*indexes/small.*: the file is larger than .*`ulimit -f` allows; raise the limit", line
    )
    assert sorted(path.name for path in (home / "indexes" / "small" / "versions").iterdir()) == ["0001"]
    assert (home / "indexes" / "small" / "current").read_text() == "0001\n"


# --- the last resort -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (JobSearchError("seen,\nexpected; next"), "Error: seen, expected; next"),
        (click.ClickException("a\nb"), "Error: a b"),
        (
            PermissionError(13, "Permission denied", "/some/file"),
            "Error: the system refused: Permission denied: /some/file;",
        ),
        (OSError("no number"), "Error: the system refused: no number;"),
    ],
)
def test_every_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, says: str
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("jobsearch.cli.doctor.examine", fail)
    code = run(["doctor"])
    assert error_of(Result(code, *capsys.readouterr())).startswith(says)


def test_a_mistake_in_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("jobsearch.cli.doctor.examine", fail)
    with pytest.raises(ZeroDivisionError):
        run(["doctor"])


def test_ctrl_c_in_the_middle_of_an_import_is_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(_: object) -> None:
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    monkeypatch.setattr("jobsearch.cli.app._invoke", stopped)
    assert run(("index", "list")) == 130
    assert capsys.readouterr().err == "Interrupted; what was finished before is kept, nothing is half-written.\n"

    def broken(_: object) -> None:
        raise RuntimeError("a mistake of ours") from ValueError()

    monkeypatch.setattr("jobsearch.cli.app._invoke", broken)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        run(("index", "list"))
