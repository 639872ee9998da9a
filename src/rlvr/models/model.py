"""A network with its tokenizer: how prompts, answers and conversations become tokens, and what the weights are."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from rlvr.models._places import Place
from rlvr.records import Message

_MARKED = re.compile(r"\{%-?\s*generation\s*-?%\}")
"""In a chat template, the beginning of what the model itself writes."""


@dataclass(frozen=True)
class Row:
    """A conversation as tokens. Both tuples have the same length, and the last token is learned."""

    tokens: tuple[int, ...]
    learned: tuple[bool, ...]
    """True for what the assistant says, its end included."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter inside a network, and the weights that it was made for."""

    config: Any
    """peft's `LoraConfig`."""
    base: str
    """Where the other weights are: an absolute path, an `s3://` path or a hub id."""
    mark: str
    """A short hash of them; empty where they are packed."""


@dataclass(frozen=True)
class Model:
    """A network and the tokenizer it was made with."""

    network: Any
    """A transformers causal LM."""
    tokenizer: Any
    adapter: Adapter | None = None
    """Of a network with an adapter, which is then all that is saved."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of matrix products, whoever computes them: see `autocast`."""
    place: Place | None = None
    """Where it was loaded from."""

    @property
    def checkpoint(self) -> str:
        """Which checkpoint of a run it is, and why: a sentence; empty where it is of no run, or its path says it."""
        return "" if self.place is None else self.place.checkpoint

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def end_tokens(self) -> frozenset[int]:
        """Every token that ends a completion."""
        configured = self.network.generation_config.eos_token_id
        configured = configured if isinstance(configured, list) else [configured]
        return frozenset(token for token in [*configured, self.tokenizer.eos_token_id] if token is not None)

    @property
    def positions(self) -> int:
        """How many tokens, prompt and completion together, the network was made for."""
        return getattr(self.network.config.get_text_config(), "max_position_embeddings", 2**31)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    @property
    def trained(self) -> int:
        """How many of the parameters learn."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def fingerprint(self) -> str:
        """SHA-256 over every weight and the tokenizer's vocabulary."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}\n".encode())
            digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        digest.update(json.dumps(self.tokenizer.get_vocab(), sort_keys=True).encode())
        return digest.hexdigest()

    def encode_prompt(self, prompt: str | tuple[Message, ...]) -> tuple[int, ...]:
        """Tokens of a prompt: a text as it is (with the tokenizer's own start token), messages by the chat template.

        A last message of the assistant is the beginning of the answer: it is left open.
        """
        if isinstance(prompt, str):
            return tuple(self.tokenizer(prompt)["input_ids"])
        return self._tokens(self._rendered(prompt, answering=True))

    def encode_completion(self, text: str) -> tuple[int, ...]:
        """Tokens of an answer, closed by the end-of-sequence token. Raises `ValueError` where there is none."""
        return (*self._tokens(text), self._end())

    def encode_answer(self, prompt: str | tuple[Message, ...], text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Tokens of a prompt, and of its answer as the model should sample it, end included.

        After messages the answer ends as the chat template ends it, which need not be the end-of-sequence token.
        """
        opened = self.encode_prompt(prompt)
        if isinstance(prompt, str) or _begun(prompt):
            return opened, self.encode_completion(text)
        before = self._rendered(prompt, answering=True)
        whole = self._rendered((*prompt, Message("assistant", text)), answering=False)
        if not whole.startswith(before):
            # Templates that drop the thinking of earlier answers do not show how this one would end.
            return opened, self.encode_completion(text)
        return opened, self._closed(self._tokens(whole[len(before) :]))

    def encode_conversation(self, messages: Sequence[Message], first: int = 0) -> list[Row]:
        """A conversation whose answers are learned, from message number `first` on.

        One row where the chat template marks what the model says, or writes the conversation from front to back;
        several, each ending in another answer, where earlier turns look different in later ones. Raises `ValueError`
        where there is no answer.
        """
        answers = [n for n, message in enumerate(messages) if message.role == "assistant"]
        if not any(n >= first for n in answers):
            raise ValueError("there is no message of the assistant to learn")
        if _MARKED.search(self._template()) and answers[0] >= first:
            return [self._marked(messages)]
        rows: list[Row] = []
        for n in answers:
            if n < first:
                continue
            prompt, answer = self.encode_answer(tuple(messages[:n]), messages[n].content)
            said = (False,) * len(prompt)
            if rows and prompt[: len(rows[-1].tokens)] == rows[-1].tokens:
                known = rows.pop().learned
                said = known + said[len(known) :]
            rows.append(Row(prompt + answer, said + (True,) * len(answer)))
        return rows

    def decode(self, tokens: Iterable[int]) -> str:
        return self.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _marked(self, messages: Sequence[Message]) -> Row:
        """By the template's own marks; an end that stands right behind them is learned, too."""
        encoded = self._render(
            messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, add_generation_prompt=False
        )
        tokens, mask = encoded["input_ids"], [bool(on) for on in encoded["assistant_masks"]]
        if True not in mask:
            raise ValueError("the chat template marks nothing of this conversation as what the assistant says")
        ends = self.end_tokens
        learned = [on or (n > 0 and mask[n - 1] and tokens[n] in ends) for n, on in enumerate(mask)]
        length = len(learned) - learned[::-1].index(True)
        tokens, learned = tokens[:length], learned[:length]
        if tokens[-1] not in ends:
            tokens, learned = [*tokens, self._end()], [*learned, True]
        return Row(tuple(tokens), tuple(learned))

    def _closed(self, answer: tuple[int, ...]) -> tuple[int, ...]:
        """Without what a template writes behind the end, which nobody samples; closed where it writes no end."""
        last = max((n for n, token in enumerate(answer) if token in self.end_tokens), default=None)
        return (*answer, self._end()) if last is None else answer[: last + 1]

    def _end(self) -> int:
        if self.tokenizer.eos_token_id is None:
            raise ValueError(
                "the tokenizer has no end-of-sequence token, so the model could never learn to stop; "
                "set eos_token in its tokenizer_config.json"
            )
        return self.tokenizer.eos_token_id

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _template(self) -> str:
        if not self.tokenizer.chat_template:
            raise ValueError(
                "the tokenizer has no chat template, so it cannot take messages; use tasks in their completion form "
                "(form=completion), a chat model, or set model.chat_template"
            )
        return self.tokenizer.get_chat_template()

    def _rendered(self, messages: Sequence[Message], *, answering: bool) -> str:
        begun = answering and _begun(messages)
        return self._render(
            messages, tokenize=False, add_generation_prompt=answering and not begun, continue_final_message=begun
        )

    def _render(self, messages: Sequence[Message], **how: Any) -> Any:
        from jinja2 import TemplateError

        self._template()
        try:
            return self.tokenizer.apply_chat_template([message.to_json() for message in messages], **how)
        except TemplateError as error:
            roles = ", ".join(message.role for message in messages)
            raise ValueError(f"the chat template does not take these messages ({roles}): {error}") from error


def _begun(messages: Sequence[Message]) -> bool:
    return bool(messages) and messages[-1].role == "assistant"
