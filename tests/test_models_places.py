"""Where models come from: remote folders, checkpoints of other trainers, tokenizers of their own, chat templates."""

import copy
import json
import shutil
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from conftest import architecture
from safetensors.torch import save_file

from rlvr import cli, models
from rlvr.config.train_recipe import Lora, Model, Tokenizer
from rlvr.records import Message


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """A folder of this machine put where only fsspec finds it."""
    import fsspec

    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")

    def put(folder, name):
        memory.put(f"{folder}/", f"/{name}/", recursive=True)
        return f"memory://{name}"

    yield SimpleNamespace(put=put, cache=tmp_path / "cache" / "models")
    memory.rm("/", recursive=True)


def test_a_remote_model_or_run_is_copied_once_and_again_when_it_changes(tiny, tmp_path, remote):
    for step in (2, 10):
        models.save(tiny(seed=step), tmp_path / "run" / "checkpoints" / f"step_{step}" / "model", {})
    (tmp_path / "run" / "checkpoints" / "step_10" / "optimizers.pt").write_bytes(b"x" * 1000)
    path = remote.put(tmp_path / "run", "bucket/run")
    for _ in range(2):
        assert models.load(path).fingerprint() == tiny(seed=10).fingerprint()
    models.load(f"{path}/checkpoints/step_10")
    copies = list(remote.cache.iterdir())
    assert len(copies) == 1
    assert not list(copies[0].rglob("optimizers.pt")), "only the model is copied"
    models.save(tiny(seed=3), tmp_path / "run" / "checkpoints" / "step_11" / "model", {})
    path = remote.put(tmp_path / "run", "bucket/run")
    assert models.load(path).fingerprint() == tiny(seed=3).fingerprint()
    with pytest.raises(FileNotFoundError, match="no model at memory://nowhere: nothing is there"):
        models.load("memory://nowhere")


def test_of_a_run_that_compared_its_checkpoints_the_best_is_loaded_and_told(tiny, tmp_path, remote):
    run = tmp_path / "run"
    for step in (2, 4):
        models.save(tiny(seed=step), run / "checkpoints" / f"step_{step}" / "model", {})
    best = {"metric": "pass@1", "value": 0.25, "step": 2, "checkpoint": "checkpoints/step_2"}
    (run / "run.json").write_text(json.dumps({"status": "finished", "best": best}))
    for path in (str(run), remote.put(run, "bucket/best")):
        model = models.load(path)
        assert model.fingerprint() == tiny(seed=2).fingerprint()
        assert model.checkpoint == (
            f"{path} is a run, of which checkpoints/step_2 is taken, the best by pass@1 (0.25); "
            "the newest is checkpoints/step_4"
        )
        assert model.place.name.endswith("checkpoints/step_2/model")
        last = models.load(f"{path}/checkpoints/step_4")
        assert (last.fingerprint(), last.checkpoint) == (tiny(seed=4).fingerprint(), "")
    shutil.rmtree(run / "checkpoints" / "step_2")
    assert models.load(str(run)).checkpoint == (
        f"{run} is a run, of which checkpoints/step_4 is taken, the newest; its best, step_2, is gone"
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[]", "holds a list, not the facts of a run"),
        ('{"be', "not JSON: Unterminated string .*"),
        ("\xff", "not JSON: .*"),
        ('{"best": {"metric": "loss"}}', 'best needs a metric, a value and a checkpoint, and is {"metric": "loss"}'),
        ('{"best": "step_2"}', 'best needs a metric, a value and a checkpoint, and is "step_2"'),
    ],
)
def test_a_run_whose_facts_are_none_is_refused_by_the_name_of_their_file(tiny, tmp_path, text, wrong):
    models.save(tiny(), tmp_path / "checkpoints" / "step_2" / "model", {})
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=f"^{tmp_path}/run.json: {wrong}$"):
        models.load(str(tmp_path))


def test_a_damaged_or_incomplete_checkpoint_is_refused(tiny, tmp_path):
    from safetensors.torch import load_file

    models.save(tiny(), tmp_path / "model", {})
    file = tmp_path / "model" / "model.safetensors"
    weights = load_file(file)
    name = "model.layers.0.self_attn.q_proj.weight"
    save_file({key: value for key, value in weights.items() if key != name}, file, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=rf"lacks 1 weights, which would be random, for instance {name}"):
        models.load(str(tmp_path / "model"))
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ValueError, match="model cannot be loaded: "):
        models.load(str(tmp_path / "model"))


