"""What each key does in the live shell, and which answers count; neither terminal nor engine is there."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest
from live_driver import compared, found, hit, opened, wait_until

from jobsearch.cli.live.export import export
from jobsearch.cli.live.history import QueryHistory
from jobsearch.cli.live.messages import (
    ConceptRequest,
    Failed,
    Found,
    Preparing,
    Ready,
    Request,
    SearchRequest,
)
from jobsearch.cli.live.page import Cursor, Page
from jobsearch.cli.live.preparing import Preparation
from jobsearch.cli.live.state import LiveState
from jobsearch.cli.live.worker import Worker
from jobsearch.errors import QueryError, StorageError


class Session:
    """A state, and what it asked for."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.calls: list[str] = []
        self.state = LiveState(
            self.asked.append, lambda: self.calls.append("prepare"), lambda: self.calls.append("cancel")
        )


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def nurse(session: Session) -> Session:
    """Someone who searched for nurse and sees three hits."""
    session.state.type("nurse")
    session.state.receive(found("nurse", "nurse", "midwife", "medic"))
    session.asked.clear()
    return session


# Searching


def test_each_change_is_searched_once(session: Session) -> None:
    for query in ("n", "nu", "nu", "nur"):
        session.state.type(query)
    assert session.asked == [SearchRequest(query, "all") for query in ("n", "nu", "nur")]
    assert session.state.waiting


def test_an_answer_to_an_older_query_is_dropped(session: Session) -> None:
    session.state.type("nurse")
    session.state.type("baker")
    session.state.receive(found("nurse", "nurse"))
    assert session.state.listed is None
    session.state.receive(found("baker", "baker"))
    assert [item and item[0] for item in session.state.items] == ["urn:baker"]
    assert not session.state.waiting


def test_an_answer_for_another_kind_is_dropped(nurse: Session) -> None:
    nurse.state.tab()
    assert nurse.asked == [SearchRequest("nurse", "occupation")]
    nurse.state.receive(found("nurse", "stale"))
    assert nurse.state.waiting
    nurse.state.receive(found("nurse", "fresh", kind="occupation"))
    assert [item and item[0] for item in nurse.state.items] == ["urn:fresh"]


def test_tab_goes_round_the_kinds(session: Session) -> None:
    seen = [session.state.kind]
    for _ in range(3):
        session.state.tab()
        seen.append(session.state.kind)
    assert seen == ["all", "occupation", "skill", "all"]
    assert session.asked == []  # there is no query


@pytest.mark.parametrize("query", ["", "   "])
def test_without_a_query_nothing_is_listed(nurse: Session, query: str) -> None:
    nurse.state.type("x")
    nurse.asked.clear()
    nurse.state.type(query)
    assert nurse.asked == []
    nurse.state.receive(found("x", "late"))
    assert (nurse.state.listed, nurse.state.waiting) == (None, False)


def test_an_error_takes_the_place_of_the_hits(nurse: Session) -> None:
    nurse.state.type("\u200b")
    nurse.state.receive(Failed(SearchRequest("\u200b", "all"), "the query is empty"))
    assert (nurse.state.note, nurse.state.failed, nurse.state.items) == ("the query is empty", True, [])
    nurse.state.type("nurse")
    assert (nurse.state.note, nurse.state.failed) == ("", False)


# Moving and opening


def test_the_cursor_stops_at_both_ends_and_begins_anew_with_each_list(nurse: Session) -> None:
    nurse.state.move(2)
    assert nurse.state.uri == "urn:medic"
    nurse.state.move(100)
    assert nurse.state.uri == "urn:medic"
    nurse.state.move(-100)
    assert nurse.state.uri == "urn:nurse"
    nurse.state.move(1)
    nurse.state.type("nurses")
    nurse.state.receive(found("nurses", "a", "b"))
    assert nurse.state.uri == "urn:a"


def test_moving_in_an_empty_list_is_nothing(session: Session) -> None:
    for step in (1, -1):
        session.state.move(step)
        assert session.state.cursor.selected == 0
    session.state.enter()
    assert session.asked == []


