"""`jobsearch doctor`: what it looks at, and what it says when something is not as it should be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_home import ENGLISH, linked_copy, replace_file
from cli_process import Cli, environment, shape

from jobsearch.encoder.shipped import DELTA
from jobsearch.errors import EncoderError
from jobsearch.home import builtin_encoder_directory


def findings(cli: Cli, home: Path, code: int = 0) -> dict[str, dict[str, str]]:
    found = cli(home, "doctor", "--json")
    assert (found.code, found.err) == (code, "")
    listed = json.loads(found.out)
    assert shape(listed) == [{"what": str, "state": str, "seen": str, "next_step": str}]
    assert {finding["state"] for finding in listed} <= {"ok", "note", "broken"}
    assert any(finding["state"] == "broken" for finding in listed) == bool(code)
    return {finding["what"]: finding for finding in listed}


@pytest.fixture(autouse=True)
def enough_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5 * 10**9))


def test_all_is_well(session_home: Path, cli: Cli) -> None:
    found = findings(cli, session_home)
    assert {"Python", "numpy", "faiss-cpu", "sentencepiece", "tensorflow", "Home", "Encoder use"} <= set(found)
    assert found["Home"] == {"what": "Home", "state": "ok", "seen": f"{session_home}, 5.0 GB free", "next_step": ""}
    assert found["Taxonomy small (in use)"]["seen"] == f"{ENGLISH} labels, 12 occupations"
    assert {"Taxonomy esco-en", "Taxonomy both"} <= set(found)
    assert found["Index small"]["seen"] == f"version 0001, {ENGLISH} labels, encoder use"
    assert found["Index small"]["state"] == found["Index both"]["state"] == "ok"


def test_the_table_says_the_same(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_file(home / "indexes" / "small" / "versions" / "0001" / "vectors.faiss", b"damaged")
    found = cli(home, "doctor")
    assert (found.code, found.err) == (1, "")
    lines = found.out.splitlines()
    assert any(line.split()[:2] == ["ok", "numpy"] for line in lines)
    at = next(number for number, line in enumerate(lines) if line.split()[:3] == ["broken", "Index", "small"])
    assert any("→ run `jobsearch index build --name small`" in line for line in lines[at : at + 4])
    monkeypatch.setattr("jobsearch.cli.signs.stdout_shows_unicode", lambda: False)
    plain = cli(home, "doctor").out
    assert "-> run `jobsearch index build --name small`" in plain
    assert plain.isascii()


def test_no_advice_is_given_twice(home: Path, cli: Cli) -> None:
    replace_file(home / "indexes" / "small" / "versions" / "0001" / "vectors.faiss", b"damaged")
    replace_file(home / "data" / "taxonomies" / "small" / "taxonomy.json", b"{")
    shutil.rmtree(home / "data" / "taxonomies" / "both")
    replace_file(home / "data" / "taxonomies" / "active", b"gone")
    replace_file(tuned(home, "mine") / "config.json", b"{}")
    broken = [one for one in findings(cli, home, code=1).values() if one["state"] == "broken"]
    assert {one["what"] for one in broken} == {
        *("Taxonomy small", "Taxonomy gone (in use)", "Index small", "Encoder mine"),
    }
    for one in broken:
        assert one["next_step"]
        assert "run `" not in one["seen"]
        assert "make it again" not in one["seen"]
        assert not one["seen"].endswith((";", "; "))
    table = cli(home, "doctor").out
    assert table.count("jobsearch index build --name small") == 1


@pytest.mark.parametrize("name", ["manifest.json", "labels.safetensors", "encoder/weights.safetensors"])
def test_a_broken_index(home: Path, cli: Cli, name: str) -> None:
    (home / "indexes" / "small" / "versions" / "0001" / name).unlink()
    found = findings(cli, home, code=1)
    assert found["Index small"]["state"] == "broken"
    assert f"{name} is missing" in found["Index small"]["seen"]
    assert found["Index small"]["next_step"] == "run `jobsearch index build --name small`"
    assert found["Index both"]["state"] == "ok"


def test_an_index_without_its_pointer(home: Path, cli: Cli) -> None:
    (home / "indexes" / "small" / "current").unlink()
    found = findings(cli, home, code=1)["Index small"]
    assert found["state"] == "broken"
    assert found["seen"].endswith("holds version 0001, but not the file `current`, which names the one to open")
    assert found["next_step"].startswith("copy that too, write it with `echo 0001 > ")


def test_a_broken_taxonomy(home: Path, cli: Cli) -> None:
    replace_file(home / "data" / "taxonomies" / "small" / "concepts.csv.gz", b"damaged")
    found = findings(cli, home, code=1)
    assert found["Taxonomy small (in use)"]["state"] == "broken"
    assert "`jobsearch esco use esco-en`" in found["Taxonomy small (in use)"]["next_step"]
    assert found["Index small"]["state"] == "ok"  # it needs no taxonomy


def test_a_taxonomy_in_use_that_is_gone(home: Path, cli: Cli) -> None:
    shutil.rmtree(home / "data" / "taxonomies" / "small")
    found = findings(cli, home, code=1)
    assert found["Taxonomy small (in use)"]["state"] == "broken"
    assert found["Index small"]["seen"].endswith("its taxonomy small is not here")


def test_a_stale_index(home: Path, bundle: Path, cli: Cli) -> None:
    assert cli(home, "esco", "import", str(bundle), "--language", "de", "--name", "small").code == 0
    found = findings(cli, home)
    assert found["Index small"]["state"] == "note"
    assert found["Index small"]["seen"].endswith("its taxonomy has changed since")
    assert found["Index small"]["next_step"] == "run `jobsearch index build --name small --taxonomy small`"


def tuned(home: Path, name: str, verdict: str = "accepted") -> Path:
    """Give the home folder a tuned encoder: the weights of its index, linked, with a record."""
    folder = home / "data" / "models" / ("rejected" if verdict == "rejected" else "") / name
    linked_copy(home / "indexes" / "small" / "versions" / "0001" / "encoder", folder)
    record = {"name": name, "created": "2026-01-03T10:20:30+00:00", "recipe": {}, "data": {}}
    (folder / "record.json").write_text(json.dumps({**record, "gate": {"verdict": verdict}}), encoding="utf-8")
    return folder


def test_tuned_encoders(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    tuned(home, "mine")
    tuned(home, "mine", "rejected")
    (tuned(home, "by-hand") / "record.json").unlink()
    found = findings(cli, home)
    assert {what: (one["state"], one["seen"]) for what, one in found.items() if what.startswith("Encoder ")} == {
        "Encoder use": ("ok", "use weights found"),
        "Encoder use-jobs": ("ok", "use-jobs weights found"),
        "Encoder by-hand": ("ok", "weights whole"),
        "Encoder mine": ("ok", "weights whole, accepted, made 2026-01-03 10:20 UTC"),
        "Encoder mine (rejected)": ("ok", "weights whole, rejected, made 2026-01-03 10:20 UTC"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("sp.model", b"altered", "was altered: it does not match its digests"),
        ("weights.safetensors", None, "weights.safetensors is missing"),
        ("config.json", None, "config.json is missing"),
        ("record.json", b"{}", "record.json cannot be read (name is missing)"),
    ],
)
def test_a_broken_tuned_encoder(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None, says: str
) -> None:
    only(monkeypatch)
    folder = tuned(home, "mine")
    replace_file(folder / name, b"")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    found = findings(cli, home, code=1)["Encoder mine"]
    assert found["state"] == "broken"
    assert says in found["seen"]
    assert found["next_step"] == (
        f"put it back from a copy, or remove {folder} and tune again; indexes built with it keep their own"
    )


def test_runs_that_are_not_at_their_end(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    run = tmp_path / "data" / "models" / ".runs" / "mine@taught"
    run.mkdir(parents=True)
    (run / "last-0001500.safetensors").write_bytes(bytes(2_300_000))
    state = {"identity": {"recipe": {"name": "taught", "steps": 4000}}, "step": 1500}
    (run / "state.json").write_text(json.dumps(state))
    os.utime(run / "state.json", (1_700_000_000, 1_700_000_000))
    assert findings(cli, tmp_path)["Unfinished run mine"] == {
        "what": "Unfinished run mine",
        "state": "note",
        "seen": f"step 1,500 of 4,000 by recipe taught, 2.3 MB in {run}, last saved 2023-11-14 22:13 UTC",
        "next_step": f"unless it is at work: start its `jobsearch tune` again to go on, or remove {run}",
    }
    (run / "state.json").write_text("{")
    found = findings(cli, tmp_path)["Unfinished run mine"]
    assert found["state"] == "note"
    assert "state.json cannot be read (" in found["seen"] and f"; remove {run} to begin anew; 2.3 MB" in found["seen"]


@pytest.mark.parametrize("inside", ["data/models", "data/taxonomies", "indexes/mine/versions"])
def test_what_a_kill_left(cli: Cli, tmp_path: Path, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    (tmp_path / inside).mkdir(parents=True)

    program = (
        "import os, sys; from pathlib import Path; from jobsearch.files import new_directory\n"
        "with new_directory(Path(sys.argv[1])) as aside:\n"
        "    (aside / 'weights.safetensors').write_bytes(bytes(2_300_000))\n"
        "    os._exit(9)"
    )
    killed = [sys.executable, "-c", program, str(tmp_path / inside / "tuned-1")]
    assert subprocess.run(killed, env=environment(tmp_path), check=False).returncode == 9
    (aside,) = (tmp_path / inside).iterdir()
    found = findings(cli, tmp_path)["Left by a kill"]
    assert found["state"] == "note"
    assert found["seen"] == f"half-written, 2.3 MB in {aside}; nothing reads it"
    assert found["next_step"] == "unless something is being written there now, remove it"


def test_nothing_there_yet(cli: Cli, tmp_path: Path) -> None:
    found = findings(cli, tmp_path / "new" / "home")
    assert found["Home"]["state"] == "ok"
    assert found["Taxonomy esco-en (in use)"]["seen"] == "100,483 labels, 3,039 occupations"
    assert found["Indexes"]["state"] == "note"
    assert "`jobsearch index build`" in found["Indexes"]["next_step"]
    assert not (tmp_path / "new").exists()  # looking changes nothing


def test_a_home_below_a_file(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = findings(cli, tmp_path / "file" / "home", code=1)
    assert found["Home"]["state"] == "broken"
    assert f"{tmp_path / 'file'} is a file" in found["Home"]["seen"]
    assert "JOBSEARCH_HOME" in found["Home"]["next_step"]


def only(monkeypatch: pytest.MonkeyPatch, *parts: str) -> None:
    """Leave out what takes long and is not asked about."""
    for part in {"_taxonomies", "_indexes"} - set(parts):
        monkeypatch.setattr(f"jobsearch.cli.doctor.{part}", lambda: ())


def test_a_home_that_may_not_be_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write everywhere
    found = findings(cli, tmp_path, code=1)
    assert found["Home"]["state"] == "broken"
    assert found["Home"]["next_step"] == "set JOBSEARCH_HOME to a folder that can be written"


def test_a_disk_that_is_nearly_full(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**8))
    home = findings(cli, tmp_path)["Home"]
    assert (home["state"], home["seen"]) == ("note", f"{tmp_path}, 0.1 GB free")
    assert "free some space" in home["next_step"]


def test_packages_that_are_missing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)
    monkeypatch.setattr("jobsearch.cli.doctor._PACKAGES", ("no-such-needed",))
    monkeypatch.setattr("jobsearch.cli.doctor._TUNING_PACKAGES", ("no-such-tuning",))
    found = findings(cli, tmp_path, code=1)
    assert found["no-such-needed"] == {
        "what": "no-such-needed",
        "state": "broken",
        "seen": "not installed; needed for everything",
        "next_step": "run `pip install no-such-needed`",
    }
    assert (found["no-such-tuning"]["state"], found["no-such-tuning"]["seen"]) == (
        "note",
        "not installed; needed for tuning only",
    )


def test_weights_that_cannot_be_read(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch)

    def fail(case: str) -> None:
        raise EncoderError("the installed USE weights cannot be read; run `pip …`")

    monkeypatch.setattr("jobsearch.encoder.packaged.packaged_weights", fail)
    found = findings(cli, tmp_path, code=1)
    assert found["Encoder use"]["state"] == "broken"
    assert "run `pip" in found["Encoder use"]["seen"]


def test_a_damaged_shipped_encoder(
    session_home: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(builtin_encoder_directory(), folder)
    monkeypatch.setattr("jobsearch.encoder.shipped.builtin_encoder_directory", lambda: folder)
    assert findings(cli, session_home)["Encoder use-jobs"]["state"] == "ok"
    content = bytearray((folder / DELTA).read_bytes())
    content[-1000] ^= 1
    (folder / DELTA).write_bytes(content)
    found = findings(cli, session_home, code=1)["Encoder use-jobs"]
    assert found["state"] == "broken"
    assert "was altered: it does not match its digest; install jobsearch again" in found["seen"]
