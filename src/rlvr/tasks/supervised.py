"""Rows to imitate: conversations, prompts with completions, problems with solutions."""

from dataclasses import dataclass

from rlvr.records import Json
from rlvr.tasks._answered import Answered, Prompt, answer, is_messages, messages, said, spoken
from rlvr.tasks._files import Row


@dataclass(frozen=True)
class Supervised(Answered):
    """`meta.demonstration` is the answer: a text, or messages where the conversation goes on.

    Rows have one of three shapes, and one file may mix them:
    `messages`, of which every answer of the assistant is learned; `prompt` and `completion`, two texts, or two lists of
    messages, of which only the second is learned; `prompt` and `solution`, two texts, with an `id`.
    """

    def answers(self, row: Row) -> tuple[Prompt, dict[str, Json]]:
        if row.values.get("messages") is not None:
            whole = messages(row, "messages")
            first = next((n for n, message in enumerate(whole) if message.role == "assistant"), len(whole))
            if first == 0:
                raise row.error("field messages begins with the assistant, so there is no prompt")
            return whole[:first], {"demonstration": said(row, "messages", whole[first:])}
        name = next((name for name in ("completion", "solution") if row.values.get(name) is not None), None)
        if name is None:
            raise row.error(
                "a supervised row has messages, or prompt and completion, or prompt and solution; "
                f"this one has: {', '.join(map(str, row.values))}"
                + ("; a file of tasks is named itself, tasks: {name: FILE}" if "verifier" in row.values else "")
            )
        if is_messages(row, "prompt"):
            return messages(row, "prompt"), {"demonstration": spoken(row, name)}
        return row.text("prompt"), {"demonstration": answer(row, name)}
