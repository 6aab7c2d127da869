"""Addresses of Milvus: what they mean, how they are typed again, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsearch.errors import VectorStoreError
from jobsearch.integrations.milvus_address import Address


@pytest.mark.parametrize(
    ("text", "expected", "again"),
    [
        ("milvus://db.example", Address("http://db.example:19530"), "milvus://db.example:19530"),
        ("db.example:1234/titles", Address("http://db.example:1234", "titles"), "milvus://db.example:1234/titles"),
        ("https://db.example", Address("https://db.example:19530"), "milvus://db.example:19530?tls=true"),
        ("milvus://[::1]:7", Address("http://[::1]:7"), "milvus://[::1]:7"),
        (
            "milvus://h?collection=a_1&index=esco-en&timeout=2.5&tls=true",
            Address("https://h:19530", "", "a_1", "esco-en", 2.5),
            "milvus://h:19530?collection=a_1&index=esco-en&timeout=2.5&tls=true",
        ),
        ("milvus:///srv/a b.db", Address("/srv/a b.db"), "milvus:///srv/a b.db"),
        (
            "milvus:///srv/t.db?index=/srv/indexes/esco-en",
            Address("/srv/t.db", index="/srv/indexes/esco-en"),
            "milvus:///srv/t.db?index=/srv/indexes/esco-en",
        ),
    ],
)
def test_an_address(text: str, expected: Address, again: str) -> None:
    assert Address.parse(text) == expected
    assert str(expected) == again
    assert Address.parse(again) == expected


def test_a_file_of_this_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Address.parse("milvus://t.db") == Address.parse("t.db") == Address(str(tmp_path / "t.db"))
    assert Address.parse("t.db").is_file
    assert not Address.parse("milvus://t.db:19530").is_file  # a host's name may end so


def test_a_collection_beside_the_address() -> None:
    assert Address.parse("milvus://h?collection=a", "b").collection == "b"


def test_the_token_is_in_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    address = Address.parse("milvus://h")
    monkeypatch.delenv("JOBSEARCH_MILVUS_TOKEN", raising=False)
    assert address.token == ""
    monkeypatch.setenv("JOBSEARCH_MILVUS_TOKEN", "root:secret")
    assert address.token == "root:secret"
    assert "secret" not in f"{address!r} {address}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("milvus://", "expected milvus://HOST:PORT or milvus://FILE.db"),
        ("milvus://h:port", "expected milvus://HOST:PORT"),
        ("milvus://h:99999", "expected milvus://HOST:PORT"),
        ("milvus://h/a/b", "expected milvus://HOST:PORT"),
        ("milvus://h?colection=a", "'colection' is not known, expected collection, index, timeout, tls"),
        ("milvus://h?timeout=0", "timeout is '0', expected seconds above 0"),
        ("milvus://h?timeout=soon", "timeout is 'soon', expected seconds"),
        ("milvus://h?tls=yes", "tls is 'yes', expected true or false"),
        ("milvus://h?collection=esco-en", "collection 'esco-en': Milvus takes letters, digits and _"),
    ],
)
def test_what_is_none_is_told(text: str, told: str) -> None:
    with pytest.raises(VectorStoreError) as raised:
        Address.parse(text)
    assert told in str(raised.value)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(VectorStoreError, match="put it into JOBSEARCH_MILVUS_TOKEN") as raised:
        Address.parse("milvus://root:secret@h")
    assert "secret" not in str(raised.value)
