"""HumanEval: a benchmark that stays one, and two ways to ask for it."""

import pytest

from rlvr.records import Message
from rlvr.tasks.humaneval import Humaneval

pytestmark = pytest.mark.usefixtures("data")


def test_all_of_it_is_for_testing_only():
    tasks = list(Humaneval())
    assert [task.id for task in tasks] == [f"HumanEval/{n}" for n in range(164)]
    assert {task.meta["role"] for task in tasks} == {"test_only"}
    assert [task.id for task in Humaneval(limit=2)] == ["HumanEval/0", "HumanEval/1"]


def test_prompt_and_solution_make_the_program_that_defines_the_entry_point():
    for task in Humaneval():
        assert task.prompt == task.reference["prompt"]
        scope: dict[str, object] = {}
        exec(str(task.prompt) + task.meta["solution"], scope)
        assert callable(scope[task.meta["entry_point"]])


def test_a_stop_text_never_cuts_a_reference_short():
    for task in Humaneval():
        assert not [stop for stop in task.stop if stop in task.meta["solution"].rstrip("\n")], task.id


def test_the_chat_form_asks_for_the_whole_program():
    for base, chat in zip(Humaneval(), Humaneval(form="chat"), strict=True):
        (message,) = chat.prompt
        assert isinstance(message, Message)
        assert str(base.prompt).strip() in message.content
        assert chat.stop == ()
        assert chat.reference == base.reference
        assert chat.meta["solution"] == str(base.prompt) + base.meta["solution"]
