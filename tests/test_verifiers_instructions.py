"""The verifier of instructions: references that are refused, verdicts and their parts, loose variants, extraction."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instruction_texts import instructions

from rlvr import extras
from rlvr.records import Completion, Task, Verdict
from rlvr.registry import build
from rlvr.sandboxes.local import Local
from rlvr.verifiers._instructions import load_rules, rule
from rlvr.verifiers._instructions.loose import variants
from rlvr.verifiers._instructions.rule import available
from rlvr.verifiers._instructions.words import capital_words, count_words, sentences
from rlvr.verifiers.instructions import Instructions

CAT = {"id": "keywords:existence", "kwargs": {"keywords": ["cat"]}}
DOG = {"id": "keywords:existence", "kwargs": {"keywords": ["dog"]}}
NO_COMMA = {"id": "punctuation:no_comma", "kwargs": {}}
TITLE = {"id": "detectable_format:title"}


def task(*asked: Any, mode: str = "strict", extraction: str = "auto") -> Task:
    return Task("t", "Do it.", {"instructions": list(asked), "mode": mode}, "instructions", extraction=extraction)


def judge(text: str, *asked: Any, **options: Any) -> Verdict:
    made = task(*asked, **options)
    Instructions().check(made)
    return Instructions().judge(made, Completion(text), Local())  # pyright: ignore[reportArgumentType]


def test_all_instructions_must_be_followed_and_the_share_that_is_counts() -> None:
    verdict = judge("A cat, alone.", CAT, NO_COMMA, TITLE)
    assert (verdict.outcome, verdict.passed, verdict.tests_passed, verdict.tests_total) == ("wrong_answer", False, 1, 3)
    assert verdict.why == "punctuation:no_comma is not followed"
    assert verdict.parts == {
        "prompt_strict": 0.0,
        "prompt_loose": 0.0,
        "instruction_strict": 1 / 3,
        "instruction_loose": 1 / 3,
        "keywords:existence": 1.0,
        "punctuation:no_comma": 0.0,
        "detectable_format:title": 0.0,
    }
    passed = judge("<<A cat>> alone.", CAT, NO_COMMA, TITLE)
    assert (passed.outcome, passed.passed, passed.tests_passed, passed.why) == ("passed", True, 3, "")
    assert passed.parts["prompt_strict"] == passed.parts["instruction_loose"] == 1.0


def test_an_instruction_that_a_prompt_repeats_counts_as_often() -> None:
    verdict = judge("cat", CAT, DOG)
    assert (verdict.tests_passed, verdict.tests_total, verdict.parts["keywords:existence"]) == (1, 2, 0.5)
    assert verdict.why == "keywords:existence is not followed: {'keywords': ['dog']}"


def test_the_mode_of_the_task_decides_what_passes_and_both_are_reported() -> None:
    text = 'Sure, here it is:\n"*Cats* are fine"'
    quotation = {"id": "startend:quotation"}
    strict, loose = judge(text, quotation, NO_COMMA), judge(text, quotation, NO_COMMA, mode="loose")
    assert (strict.passed, strict.tests_passed) == (False, 0)
    assert (loose.passed, loose.tests_passed) == (True, 2)
    assert strict.parts["prompt_loose"] == loose.parts["prompt_loose"] == 1.0
    assert strict.parts["prompt_strict"] == loose.parts["prompt_strict"] == 0.0


def test_the_loose_variants_are_the_official_eight() -> None:
    assert variants("*a*\nb\nc*") == ["*a*\nb\nc*", "b\nc*", "*a*\nb", "b", "a\nb\nc", "b\nc", "a\nb"]
    assert variants(" one line ") == [" one line "]
    assert variants("a\n\n b \n\nc")[1:] == ["b \n\nc", "a\n\n b", "b"]
    assert variants("**\n") == ["**\n", "**"]


@pytest.mark.parametrize("text", ["", " \n\t", "<think>It is a cat", "<think>cat</think>\n\n"])
def test_no_answer_follows_nothing(text: str) -> None:
    verdict = judge(text, NO_COMMA, {"id": "keywords:forbidden_words", "kwargs": {"forbidden_words": ["dog"]}})
    assert (verdict.outcome, verdict.passed, verdict.tests_passed, verdict.answer) == ("no_answer", False, 0, None)
    assert verdict.parts["prompt_loose"] == verdict.parts["instruction_loose"] == 0.0


@pytest.mark.parametrize(
    ("extraction", "text", "answer", "fired"),
    [
        ("auto", " a, b\n", " a, b\n", "auto"),
        ("auto", "<think>x, y</think>\n a \n", "a", "thinking"),
        ("auto", "x</think>y</think>\n<answer>a</answer>", "a", "thinking"),
        ("auto", "<answer>\na\n</answer>", "a", "answer"),
        ("thinking", "x, y</think> a", "a", "thinking"),
        ("thinking", "x, y", None, "thinking+none"),
        ("answer", "<|assistant|> a ", "a", "answer"),
        ("answer", "<think>a", "<think>a", "answer"),
        ("whole", "<think>x</think> a ", "<think>x</think> a ", "whole"),
        ("auto", "a" * 200_001, None, "too_long"),
    ],
)
def test_the_answer_is_what_the_rule_of_extraction_cuts_out(
    extraction: str, text: str, answer: str | None, fired: str
) -> None:
    verdict = judge(text, NO_COMMA, extraction=extraction)
    assert (verdict.answer, verdict.extraction) == (answer, fired)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"id": "keywords:existance", "kwargs": {}}, "Did you mean 'keywords:existence'"),
        ({"id": "keywords:existence", "kwargs": {}}, "keywords:existence needs the kwarg 'keywords'"),
        ({"id": "keywords:existence", "kwargs": None}, "needs the kwarg 'keywords'"),
        ({"id": "keywords:existence", "kwargs": {"keyword": ["a"]}}, "Did you mean 'keywords'"),
        ({"id": "keywords:existence", "kwargs": {"keywords": "a"}}, "keywords should be a list"),
        ({"id": "keywords:existence", "kwargs": {"keywords": []}}, "should not be empty"),
        ({"id": "keywords:existence", "kwargs": {"keywords": ["a("]}}, "regular expression and is none"),
        ({"id": "keywords:existence", "kwargs": {"keywords": ["(a|a)*b"]}}, "could take forever"),
        ({"id": "keywords:existence", "kwargs": {"keywords": ["x.*y"]}}, "could take forever"),
        ({"id": "keywords:existence", "kwargs": {"keywords": ["a?" * 20 + "a" * 20]}}, "could take forever"),
        ({"id": "keywords:forbidden_words", "kwargs": {"forbidden_words": ["(a|a)*"]}}, "could take forever"),
        ({"id": "keywords:existence", "kwargs": {"keywords": ["[a-z]{5000}"]}}, "could take forever"),
        ({"id": "keywords:word_once", "kwargs": {"keyword": " +"}}, "is used as a regular expression and is none"),
        ({"id": "length_constraints:number_words", "kwargs": {"num_words": 5}}, "needs the kwarg 'relation'"),
        (
            {"id": "length_constraints:number_words", "kwargs": {"num_words": "5", "relation": "at least"}},
            "num_words should be a whole number, not '5'",
        ),
        (
            {"id": "length_constraints:number_words", "kwargs": {"num_words": 5, "relation": "at most"}},
            "relation should be one of 'less than', 'at least', not 'at most'",
        ),
        ({"id": "count:lowercase_counting", "kwargs": {"N": 2.5}}, "N should be a whole number, not 2.5"),
        ({"id": "count:lowercase_counting", "kwargs": {"N": -1}}, "0 or more, not -1"),
        ({"id": "language:response_language", "kwargs": {"language": "xx"}}, "language should be one of"),
        ({"id": "copy:repeat_phrase", "kwargs": {"phrase": "a b [", "small_n": 2}}, "regular expression and is none"),
        ({"kwargs": {}}, "an instruction should be"),
        ({"id": "punctuation:no_comma", "arguments": {}}, "an instruction should be"),
        ("punctuation:no_comma", "an instruction should be"),
    ],
)
def test_what_cannot_be_checked_is_an_error_before_anything_runs(asked: Any, message: str) -> None:
    with pytest.raises(ValueError, match="task t: ") as caught:
        Instructions().check(task(NO_COMMA, asked))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"instructions": []}, "at least one"),
        ({"instructions": {}}, "a list"),
        ({}, "the reference should be"),
        ([NO_COMMA], "the reference should be"),
        ({"instructions": [NO_COMMA], "mode": "losse"}, "Did you mean 'loose'"),
        ({"instructions": [NO_COMMA], "key": 1}, "the reference should be"),
    ],
)
def test_a_reference_of_another_shape_is_an_error(reference: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Instructions().check(Task("t", "Do it.", reference, "instructions"))


def test_an_unknown_rule_of_extraction_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"task t: no extraction rule named 'hole'.*Did you mean 'whole'"):
        Instructions().check(task(NO_COMMA, extraction="hole"))


def test_kwargs_that_are_null_are_left_out_and_zeros_and_whole_floats_are_values() -> None:
    kwargs = {"num_words": 2.0, "relation": "less than", "keywords": None, "letter": None}
    assert judge("one", {"id": "length_constraints:number_words", "kwargs": kwargs}).passed
    none = {"id": "detectable_format:number_bullet_lists", "kwargs": {"num_bullets": 0}}
    assert judge("no list", none).passed
    assert not judge("- a list", none).passed


def test_what_needs_more_than_there_is_is_told_and_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    load_rules()
    beyond = rule.Rule("test:beyond", lambda response: True, {}, frozenset(), ("no_such_package",))
    monkeypatch.setitem(rule.RULES, "test:beyond", beyond)
    asked = task(NO_COMMA, {"id": "test:beyond"})
    reason = Instructions().unavailable(asked)
    assert reason == f"test:beyond needs the package no_such_package ({extras.install('if')})"
    with pytest.raises(ValueError, match="task t: test:beyond needs the package no_such_package"):
        Instructions().check(asked)
    assert Instructions().unavailable(task(NO_COMMA)) is None


def test_missing_data_of_nltk_is_named_with_the_command_that_gets_it() -> None:
    pytest.importorskip("nltk")
    reason = available("count:count_unique")
    command = "count:count_unique needs nltk's punkt_tab (python -m nltk.downloader punkt_tab)"
    assert reason in (None, command)


def test_a_language_that_is_hard_to_guess_is_guessed_the_same_each_time() -> None:
    pytest.importorskip("langdetect")
    german = {"id": "language:response_language", "kwargs": {"language": "de"}}
    assert len({judge('{"answer": 42}', german).passed for _ in range(20)}) == 1


def test_the_registry_finds_it() -> None:
    assert build("verifiers", "instructions") == Instructions()


def test_sentences_are_cut_as_the_training_checkers_cut_them() -> None:
    assert sentences("Dr. X came at 3.15. Why? “Now!” he said.") == [
        "Dr. X came at 3.15.",
        "Why?",
        "“Now!",
        "” he said.",
    ]
    assert sentences("Heading\nWait... The U.S. army of Acme Inc. left") == [
        "Heading Wait...",
        "The U.S. army of Acme Inc. left",
    ]


def test_words_are_counted_with_their_marks() -> None:
    assert count_words("don't stop") == 3
    assert count_words("❤️ naïve e\u0301te\u0301 ½ गर्म") == 4


def test_capital_words_are_those_of_the_treebank() -> None:
    assert capital_words('I CAN\'T. CANNOT, X-RAY of A.B. (OK) "NO"') == 9
    assert capital_words("YOU WON'T. THEY WILL") == capital_words("YOU WON'T ! THEY WILL") == 5


EASY = [(name, kwargs) for name, kwargs in instructions() if not load_rules()[name].needs]


@given(st.text(st.sampled_from("aA1.,!?'\"-*[]<>(){}:;\n \tzß😀\u0301”‘"), max_size=60))
def test_no_text_raises_and_loose_is_never_stricter(text: str) -> None:
    asked = [{"id": name, "kwargs": kwargs} for name, kwargs in EASY[::7]]
    verdict = judge(text, *asked, extraction="whole")
    assert verdict.parts["instruction_loose"] >= verdict.parts["instruction_strict"]
    assert verdict.tests_passed == round(verdict.parts["instruction_strict"] * verdict.tests_total)
    assert verdict.passed == bool(verdict.parts["prompt_strict"])


@pytest.mark.parametrize("unit", ["[", "<<", "* ", "\n", "n't. ", "cat ", "a", ".", "'", "Dance ", " * \n", "p. "])
def test_hostile_texts_take_linear_time(unit: str) -> None:
    text = "x" + unit * (30_000 // len(unit))
    seen = set()
    for name, kwargs in EASY:
        if name not in seen:
            seen.add(name)
            load_rules()[name].follows(text, **load_rules()[name].bind(kwargs))


def test_all_instructions_of_ifeval_can_be_asked_and_an_empty_answer_follows_none(data: Path) -> None:
    number = 0
    for line in (data / "ifeval_input_data.jsonl").read_text().splitlines():
        row = json.loads(line)
        asked = zip(row["instruction_id_list"], row["kwargs"], strict=True)
        made = task(*({"id": name, "kwargs": kwargs} for name, kwargs in asked), extraction="whole")
        if (reason := Instructions().unavailable(made)) is None:
            Instructions().check(made)
        else:
            assert "rlvr[if]" in reason or "nltk.downloader" in reason
        verdict = Instructions().judge(made, Completion(" \n"), Local())  # pyright: ignore[reportArgumentType]
        assert (verdict.outcome, verdict.tests_passed) == ("no_answer", 0)
        number += verdict.tests_total
    assert number == 834
