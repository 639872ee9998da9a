"""Models: built from an architecture, saved so that transformers alone loads them, found where runs put them."""

import pytest
import torch
from conftest import architecture
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr import models
from rlvr.records import Message


def weights(model):
    return {name: value.clone() for name, value in model.network.state_dict().items()}


def test_equal_seeds_build_equal_models_and_other_seeds_others(tiny):
    assert tiny(seed=1).fingerprint() == tiny(seed=1).fingerprint()
    assert len({tiny(seed=1).fingerprint(), tiny(seed=2).fingerprint(), tiny("mistral", seed=1).fingerprint()}) == 3


def test_a_built_model_ends_with_its_tokenizers_end(tiny, tokenizer):
    model = tiny()
    assert model.end_tokens == {tokenizer.eos_token_id}
    assert model.network.get_input_embeddings().num_embeddings == len(tokenizer)
    assert all(p.dtype == torch.float32 for p in model.network.parameters())
    assert model.parameters == sum(p.numel() for p in model.network.parameters())


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_saved_model_is_the_same_model_with_and_without_this_package(tiny, tmp_path, kind):
    model = tiny(kind, seed=5)
    models.save(model, tmp_path / "model", {"recipe": "x"})
    loaded = models.load(str(tmp_path / "model"))
    assert loaded.fingerprint() == model.fingerprint()
    assert loaded.end_tokens == model.end_tokens
    assert loaded.encode_prompt("def solve(s):\n") == model.encode_prompt("def solve(s):\n")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in weights(model).items())
    assert len(AutoTokenizer.from_pretrained(tmp_path / "model")) == len(model.tokenizer)
    assert '"recipe": "x"' in (tmp_path / "model" / "README.md").read_text()


def test_saving_again_replaces_the_model(tiny, tmp_path):
    for seed in (1, 2):
        models.save(tiny(seed=seed), tmp_path / "model", {})
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert models.load(str(tmp_path / "model")).fingerprint() == tiny(seed=2).fingerprint()


def test_a_run_is_loaded_at_its_newest_complete_checkpoint(tiny, tmp_path):
    for step, seed in ((9, 1), (10, 2)):
        models.save(tiny(seed=seed), tmp_path / "checkpoints" / f"step_{step}" / "model", {})
    (tmp_path / "checkpoints" / "step_11").mkdir()
    newest = tiny(seed=2).fingerprint()
    assert models.load(str(tmp_path)).fingerprint() == newest
    assert models.load(str(tmp_path / "checkpoints" / "step_10")).fingerprint() == newest


def test_a_folder_without_a_model_says_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no model: neither a config.json, nor checkpoints/step_N"):
        models.load(str(tmp_path))


def test_a_model_that_is_nowhere_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no such folder, and the Hugging Face hub did not give it"):
        models.load("no/thing")
    with pytest.raises(FileNotFoundError, match=f"nothing is at {tmp_path}/thing; {tmp_path} holds nothing"):
        models.load(str(tmp_path / "thing"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "lama"}, "cannot build the architecture 'lama'"),
        ({"model_type": None}, "needs a model_type"),
        ({"num_attention_heads": 3}, "cannot build the architecture 'llama'"),
    ],
)
def test_an_architecture_that_cannot_be_is_an_error_that_says_so(tokenizer, change, message):
    given_ = {**architecture("llama"), **change}
    with pytest.raises(ValueError, match=message):
        models.build({key: value for key, value in given_.items() if value is not None}, tokenizer, 0)


@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_any_text_survives_the_tokenizer(tokenizer, text):
    tokens = tokenizer(text)["input_ids"]
    assert tokenizer.decode(tokens) == text


def test_the_tokenizer_crosses_spaces_and_neither_lines_nor_digits():
    texts = ["    n = n + 10\n    return n + 10\n"] * 50
    tokenizer = models.train_tokenizer(texts, 400)
    pieces = [tokenizer.decode([token]) for token in tokenizer(texts[0])["input_ids"]]
    assert any(" " in piece.strip() for piece in pieces), pieces
    assert not any("\n" in piece.rstrip("\n") for piece in pieces)
    assert "1" in pieces
    assert not any("10" in piece for piece in pieces)
    assert tokenizer.get_vocab() == models.train_tokenizer(texts, 400).get_vocab()


def test_completions_are_closed_by_the_end_token(tiny):
    model = tiny()
    tokens = model.encode_completion("    return s\n")
    assert tokens[-1] == model.tokenizer.eos_token_id
    assert model.decode(tokens) == "    return s\n"


def test_messages_need_a_chat_template_and_use_it(tiny, tokenizer):
    import copy

    model = tiny()
    messages = (Message("user", "hello"),)
    with pytest.raises(ValueError, match="no chat template"):
        model.encode_prompt(messages)
    chatty = copy.deepcopy(tokenizer)
    chatty.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}"
    )
    prompt = models.Model(model.network, chatty).encode_prompt(messages)
    assert tokenizer.decode(list(prompt)) == "<user>hello<a>"


def test_a_last_message_of_the_assistant_is_continued(tiny, tokenizer):
    import copy

    chatty = copy.deepcopy(tokenizer)
    chatty.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    model = models.Model(tiny().network, chatty)
    begun = model.encode_prompt((Message("user", "hello"), Message("assistant", "```python\ndef")))
    assert tokenizer.decode(list(begun)) == "<user>hello<end><assistant>```python\ndef"


def test_threads_are_set_and_chosen(monkeypatch):
    before = torch.get_num_threads()
    try:
        assert models.use_threads(2) == torch.get_num_threads() == 2
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        assert models.use_threads(0) == torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