KINDS = {
    "a folder": lambda model, path: models.save(model, path, {}),
    "safetensors": lambda model, path: save_file(model.network.state_dict(), f"{path}.safetensors"),
    "a state dict": lambda model, path: torch.save(model.network.state_dict(), f"{path}.pt"),
    "inside a trainer's state, compiled": lambda model, path: torch.save(
        {
            "step": 3,
            "model_state_dict": {f"_orig_mod.{key}": value for key, value in model.network.state_dict().items()},
        },
        f"{path}.pt",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_architecture_is_initialised_from_a_checkpoint(tiny, tmp_path, kind):
    model = tiny(seed=4, tie_word_embeddings=False)
    KINDS[kind](model, tmp_path / "given")
    (path,) = tmp_path.iterdir()
    fresh = tiny(seed=5, tie_word_embeddings=False)
    found = models.initialise(fresh.network, str(path))
    assert fresh.fingerprint() == model.fingerprint()
    assert (found.missing, found.unexpected, found.wrong_shape) == ((), (), ())
    assert str(found) == f"{len(model.network.state_dict())} weights matched"


def test_what_does_not_match_is_told_and_left_as_it_was(tiny, tmp_path):
    deeper = tiny(seed=4, num_hidden_layers=3, intermediate_size=40)
    torch.save(deeper.network.state_dict(), tmp_path / "x.pt")
    mine, before = tiny(seed=5), tiny(seed=5)
    models.save(deeper, tmp_path / "run" / "checkpoints" / "step_4" / "model", {})
    told, texts = [], ["def f(x):\n    return x\n"] * 20
    for place in ("x.pt", "run"):
        section = Model(
            architecture=architecture("llama"),
            tokenizer=Tokenizer(vocab_size=300),
            init_checkpoint=str(tmp_path / place),
        )
        models.start(section, None, texts, 5, tmp_path / "none", told.append)
    assert "weights matched" in told[0]
    assert "of shape" in told[0]
    assert told[1].startswith(f"init_checkpoint {tmp_path / 'run'}: ")
    found = models.initialise(mine.network, str(tmp_path / "x.pt"))
    assert all("layers.2." in name for name in found.unexpected)
    assert {name.split(".")[-2] for name in found.wrong_shape} == {"up_proj", "gate_proj", "down_proj"}
    weights, old = mine.network.state_dict(), before.network.state_dict()
    assert torch.equal(weights[found.wrong_shape[0]], old[found.wrong_shape[0]])
    assert torch.equal(weights[found.matched[0]], deeper.network.state_dict()[found.matched[0]])


def test_a_checkpoint_for_nothing_of_the_architecture_is_an_error(tiny, tmp_path):
    torch.save({"other.weight": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x.pt has nothing for this architecture: 0 weights matched; .* 1 unexpected"):
        models.initialise(tiny().network, str(tmp_path / "x.pt"))
    torch.save(SimpleNamespace(a=1), tmp_path / "x.pt")
    with pytest.raises(ValueError, match=r"x.pt cannot be read as a checkpoint"):
        models.initialise(tiny().network, str(tmp_path / "x.pt"))
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(ValueError, match=r"x.pt cannot be read as a checkpoint"):
        models.initialise(tiny().network, str(tmp_path / "x.pt"))
    with pytest.raises(FileNotFoundError, match=r"nothing is at .*y.pt"):
        models.initialise(tiny().network, str(tmp_path / "y.pt"))


def test_frozen_weights_are_chosen_by_pattern(tiny, tmp_path):
    models.save(tiny(), tmp_path / "model", {})
    path = str(tmp_path / "model")
    section = Model(path=path, freeze=["*.embed_tokens.*", "model.layers.0.*"])
    model = models.start(section, path, (), 0, tmp_path / "none", print)
    learning = [name for name, p in model.network.named_parameters() if p.requires_grad]
    assert learning
    assert all(name.startswith(("model.layers.1.", "model.norm")) for name in learning)
    with pytest.raises(ValueError, match=r"no weight is named like 'layers.0'; there is, for instance, model\."):
        models.start(Model(path=path, freeze=["layers.0"]), path, (), 0, tmp_path / "none", print)
    with pytest.raises(ValueError, match="leaves nothing to learn"):
        models.start(Model(path=path, freeze=["*"]), path, (), 0, tmp_path / "none", print)


def test_the_kernel_of_attention_is_the_recipes(tiny, tmp_path):
    models.save(tiny("mistral"), tmp_path / "model", {})
    path = str(tmp_path / "model")
    starts = [
        (Model(path=path, attention="eager"), path),
        (Model(architecture=architecture("llama"), tokenizer=Tokenizer(), attention="eager"), None),
    ]
    for section, start in starts:
        model = models.start(section, start, ["x"] * 9, 0, tmp_path / "none", print)
        assert model.network.config._attn_implementation == "eager"
    assert models.load(path).network.config._attn_implementation == "sdpa"


def test_an_architecture_learns_where_a_loaded_model_would(monkeypatch, tmp_path):
    """On the GPU, where there is one."""
    monkeypatch.setattr("rlvr.models._loading._device", lambda: "meta")
    section = Model(architecture=architecture("llama"), tokenizer=Tokenizer())
    assert models.start(section, None, ["x"] * 9, 0, tmp_path / "none", print).device.type == "meta"


@pytest.mark.skipif(find_spec("flash_attn") is not None, reason="the package is here")
def test_a_kernel_of_attention_that_is_not_here_is_an_error_that_names_its_package(tiny, tmp_path):
    models.save(tiny(), tmp_path / "model", {})
    with pytest.raises(
        ValueError, match=r"model cannot be loaded: FlashAttention2 .* package .*FlashAttention2 .*inst"
    ):
        models.load(str(tmp_path / "model"), attention="flash_attention_2")
    with pytest.raises(ValueError, match=r"cannot build the architecture 'llama': FlashAttention2"):
        models.build(architecture("llama"), tiny().tokenizer, 0, attention="flash_attention_2")


def test_a_vocabulary_may_be_larger_than_the_tokenizers_and_not_smaller(tokenizer):
    model = models.build(architecture("llama", vocab_size=320), tokenizer, 0)
    assert model.network.get_input_embeddings().num_embeddings == 320
    with pytest.raises(ValueError, match="vocab_size 299 is below the tokenizer's 300"):
        models.build(architecture("llama", vocab_size=299), tokenizer, 0)


def test_an_architecture_takes_a_tokenizer_from_a_folder(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path / "bpe")
    section = Model(architecture=architecture("llama"), tokenizer=Tokenizer(path=str(tmp_path / "bpe")))
    model = models.start(section, None, (), 0, tmp_path / "none", print)
    assert model.tokenizer.get_vocab() == tokenizer.get_vocab()
    assert model.end_tokens == {tokenizer.eos_token_id}
    missing = section.model_copy(update={"tokenizer": Tokenizer(path=str(tmp_path / "no"))})
    with pytest.raises(FileNotFoundError, match=r"no tokenizer at .*no'"):
        models.start(missing, None, (), 0, tmp_path / "none", print)


END = "{% if m.role == 'assistant' %}<|end|>{% endif %};{% endfor %}"
ASK = "{% if add_generation_prompt %}<assistant>{% endif %}"
TEMPLATES = {
    "in order": "{% for m in messages %}<{{ m.role }}>{{ m.content }}" + END + ASK,
    "without an end": "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}" + ASK,
    "forgetful": "{% for m in messages %}<{{ m.role }}>"
    "{% if m.role == 'assistant' and not loop.last %}...{% else %}{{ m.content }}{% endif %}" + END + ASK,
    "marked": "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{% endgeneration %}{% else %}{{ m.content }}{% endif %}" + END + ASK,
}
TALK = [
    Message("user", "add 1"),
    Message("assistant", "x + 1"),
    Message("user", "and 2"),
    Message("assistant", "x + 3"),
]
WHOLE = "<user>add 1;<assistant>[x + 1<|end|>];<user>and 2;<assistant>[x + 3<|end|>]"
FIRST = "<user>add 1;<assistant>[x + 1<|end|>]"
ROWS_OF = {
    "in order": [WHOLE],
    "marked": [WHOLE],
    "forgetful": [FIRST, "<user>add 1;<assistant>...<|end|>;<user>and 2;<assistant>[x + 3<|end|>]"],
    "without an end": [
        "<user>add 1;<assistant>[x + 1;<|end|>]",
        "<user>add 1;<assistant>x + 1;<user>and 2;<assistant>[x + 3;<|end|>]",
    ],
}


def chatty(tiny, tokenizer, template):
    mine = copy.deepcopy(tokenizer)
    mine.chat_template = TEMPLATES.get(template, template)
    return models.Model(tiny().network, mine)


def shown(model, rows):
    """Each row as a text, what is learned in brackets."""
    texts = []
    for row in rows:
        parts, on = [], False
        for token, learned in zip(row.tokens, row.learned, strict=True):
            if learned != on:
                parts.append("[" if learned else "]")
                on = learned
            parts.append(model.tokenizer.decode([token]))
        texts.append("".join(parts) + "]" * on)
    return texts


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_answer_of_a_conversation_is_learned_with_its_end(tiny, tokenizer, template):
    model = chatty(tiny, tokenizer, template)
    assert shown(model, model.encode_conversation(TALK)) == ROWS_OF[template]
    for row in model.encode_conversation(TALK):
        assert row.tokens[-1] in model.end_tokens


@pytest.mark.parametrize("template", ["in order", "marked", "forgetful"])
def test_answers_that_belong_to_the_prompt_are_not_learned(tiny, tokenizer, template):
    model = chatty(tiny, tokenizer, template)
    (row,) = model.encode_conversation(TALK, first=3)
    assert shown(model, [row])[0].endswith("<user>and 2;<assistant>[x + 3<|end|>]")
    assert row.learned.index(True) == len(model.encode_prompt(tuple(TALK[:3])))
    with pytest.raises(ValueError, match="no message of the assistant"):
        model.encode_conversation(TALK[:3], first=2)


def test_an_answer_ends_as_the_chat_template_ends_it(tiny, tokenizer):
    model = chatty(tiny, tokenizer, "in order")
    prompt, answer = model.encode_answer((TALK[0],), "x + 1")
    assert prompt == model.encode_prompt((TALK[0],))
    assert tokenizer.decode(list(answer)) == "x + 1<|end|>"
    thinking = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}" + ASK.replace("assistant", "t")
    prompt, answer = chatty(tiny, tokenizer, thinking).encode_answer((TALK[0],), "x + 1")
    assert tokenizer.decode(list(prompt + answer)) == "<user>add 1<t>x + 1<|end|>"


def test_a_template_that_refuses_messages_and_a_tokenizer_without_an_end_say_so(tiny, tokenizer):
    refusing = chatty(tiny, tokenizer, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(ValueError, match=r"does not take these messages \(user\): roles must alternate"):
        refusing.encode_conversation(TALK)
    endless = chatty(tiny, tokenizer, "without an end")
    endless.tokenizer.eos_token = None
    with pytest.raises(ValueError, match="no end-of-sequence token, so the model could never learn to stop"):
        endless.encode_completion("x")


@pytest.fixture
def rlvr(monkeypatch, capsys):
    """Runs a command line; returns the exit code and what it said."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["rlvr", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, "".join(capsys.readouterr())

    return run


def test_a_tokenizer_of_ones_own_is_one_command(rlvr, tmp_path):
    (tmp_path / "corpus.txt").write_text("    return x + 1\n" * 50)
    command = ("tokenizer", "train", tmp_path / "corpus.txt", "programs:train", "--limit", 20, "--vocab-size", 300)
    assert rlvr(*command, "--out", tmp_path / "bpe")[0] == 0
    section = Model(architecture=architecture("llama"), tokenizer=Tokenizer(path=str(tmp_path / "bpe")))
    model = models.start(section, None, (), 0, tmp_path / "none", print)
    assert len(model.tokenizer) == 300
    assert len(model.encode_completion("    return x + 1\n")) < 5
    code, said = rlvr(*command, "--out", tmp_path / "bpe")
    assert code == 2
    assert "already holds files" in said
    assert rlvr("tokenizer", "train", "nothing.txt", "--vocab-size", 300, "--out", tmp_path / "no")[0] == 2


@pytest.mark.slow
def test_every_command_that_takes_a_model_takes_an_adapter_and_a_run_of_one(rlvr, tiny, tmp_path):
    models.save(tiny(), tmp_path / "base", {})
    demonstrations = {"name": "programs:demonstrations", "depths": [1], "limit": 20}
    recipe = {
        "command": "train",
        "steps": 2,
        "batch_size": 4,
        "model": {"path": str(tmp_path / "base"), "lora": {"rank": 2, "alpha": 4}},
        "tasks": demonstrations,
        "objective": {"name": "sft"},
        "optimizer": {"lr": 1e-2},
    }
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    run, asked = tmp_path / "run", ("--tasks", "programs:validation", "--limit", 2, "--max-tokens", 8)
    assert rlvr("train", tmp_path / "r.yaml", "--out", run)[0] == 0
    adapter = run / "checkpoints" / "step_2" / "model"
    assert not (adapter / "config.json").exists()
    said = {}
    for name, path in {"run": run, "adapter": adapter}.items():
        code, said[name] = rlvr("generate", path, *asked, "--out", tmp_path / f"generated_{name}")
        assert code == 0
        assert rlvr("evaluate", path, *asked, "--out", tmp_path / f"evaluated_{name}")[0] == 0
        assert rlvr("merge", path, "--out", tmp_path / f"merged_{name}")[0] == 0
        again = ("train", tmp_path / "r.yaml", f"model.path={path}", "--out")
        assert rlvr(*again, tmp_path / f"further_{name}")[0] == 0
        assert rlvr(*again, tmp_path / f"whole_{name}", "model.lora=null")[0] == 0
        assert (tmp_path / f"whole_{name}" / "checkpoints" / "step_2" / "model" / "model.safetensors").exists()
    assert f"{run} is a run, of which checkpoints/step_2 is taken, the newest" in said["run"]
    assert "is a run" not in said["adapter"]
    plan = json.loads((tmp_path / "evaluated_run" / "plan.json").read_text())
    assert plan["checkpoint"].endswith("checkpoints/step_2 is taken, the newest")
    for kind in ("generated", "evaluated"):
        rows = [(tmp_path / f"{kind}_{name}" / "generations.jsonl").read_text() for name in said]
        assert rows[0] == rows[1]
    models.save(tiny(seed=9), tmp_path / "base", {})
    for command in (("generate", run, *asked), ("merge", adapter), ("train", tmp_path / "r.yaml", f"model.path={run}")):
        code, said_then = rlvr(*command, "--out", tmp_path / "refused")
        assert code == 2
        assert "was trained on other weights than those of" in said_then
        assert not (tmp_path / "refused").exists()


@pytest.mark.slow
def test_an_adapter_is_merged_by_one_command_and_a_whole_model_is_not(rlvr, tiny, tmp_path):
    models.save(tiny(), tmp_path / "base", {})
    section = Model(path=str(tmp_path / "base"), lora=Lora(rank=2))
    adapted = models.start(section, section.path, (), 0, tmp_path / "none", print)
    models.save(adapted, tmp_path / "adapter", {})
    assert rlvr("merge", tmp_path / "adapter", "--out", tmp_path / "merged")[0] == 0
    assert models.load(str(tmp_path / "merged")).fingerprint() == tiny().fingerprint()
    code, said = rlvr("merge", tmp_path / "base", "--out", tmp_path / "no")
    assert code == 2
    assert "is a whole model, with no adapter to merge" in said


@pytest.mark.parametrize("name", ["runs/one/checkpoints/step_9", "runs/two"])
def test_a_path_where_nothing_is_names_what_is_there_and_asks_no_hub(tmp_path, monkeypatch, name):
    (tmp_path / "runs/one/checkpoints/step_3").mkdir(parents=True)
    (tmp_path / "runs/one/run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    there = "step_3" if "step" in name else "one"
    with pytest.raises(FileNotFoundError, match=rf"nothing is at {name}; {tmp_path}/.* holds {there}"):
        models.find(name)
    monkeypatch.chdir(tmp_path / "runs")
    assert models.find("gpt2").path == "gpt2"
