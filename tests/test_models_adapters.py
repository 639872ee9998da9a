"""Adapters: standard folders that other libraries load, refused on other weights, continued, merged, switched off."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlvr import models
from rlvr.config.train_recipe import Lora, Model, Optimizer
from rlvr.learner import checkpoints
from rlvr.learner.reference import frozen
from rlvr.learner.step import Learner
from rlvr.models._adapters import targets
from rlvr.objectives.sft import SFT
from rlvr.records import Example

PROMPT = torch.tensor([[40, 41, 42, 43, 50]])
ROWS = [Example((40, 41, 50, 51, 1), (False, False, True, True, True)), Example((42, 60, 1), (False, True, True))]


@pytest.fixture
def base(tiny, tmp_path):
    models.save(tiny(), tmp_path / "base", {})
    return tmp_path / "base"


def adapted(base, **changes):
    lora = Lora(**{"rank": 4, "alpha": 8, **changes})
    return models.start(Model(path=str(base), lora=lora), str(base), (), 3, base / "none", print)


def learner_of(model, **changes):
    settings = Optimizer(**{"lr": 0.05, "schedule": "constant", **changes})
    return Learner(model, settings, 10, 1.0)


def trained(base, folder, steps=3, **changes):
    model = adapted(base, **changes)
    learner = learner_of(model)
    for step in range(steps):
        learner.update(ROWS, SFT().loss, step, 0)
    model.network.eval()
    models.save(model, folder, {"recipe": "x"})
    return model


@torch.no_grad()
def logits(network):
    return network.eval()(PROMPT).logits


def test_a_fresh_adapter_changes_nothing_and_is_all_that_learns(base):
    plain, model = models.load(str(base)), adapted(base)
    assert torch.equal(logits(plain.network), logits(model.network))
    before = {name: p.detach().clone() for name, p in model.network.named_parameters()}
    learner_of(model).update(ROWS, SFT().loss, 0, 0)
    moved = {name for name, p in model.network.named_parameters() if not torch.equal(p, before[name])}
    assert moved
    assert all("lora_" in name for name in moved)
    assert model.trained == sum(before[name].numel() for name in before if "lora_" in name) < model.parameters / 2
    assert not torch.equal(logits(plain.network), logits(model.network))


@pytest.mark.slow
def test_equal_seeds_draw_equal_adapters(base):
    assert adapted(base).fingerprint() == adapted(base).fingerprint()


@pytest.mark.parametrize("kind", ["llama", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_a_saved_adapter_is_the_same_model_for_transformers_and_peft_and_us(tiny, tmp_path, kind):
    from peft import PeftModel

    models.save(tiny(kind), tmp_path / "base", {})
    expected = logits(trained(tmp_path / "base", tmp_path / "adapter", targets="attention").network)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tmp_path / "base")
    assert config["target_modules"] == targets(tiny(kind).network, "attention")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    bare = AutoModelForCausalLM.from_pretrained(tmp_path / "base")
    for network in (
        AutoModelForCausalLM.from_pretrained(tmp_path / "adapter"),
        PeftModel.from_pretrained(bare, tmp_path / "adapter"),
        models.load(str(tmp_path / "adapter")).network,
    ):
        assert torch.allclose(logits(network), expected, atol=1e-6)
    assert 'base_model: "' in (tmp_path / "adapter" / "README.md").read_text()


@pytest.mark.slow
def test_equal_adapters_are_equal_files(base, tmp_path):
    for name in ("a", "b"):
        trained(base, tmp_path / name)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.slow
def test_a_merged_model_answers_as_the_adapted_one_and_is_whole(base, tmp_path):
    expected = logits(trained(base, tmp_path / "adapter").network)
    models.save(models.merged(models.load(str(tmp_path / "adapter"))), tmp_path / "merged", {})
    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert torch.allclose(logits(whole), expected, atol=1e-4)
    assert not any("lora" in name for name in whole.state_dict())


def test_without_lora_an_adapter_is_merged_and_everything_learns(base, tmp_path):
    trained(base, tmp_path / "adapter")
    model = models.start(Model(path="x"), str(tmp_path / "adapter"), (), 0, tmp_path / "none", print)
    assert model.adapter is None
    assert model.trained == model.parameters


def test_an_adapter_is_trained_further_only_as_it_is(base, tmp_path):
    before = logits(trained(base, tmp_path / "adapter").network)
    section = Model(path=str(tmp_path / "adapter"), lora=Lora(rank=4, alpha=8))
    model = models.start(section, section.path, (), 0, tmp_path / "none", print)
    assert torch.equal(logits(model.network), before)
    assert model.adapter.base == str(base)
    assert 0 < model.trained < model.parameters
    other = section.model_copy(update={"lora": Lora(rank=2, alpha=8)})
    with pytest.raises(ValueError, match=r"lora differs from the adapter in .*'rank': 2.* is not .*'rank': 4"):
        models.start(other, section.path, (), 0, tmp_path / "none", print)


def test_an_adapter_of_other_weights_is_refused(tiny, base, tmp_path):
    trained(base, tmp_path / "adapter")
    models.save(tiny(seed=9), base, {})
    with pytest.raises(ValueError, match=r"was trained on other weights than those of .*base today"):
        models.load(str(tmp_path / "adapter"))
    models.save(tiny(hidden_size=32), base, {})
    with pytest.raises(ValueError, match="was trained on other weights"):
        models.load(str(tmp_path / "adapter"))


@pytest.mark.slow
def test_a_strangers_adapter_that_does_not_fit_is_refused_by_its_shapes(tiny, base, tmp_path):
    trained(base, tmp_path / "adapter")
    (tmp_path / "adapter" / "base.json").unlink()
    models.save(tiny(hidden_size=32), base, {})
    with pytest.raises(
        ValueError, match=r"is for another base: \d+ of its weights do not fit, for instance base_model"
    ):
        models.load(str(tmp_path / "adapter"))
    models.save(tiny("gpt2"), base, {})
    with pytest.raises(ValueError, match="is for another base: Target modules"):
        models.load(str(tmp_path / "adapter"))


@pytest.mark.slow
def test_what_cannot_be_an_adapter_says_so(base, tmp_path):
    trained(base, tmp_path / "adapter")
    file = tmp_path / "adapter" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"adapter_model.safetensors cannot be read"):
        models.load(str(tmp_path / "adapter"))
    written = tmp_path / "adapter" / "adapter_config.json"
    config = json.loads(written.read_text())
    written.write_text(json.dumps({**config, "peft_type": "IA3"}))
    with pytest.raises(ValueError, match=r"holds an adapter of the kind .*IA3; only LoRA"):
        models.load(str(tmp_path / "adapter"))
    written.write_text(json.dumps(config))
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"the base of the adapter in .* is gone: there is no .*base"):
        models.load(str(tmp_path / "adapter"))


def test_a_run_that_has_moved_brings_the_base_of_its_own(tiny, tmp_path):
    run = tmp_path / "run"
    models.save(tiny(), run / "base", {})
    expected = logits(trained(run / "base", run / "checkpoints" / "step_3" / "model").network)
    run.rename(tmp_path / "moved")
    assert torch.equal(logits(models.load(str(tmp_path / "moved")).network), expected)


TARGETS = {
    "llama": (["k_proj", "o_proj", "q_proj", "v_proj"], ["down_proj", "gate_proj", "k_proj", "o_proj"]),
    "gpt2": (["attn.c_proj", "c_attn"], ["c_attn", "c_fc", "c_proj"]),
    "gemma2": (["k_proj", "o_proj", "q_proj", "v_proj"], ["down_proj", "gate_proj", "k_proj", "o_proj"]),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets_are_found_in_any_architecture(tiny, kind):
    attention, linear = TARGETS[kind]
    network = tiny(kind).network
    assert targets(network, "attention") == attention
    assert targets(network, "all-linear")[: len(linear)] == linear
    assert "lm_head" not in targets(network, "all-linear")


def test_a_target_that_is_nowhere_is_named_with_the_nearest(tiny):
    with pytest.raises(ValueError, match=r"no layer named 'q_porj'. Did you mean 'q_proj'"):
        targets(tiny().network, ["q_porj"])


def test_the_reference_is_the_model_at_the_start_without_a_copy_of_it(base, tmp_path):
    trained(base, tmp_path / "adapter")
    for path in (base, tmp_path / "adapter"):
        section = Model(path=str(path), lora=Lora(rank=4, alpha=8))
        model = models.start(section, section.path, (), 0, tmp_path / "none", print)
        at_start, reference = logits(model.network), frozen(model.network)
        learner_of(model).update(ROWS, SFT().loss, 0, 0)
        now, weights = logits(model.network), model.fingerprint()
        assert not torch.equal(now, at_start)
        with reference():
            assert torch.equal(logits(model.network), at_start)
        assert torch.equal(logits(model.network), now)
        assert model.fingerprint() == weights


def test_a_checkpoint_of_an_adapter_resumes_to_the_bit(base, tmp_path):
    whole, first = learner_of(adapted(base, dropout=0.1)), learner_of(adapted(base, dropout=0.1))
    for step in range(4):
        whole.update(ROWS, SFT().loss, step, 0)
    for step in range(2):
        first.update(ROWS, SFT().loss, step, 0)
    checkpoints.save(tmp_path / "step_2", first, {}, {})
    assert not (tmp_path / "step_2" / "model" / "model.safetensors").exists()
    again = learner_of(adapted(base, dropout=0.1))
    checkpoints.restore(tmp_path / "step_2", again)
    for step in (2, 3):
        again.update(ROWS, SFT().loss, step, 0)
    assert again.model.fingerprint() == whole.model.fingerprint()


@pytest.mark.slow
def test_muon_moves_an_adapter(base):
    model = adapted(base)
    before = model.fingerprint()
    learner_of(model, name="muon").update(ROWS, SFT().loss, 0, 0)
    assert model.fingerprint() != before


@pytest.mark.slow
def test_an_adapter_is_float32_on_bfloat16_weights(base):
    model = models.start(
        Model(path=str(base), lora=Lora(rank=4), dtype="bfloat16"), str(base), (), 0, base / "none", print
    )
    kinds = {("lora_" in name, p.dtype) for name, p in model.network.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
    learner_of(model).update(ROWS, SFT().loss, 0, 0)


def test_four_bits_without_their_library_are_an_error_that_names_it(base, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LookupError, match="needs bitsandbytes"):
        adapted(base, four_bit=True)


def test_the_loss_of_rows_is_measured_without_dropout_and_moves_nothing(base):
    model = adapted(base, dropout=0.5)
    learner = learner_of(model, tokens_per_microbatch=5)
    learner.update(ROWS, SFT().loss, 0, 0)
    before = model.fingerprint()
    found = learner.loss_of(ROWS)
    assert found == learner.loss_of([replace(row, weight=3.0) for row in ROWS])
    assert model.fingerprint() == before
    assert model.network.training
    logprobs = [logits_of(model, row) for row in ROWS]
    assert found == pytest.approx(-sum(sum(one) for one in logprobs) / sum(len(one) for one in logprobs), rel=1e-5)


@torch.no_grad()
def logits_of(model, row):
    was_training = model.network.training
    found = model.network.eval()(torch.tensor([row.tokens])).logits[0].log_softmax(-1)
    model.network.train(was_training)
    return [found[n - 1, token].item() for n, (token, on) in enumerate(zip(row.tokens, row.mask, strict=True)) if on]