@pytest.mark.parametrize(
    ("line", "scroll", "first"), [(0, 0, 0), (4, 0, 0), (5, 0, 1), (9, 0, 5), (3, 5, 3), (9, 99, 5), (0, 3, 0)]
)
def test_the_view_scrolls_no_more_than_it_must(line: int, scroll: int, first: int) -> None:
    assert Cursor(scroll=scroll).window(line, lines=10, height=5) == first


def test_a_list_shorter_than_the_screen_does_not_scroll() -> None:
    assert Cursor(scroll=4).window(1, lines=2, height=5) == 0
    assert Cursor().window(0, lines=0, height=5) == 0


def test_concepts_open_one_after_another_and_close_in_turn(nurse: Session) -> None:
    nurse.state.move(1)
    nurse.state.enter()
    assert nurse.asked == [ConceptRequest("urn:midwife", "en")]
    nurse.state.receive(opened("midwife", ["doula"]))
    assert nurse.state.screen == "concept"
    nurse.state.tab()
    nurse.state.tab()
    assert nurse.state.uri == "urn:doula"
    nurse.state.enter()
    nurse.state.receive(opened("doula"))
    assert nurse.state.uri == "urn:doula"
    assert len(nurse.state.pages) == 2
    nurse.state.back()
    assert nurse.state.uri == "urn:doula"  # selected on midwife's page
    nurse.state.back()
    assert (nurse.state.screen, nurse.state.uri) == ("hits", "urn:midwife")
    assert len(nurse.asked) == 2  # the list is as it was


