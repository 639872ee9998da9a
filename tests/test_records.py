"""Records are what files hold: any of them must come back equal, and a wrong one must name its field."""

import types
from dataclasses import FrozenInstanceError
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr import records, storage
from rlvr.records import Completion, Example, Execution, Job, Limits, Message, Record, Rollout, Task, Verdict

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field's declared type, so that a new field is covered without touching this file."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return json_values
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(arg) for arg in args])
    if origin is tuple:
        return st.lists(values_of(args[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), values_of(args[1]), max_size=2)
    if hint is Limits:
        return st.builds(Limits, cpu_s=st.floats(0.001, 100), wall_s=st.none() | st.floats(0.001, 100))
    if isinstance(hint, type) and issubclass(hint, Record):
        # What these records refuse among the values of their fields' types.
        narrower = {
            "max_tokens": st.integers(1),
            "stop": st.lists(st.text(min_size=1, max_size=8), max_size=2).map(tuple),
        }
        fields = {name: values_of(inner) for name, inner in records._hints(hint).items()}
        return st.builds(hint, **{**fields, **{name: narrower[name] for name in fields.keys() & narrower.keys()}})
    plain = {str: st.text(max_size=8), int: st.integers(), bool: st.booleans(), type(None): st.none()}
    return plain[hint] if hint in plain else st.floats(allow_nan=False)


@pytest.mark.parametrize("cls", [Task, Completion, Verdict, Execution, Job, Example, Rollout])
def test_any_list_of_records_comes_back_equal_from_a_file(tmp_path_factory, cls):
    path = tmp_path_factory.mktemp("records") / "rows.jsonl"

    @given(st.lists(values_of(cls), max_size=3))
    def round_trip(rows):
        storage.write_lines(path, [row.to_json() for row in rows])
        assert list(storage.read_records(path, cls)) == rows

    round_trip()


TASK = {"id": "a", "prompt": "add", "reference": {}, "verifier": "unit_tests"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": 3}, "field prompt should be a text or a list of Message, not 3"),
        ({"prompt": [{"role": "user"}]}, "field prompt should be"),
        ({"max_tokens": "12"}, "field max_tokens should be a whole number, not '12'"),
        ({"max_tokens": True}, "field max_tokens should be a whole number, not True"),
        ({"max_tokens": 1.0}, "field max_tokens should be a whole number, not 1.0"),
        ({"stop": "x"}, "field stop should be a list, not 'x'"),
        ({"stop": ["x", None]}, r"field stop\[1\] should be a text, not None"),
        ({"limits": {"cpu_s": "fast"}}, "field limits.cpu_s should be a number, not 'fast'"),
        ({"limits": {"cpu_s": 10**400}}, "field limits.cpu_s should be a number"),
        ({"limits": {"cpu_s": 0}}, "field limits.cpu_s should be a number above 0, not 0"),
        ({"limits": {"cpu_s": float("nan")}}, "field limits.cpu_s should be a number above 0, not nan"),
        ({"limits": {"memory_mb": -5}}, "field limits.memory_mb should be a number above 0, not -5"),
        ({"limits": []}, "field limits should be an object with the fields of Limits"),
        ({"limits": {"cpus": 2}}, "Limits has no field 'cpus'; it has: cpu_s, wall_s"),
        ({"meta": {"role": 1}, "text": "x"}, "Task has no field 'text'; it has: id, prompt"),
        ({"meta": [1]}, "field meta should be an object"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        Task.from_json({**TASK, **change})


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="Task needs the field 'reference'"):
        Task.from_json({"id": "a", "prompt": "add", "verifier": "unit_tests"})
    with pytest.raises(ValueError, match="should be an object with the fields of Task, not 'a'"):
        Task.from_json("a")
    with pytest.raises(ValueError, match="field finish should be one of stop, length, aborted, not 'eos'"):
        Completion.from_json({"text": "x", "finish": "eos"})


def test_the_defaults_are_what_a_short_row_means():
    task = Task.from_json(TASK)
    assert (task.max_tokens, task.extraction, task.limits, task.meta) == (512, "auto", Limits(), {})
    chat = Task.from_json({**TASK, "prompt": [{"role": "user", "content": "add"}]})
    assert chat.prompt == (Message("user", "add"),)


def test_records_cannot_be_changed_after_they_are_made():
    with pytest.raises(FrozenInstanceError):
        Completion("x").text = "y"  # pyright: ignore[reportAttributeAccessIssue]


def test_sleepers_get_more_wall_time_than_cpu_time():
    assert Limits(cpu_s=10).wall() == 50
    assert Limits(cpu_s=1).wall() == 11
    assert Limits(cpu_s=10, wall_s=3).wall() == 3