def test_a_line_that_is_no_concept_opens_nothing(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse", ["doula"]))
    nurse.asked.clear()
    nurse.state.enter()
    assert nurse.asked == []
    assert nurse.state.uri == "urn:nurse"


def test_enter_waits_for_the_list_of_the_query(nurse: Session) -> None:
    nurse.state.type("baker")
    nurse.state.enter()
    assert nurse.asked == [SearchRequest("baker", "all")]  # and not the nurse that is still shown
    nurse.state.receive(found("baker", "baker", "cook"))
    assert nurse.asked[-1] == ConceptRequest("urn:baker", "en")


def test_typing_on_takes_enter_back(nurse: Session) -> None:
    nurse.state.type("baker")
    nurse.state.enter()
    nurse.state.type("bakery")
    nurse.state.receive(found("bakery", "bakery"))
    assert nurse.asked == [SearchRequest("baker", "all"), SearchRequest("bakery", "all")]


def test_nothing_is_selected_while_the_list_is_an_older_one(nurse: Session) -> None:
    nurse.state.type("baker")
    assert nurse.state.uri is None


def test_a_concept_that_comes_after_going_back_is_dropped(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse", ["doula"]))
    nurse.state.tab()
    nurse.state.tab()
    nurse.state.enter()
    nurse.state.back()
    nurse.state.receive(opened("doula"))
    assert nurse.state.screen == "hits"


def test_a_concept_that_cannot_be_opened_leaves_the_list(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(Failed(ConceptRequest("urn:nurse", "en"), "no such concept"))
    assert (nurse.state.note, nurse.state.screen, len(nurse.state.items)) == ("no such concept", "hits", 3)


def test_typing_closes_what_is_open(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse"))
    nurse.state.toggle_help()
    nurse.state.type("nurses")
    assert nurse.state.screen == "hits"
    assert nurse.asked[-1] == SearchRequest("nurses", "all")


def test_back_goes_out_of_everything_in_turn(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse"))
    nurse.state.toggle_help()
    seen = []
    while nurse.state.back():
        seen.append((nurse.state.screen, nurse.state.query))
    assert seen == [("concept", "nurse"), ("hits", "nurse"), ("hits", "")]


def test_a_page_has_all_of_a_concept_and_tab_goes_to_each_section() -> None:
    page = Page(opened("nurse", ["midwife", "medic"], other_names=["sister"]))
    assert [row.text for row in page.rows] == [
        *("nurse  (occupation, en)", "urn:nurse", ""),
        *("ISCO-08", "2 Professionals", ""),
        *("Also called (1)", "sister", ""),
        *("Related titles (2)", "midwife", "medic"),
    ]
    selected = []
    for _ in range(5):
        page.next_section()
        selected.append(page.rows[page.cursor.selected].text)
    assert selected == ["2 Professionals", "sister", "midwife", "nurse  (occupation, en)", "2 Professionals"]


# Comparing


def test_comparing_waits_until_both_are_open_while_searching_goes_on(nurse: Session) -> None:
    nurse.state.toggle_compare()
    assert (nurse.calls, nurse.asked) == (["prepare"], [])
    nurse.state.receive(Preparing("embedding labels 10%"))
    assert nurse.state.preparing == "embedding labels 10%"
    nurse.state.type("baker")
    assert nurse.asked == [SearchRequest("baker", "all")]
    nurse.state.receive(found("baker", "baker"))
    nurse.state.receive(Ready())
    assert nurse.asked[-1] == SearchRequest("baker", "all", compared=True)
    assert nurse.state.screen == "hits"
    nurse.state.receive(compared("baker", ["cook", "baker"], ["baker", "chef"]))
    assert (nurse.state.screen, nurse.state.preparing) == ("comparison", "")
    assert [item and item[0] for item in nurse.state.items] == ["urn:baker", "urn:chef", "urn:cook"]
    nurse.state.type("cook")
    assert nurse.asked[-1] == SearchRequest("cook", "all", compared=True)
    nurse.state.toggle_compare()
    assert nurse.asked[-1] == SearchRequest("cook", "all")
    nurse.state.toggle_compare()
    assert nurse.calls == ["prepare"]  # both stay open
    assert nurse.asked[-1] == SearchRequest("cook", "all", compared=True)


@pytest.mark.parametrize("key", ["type", "move", "enter", "back", "tab"])
def test_a_message_stays_until_one_goes_on(nurse: Session, key: str) -> None:
    nurse.state.say("Wrote 3 rows to nurse.csv")
    assert nurse.state.note
    arguments = {"type": ("nurses",), "move": (1,)}.get(key, ())
    getattr(nurse.state, key)(*arguments)
    assert nurse.state.note == ""


def test_a_message_on_a_concepts_page_goes_as_well(nurse: Session) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse", ["midwife"]))
    for go_on in (nurse.state.tab, lambda: nurse.state.move(1)):
        nurse.state.say("Sent to the clipboard: urn:nurse")
        go_on()
        assert nurse.state.note == ""


def test_what_went_wrong_stays_while_there_is_nothing_to_move_in(session: Session) -> None:
    session.state.say("the query is empty", failed=True)
    session.state.move(1)
    assert session.state.note == "the query is empty"


@pytest.mark.parametrize("stop", ["toggle_compare", "back"])
def test_preparing_can_be_stopped(nurse: Session, stop: str) -> None:
    nurse.state.toggle_compare()
    getattr(nurse.state, stop)()
    assert (nurse.calls, nurse.state.preparing, nurse.state.query) == (["prepare", "cancel"], "", "nurse")
    nurse.state.receive(Preparing("late"))
    nurse.state.receive(Ready("stopped"))
    assert (nurse.state.preparing, nurse.state.note) == ("", "")
    nurse.state.toggle_compare()
    assert nurse.calls[-1] == "prepare"


def test_what_cannot_be_compared_says_why_and_leaves_the_hits(nurse: Session) -> None:
    nurse.state.toggle_compare()
    nurse.state.receive(Ready("the disk is full"))
    assert (nurse.state.note, nurse.state.failed, nurse.state.screen) == ("the disk is full", True, "hits")
    assert len(nurse.state.items) == 3
    nurse.state.type("baker")
    assert nurse.asked == [SearchRequest("baker", "all")]
    nurse.state.toggle_compare()
    assert nurse.calls == ["prepare", "prepare"]


def test_ready_while_a_concept_is_open_compares_after_going_back(nurse: Session) -> None:
    nurse.state.toggle_compare()
    nurse.state.enter()
    nurse.state.receive(opened("nurse"))
    nurse.state.receive(Ready())
    assert nurse.state.screen == "concept"
    assert nurse.asked == [ConceptRequest("urn:nurse", "en")]
    nurse.state.back()
    assert nurse.asked[-1] == SearchRequest("nurse", "all", compared=True)


# The worker


def test_the_worker_answers_the_newest_request_only() -> None:
    begun, go_on = threading.Event(), threading.Event()
    answered: list[Request] = []
    delivered: list[object] = []
    done = threading.Event()

    def answer(request: Request) -> Found:
        answered.append(request)
        begun.set()
        go_on.wait(5)
        assert isinstance(request, SearchRequest)
        return found(request.query)

    def deliver(result: object) -> None:
        delivered.append(result)
        done.set()

    worker = Worker(answer, deliver, settle=0)
    worker.ask(SearchRequest("a", "all"))
    assert begun.wait(5)
    worker.ask(SearchRequest("b", "all"))
    worker.ask(SearchRequest("c", "all"))
    go_on.set()
    assert done.wait(5)
    worker.close(5)
    assert [request.query for request in answered if isinstance(request, SearchRequest)] == ["a", "c"]
    assert delivered == [found("c")]


def test_the_worker_waits_for_the_end_of_a_run_of_keys() -> None:
    answered: list[Request] = []
    done = threading.Event()

    def answer(request: Request) -> Found:
        answered.append(request)
        done.set()
        return found("")

    worker = Worker(answer, lambda _: None, settle=0.25)
    for query in ("n", "nu", "nur"):
        worker.ask(SearchRequest(query, "all"))
        time.sleep(0.01)
    assert answered == []
    assert done.wait(5)
    worker.close(5)
    assert answered == [SearchRequest("nur", "all")]


@pytest.mark.parametrize(("error", "said"), [(QueryError("k is 0"), "k is 0"), (ValueError("a\nb"), "ValueError: a b")])
def test_whatever_an_answer_raises_becomes_one_line(error: Exception, said: str) -> None:
    delivered: list[object] = []
    done = threading.Event()

    def answer(_: Request) -> Found:
        raise error

    def deliver(result: object) -> None:
        delivered.append(result)
        done.set()

    worker = Worker(answer, deliver, settle=0)
    worker.ask(SearchRequest("x", "all"))
    assert done.wait(5)
    worker.close(5)
    assert delivered == [Failed(SearchRequest("x", "all"), said)]


# Preparing a comparison


def preparation(script: str, fail: bool = False) -> tuple[Preparation, list[object], threading.Event]:
    delivered: list[object] = []
    ended = threading.Event()

    def deliver(answer: object) -> None:
        delivered.append(answer)
        if isinstance(answer, Ready):
            ended.set()

    def open_both() -> tuple[object, object]:
        if fail:
            raise QueryError("damaged")
        return "base", "tuned"

    return Preparation(open_both, deliver, (sys.executable, "-S", "-c", script)), delivered, ended  # type: ignore[arg-type]


def test_preparing_tells_each_step_and_the_end() -> None:
    prepared, delivered, ended = preparation("print('one 1%'); print('two')")
    prepared.start()
    assert ended.wait(10)
    assert delivered == [Preparing("one 1%"), Preparing("two"), Ready()]
    assert prepared.both() == ("base", "tuned")


@pytest.mark.parametrize(
    ("script", "fail", "said"),
    [
        ("print('one'); print('the disk is full'); raise SystemExit(1)", False, "the disk is full"),
        ("raise SystemExit(3)", False, "building the index ended with 3"),
        ("", True, "damaged"),
    ],
)
def test_what_cannot_be_prepared_says_why(script: str, fail: bool, said: str) -> None:
    prepared, delivered, ended = preparation(script, fail)
    prepared.start()
    assert ended.wait(10)
    assert delivered[-1] == Ready(said)


def test_a_command_that_is_not_there_is_told_too() -> None:
    delivered: list[object] = []
    Preparation(pytest.fail, delivered.append, ("/nowhere/python",)).start()
    assert len(delivered) == 1
    assert isinstance(delivered[0], Ready)
    assert "/nowhere/python" in delivered[0].error


def test_a_cancelled_build_ends_and_is_heard_of_no_more(tmp_path: Path) -> None:
    flag = tmp_path / "interrupted"
    script = f"""
import time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    open({str(flag)!r}, "w").close()
    print("late", flush=True)
"""
    prepared, delivered, ended = preparation(script)
    prepared.start()
    wait_until(lambda: delivered)
    prepared.cancel()
    wait_until(flag.exists)
    assert not ended.wait(0.1)
    assert delivered == [Preparing("begun")]


# History and files


def test_the_history_is_the_plain_loops_without_its_commands(tmp_path: Path) -> None:
    kept = ["nurse", ":k 5", "3", "baker", "baker", "  ", "nurse"]
    (tmp_path / "shell_history").write_text("".join(f"\n# then\n+{line}\n" for line in kept), encoding="utf-8")
    history = QueryHistory(tmp_path)
    assert list(history.load_history_strings()) == ["nurse", "baker", "nurse"]
    history.append_string("cook")
    assert next(QueryHistory(tmp_path).load_history_strings()) == "cook"


def test_a_history_that_cannot_be_kept_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = QueryHistory(tmp_path / "file" / "home")
    history.append_string("nurse")
    assert list(history.load_history_strings()) == []
    (tmp_path / "shell_history").mkdir()
    assert list(QueryHistory(tmp_path).load_history_strings()) == []


def test_hits_are_written_as_csv_and_json(nurse: Session, tmp_path: Path) -> None:
    path, rows = export(nurse.state, "csv", tmp_path)
    assert (path, rows) == (tmp_path / "nurse.csv", 3)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("query,rank,score,uri,kind,label,")
    assert lines[2].startswith("nurse,2,0.5,urn:midwife,occupation,midwife,")
    written = json.loads(export(nurse.state, "json", tmp_path)[0].read_text(encoding="utf-8"))
    assert written == [{"query": "nurse", **one.to_dict()} for one in found("", "nurse", "midwife", "medic").hits]


def test_no_file_is_written_over(nurse: Session, tmp_path: Path) -> None:
    (tmp_path / "nurse.csv").write_text("mine")
    (tmp_path / "nurse-2.csv").symlink_to("nowhere")
    assert export(nurse.state, "csv", tmp_path)[0].name == "nurse-3.csv"
    assert (tmp_path / "nurse.csv").read_text() == "mine"
    with pytest.raises(StorageError, match=r"cannot write .*nowhere"):
        export(nurse.state, "csv", tmp_path / "nowhere")


def test_a_page_and_a_comparison_are_written_too(nurse: Session, tmp_path: Path) -> None:
    nurse.state.enter()
    nurse.state.receive(opened("nurse", ["midwife"]))
    path, _ = export(nurse.state, "csv", tmp_path)
    assert path.read_text(encoding="utf-8").splitlines() == [
        "concept_uri,concept,relation,uri,kind,label,score",
        "urn:nurse,nurse,Related titles,urn:midwife,occupation,midwife,0.25",
    ]
    nurse.state.back()
    nurse.state.toggle_compare()
    nurse.state.receive(Ready())
    nurse.state.receive(compared("nurse", ["nurse", "medic"], ["medic"]))
    path, _ = export(nurse.state, "csv", tmp_path)
    assert path.name == "nurse-compared.csv"
    assert path.read_text(encoding="utf-8").splitlines() == [
        "query,uri,label,base_rank,tuned_rank,movement,base_score,tuned_score",
        "nurse,urn:medic,medic,2,1,up,0.5,0.5",
        "nurse,urn:nurse,nurse,1,,dropped,0.5,",
    ]


@pytest.mark.parametrize(
    ("query", "name"), [("../Köch & Co.", "koch-co.csv"), ("看護師", "hits.csv"), ("a" * 5000, f"{'a' * 40}.csv")]
)
def test_files_are_named_after_the_query(session: Session, tmp_path: Path, query: str, name: str) -> None:
    session.state.type(query)
    session.state.receive(Found(SearchRequest(query, "all"), (hit("x"),), 0.0))
    assert export(session.state, "csv", tmp_path)[0] == tmp_path / name
