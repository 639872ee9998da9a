"""A dry run says what would happen, what it needs and what is missing, on any machine."""

import json
import re
import shutil
from importlib.util import find_spec

import pytest
import torch
from conftest import architecture
from training import DPO, GRPO, SFT
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr import extras, models
from rlvr.config import load_recipe
from rlvr.config.train_recipe import Lora, Model
from rlvr.judge import languages
from rlvr.quickstart import recipes
from rlvr.storage import write_lines
from rlvr.tasks.programs import Programs
from rlvr.train import describe, train
from rlvr.train.memory import shape

HUB = ("validation_run", "production_run", "grpo_gsm8k", "dpo_from_rollouts", "grpo_lora_1gpu", "grpo_mbpp")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def comments(text):
    return [line for line in text.split("\n") if line.startswith("# ")]


@pytest.mark.parametrize("name", HUB)
def test_a_recipe_for_other_machines_can_be_looked_at_without_network_or_data(name, monkeypatch):
    monkeypatch.delenv("RLVR_DATA", raising=False)
    asked = load_recipe(recipes() / f"{name}.yaml")
    told = comments(describe(asked))
    missing = "\n".join(line for line in told if line.startswith("# missing"))
    assert f"model {asked.model.path} (not here, hub unreachable: " in missing
    assert re.search(rf"tasks {asked.tasks.name} \(no file for {asked.tasks.name}\S*: RLVR_DATA is not set", missing)
    assert any(line.startswith("# memory   about ") and "GiB on each device" in line for line in told)


def test_a_recipe_that_names_its_card_fits_it(data):
    named = {}
    for file in recipes().glob("*.yaml"):
        if found := re.search(r"GPU of\s+(?:# )?(\d+) GB", file.read_text()):
            told = "\n".join(comments(describe(load_recipe(file))))
            peak = re.search(r"# memory   about ([\d.]+) GiB", told)
            assert peak, told
            named[file.stem] = (float(peak[1]) * 2**30 / 1e9, float(found[1]))
    assert {"sft_lora_7b", "grpo_lora_1gpu", "production_run"} <= named.keys()
    assert {name for name, (peak, card) in named.items() if peak > card} == set()


def test_with_the_data_the_arithmetic_is_exact(data):
    told = "\n".join(comments(describe(load_recipe(recipes() / "validation_run.yaml"))))
    assert "20 tasks, 3 steps: each task is drawn 3.00 times" in told
    assert "an epoch is 1.0 steps and 80 samples" in told
    assert re.search(r"a step is 20 prompts, 80 sequences, at most [\d,]+ tokens \(\d+ of a prompt, 512 of an", told)
    assert "at most 5 optimizer steps of 16" in told
    assert "all together 60 prompts, 240 sequences, at most 15 optimizer steps" in told
    assert "checkpoints/cycle_N, 3 in all, of which at most 2 stay" in told
    assert "# missing  tasks" not in told


def test_a_tokenizer_and_weights_for_an_architecture_that_are_not_here_are_missing(recipe, tmp_path):
    model = {"architecture": architecture("llama"), "tokenizer": {"path": str(tmp_path / "bpe")}}
    (tmp_path / "bpe").mkdir()
    asked = recipe({**SFT, "model": {**model, "init_checkpoint": str(tmp_path / "w.pt")}})
    missing = [line for line in comments(describe(asked)) if line.startswith("# missing")]
    assert missing == [
        f"# missing  tokenizer {tmp_path / 'bpe'} (the folder holds none)",
        f"# missing  init_checkpoint {tmp_path / 'w.pt'} (nothing is there)",
    ]


def test_of_a_run_as_the_model_it_says_which_checkpoint_would_be_taken(recipe, warm):
    told = comments(describe(recipe(GRPO)))
    taken = f"# model    {warm} is a run, of which checkpoints/step_120 is taken, the newest"
    assert taken in told
    model = {"architecture": architecture("llama"), "tokenizer": {"vocab_size": 300}, "init_checkpoint": str(warm)}
    assert taken in comments(describe(recipe({**SFT, "model": model})))


def test_an_adapter_of_a_run_that_has_moved_is_counted_by_the_base_that_moved_with_it(recipe, tiny, tmp_path):
    run, moved = tmp_path / "run", tmp_path / "moved"
    models.save(tiny(), run / "base", {})
    section = Model(path=str(run / "base"), lora=Lora(rank=2))
    models.save(models.start(section, section.path, (), 0, tmp_path, print), run / "checkpoints/step_3/model", {})
    run.rename(moved)
    told = comments(describe(recipe(GRPO, f"model.path={moved}")))
    assert any("2 layers, width 16" in line for line in told)
    assert told[-1] == "# missing  nothing"
    (moved / "base").rename(tmp_path / "gone")
    missing = comments(describe(recipe(GRPO, f"model.path={moved}")))[-1]
    assert re.search(r"# missing  model .* \(the base of the adapter in .*step_3/model is gone: there is no", missing)


def test_a_local_model_is_counted_and_nothing_is_missing(recipe, warm):
    told = comments(describe(recipe(GRPO)))
    count = models.load(str(warm)).parameters
    assert any(f"{count / 1e6:.3g} M parameters, 2 layers, width 32" in line for line in told)
    assert told[-1] == "# missing  nothing"
    assert "24 tasks, 4 steps: each task is drawn 0.67 times" in told[0]
    assert "at most 8 optimizer steps of 8" in told[2]


@pytest.mark.parametrize(("sections", "counted"), [(SFT, {"reference": False}), (DPO, {"reference": True})])
def test_the_reference_is_counted_where_the_objective_needs_one(recipe, sections, counted):
    told = "\n".join(comments(describe(recipe(sections))))
    assert ("reference " in told) == counted["reference"]


def test_the_recipe_for_a_gpu_of_40_gb_needs_less_than_that():
    told = "\n".join(comments(describe(load_recipe(recipes() / "sft_lora_7b.yaml"))))
    assert float(re.search(r"# memory   about ([\d.]+) GiB", told)[1]) < 35


def test_an_adapter_needs_a_fraction_and_says_what_it_lacks(recipe, monkeypatch):
    name = "model.path=org/model-7B"
    peak = {}
    for given in ("null", "{rank: 16}", "{rank: 16, four_bit: true}"):
        told = "\n".join(comments(describe(recipe(GRPO, name, f"model.lora={given}", "compute.recompute=true"))))
        peak[given] = float(re.search(r"# memory   about ([\d.]+) GiB", told)[1])
    assert peak["null"] > 100 > 30 > peak["{rank: 16}"] > peak["{rank: 16, four_bit: true}"] + 8
    assert "# missing  the package bitsandbytes for model.lora" in told
    assert "of an adapter, 33 layers" in told
    told = describe(recipe(GRPO, name, "model.attention=flash_attention_2"))
    assert ("# missing  the package flash_attn for model.attention" in told) == (find_spec("flash_attn") is None)


SIZES = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}


def test_a_configuration_is_counted_without_making_its_weights(recipe):
    asked = recipe(GRPO)
    sizes = {"model_type": "qwen2", **SIZES, "num_key_value_heads": 2, "tie_word_embeddings": True}
    model = asked.model.model_copy(update={"path": None, "architecture": sizes, "tokenizer": TOKENIZER})
    found = shape(model)
    assert (found.layers, found.width, found.inner, found.kv) == (24, 896, 4864, 128)
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(AutoConfig.for_model(**sizes, vocab_size=1000))
    assert found.parameters == sum(p.numel() for p in whole.parameters()) > 3e8


class TOKENIZER:
    vocab_size = 1000


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen2.5-Coder-0.5B-Instruct", 5e8),
        ("Qwen/Qwen3-1.7B-Base", 1.7e9),
        ("org/model_32b", 3.2e10),
        ("HuggingFaceTB/SmolLM2-135M", 1.35e8),
        ("gpt2", None),
        ("org/v2beta", None),
    ],
)
def test_a_name_tells_the_size_of_a_model_that_is_not_here(recipe, name, parameters):
    found = shape(recipe(GRPO, f"model.path={name}").model)
    assert (found and found.parameters) == parameters
    if found:
        blocks = found.layers * 12 * found.width**2
        assert 0.8 < blocks / found.parameters < 1.2


def test_compilers_and_packages_that_this_machine_lacks_are_listed_together(recipe, tmp_path, monkeypatch):
    from rlvr import trackers

    tasks = [task.to_json() for task in Programs("train", limit=3)]
    for task in tasks[:2]:
        task["verifier"], task["reference"] = "stdio", {"cases": [{"stdin": "", "stdout": "1"}], "language": "cpp"}
    write_lines(tmp_path / "T.jsonl", tasks)
    asked = recipe({**GRPO, "tasks": {"name": str(tmp_path / "T.jsonl")}}, "trackers=[wandb]")
    monkeypatch.setattr(languages, "_PLACES", (str(tmp_path),))
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    missing = [line for line in comments(describe(asked)) if line.startswith("# missing")]
    assert [line.split(" (")[0] for line in missing] == [
        f"# missing  the tracker wandb needs the package wandb: {extras.install('trackers')}",
        "# missing  a judge for 2 tasks",
    ]
    assert "there is no g++" in missing[1]


PREFERENCES = {"objective": {"name": "dpo", "group_size": 0}}


def test_a_preference_is_two_sequences_and_more_prompts_than_tasks_are_told(recipe, tmp_path):
    rows = [{"prompt": f"p{n}", "chosen": "a", "rejected": "b"} for n in range(3)]
    write_lines(tmp_path / "P.jsonl", rows)
    asked = recipe({**PREFERENCES, "tasks": {"name": "preferences", "source": str(tmp_path / "P.jsonl")}})
    told = "\n".join(comments(describe(asked)))
    assert "an epoch is 0.8 steps and 6 answers" in told
    assert "a step is 4 prompts, 8 sequences" in told
    assert "a step has more prompts (4) than there are tasks (3), so some stand in it twice" in told


def test_the_samples_of_an_evaluation_need_memory_where_training_samples_nothing(recipe):
    told = "\n".join(comments(describe(recipe(SFT))))
    assert "sampling" not in told
    evaluation = {"tasks": [{"name": "programs:validation", "limit": 50}], "every": 2}
    told = "\n".join(comments(describe(recipe({**SFT, "evaluation": evaluation}))))
    assert re.search(r"sampling [\d.]+ MiB", told)
    assert re.search(r"KV cache [\d.]+ MiB", told)


def test_a_pass_is_no_longer_than_its_batch(recipe):
    def activations(*overrides):
        told = "\n".join(comments(describe(recipe(SFT, *overrides))))
        return float(re.search(r"activations ([\d.]+) MiB", told)[1])

    assert activations() == activations("optimizer.tokens_per_microbatch=1000000") < activations("batch_size=16") / 3


@pytest.mark.parametrize("sections", [SFT, GRPO])
def test_an_optimizer_step_of_more_rows_than_a_batch_has_is_refused(recipe, sections):
    rows = 4 * (sections["objective"].get("group_size") or 1)
    describe(recipe(sections, f"optimizer.minibatch={rows}"))
    with pytest.raises(ValueError, match=f"optimizer.minibatch is {rows + 1}, and a step has at most {rows} rows"):
        describe(recipe(sections, f"optimizer.minibatch={rows + 1}"))


def endless(warm, folder):
    """The warm model without an end-of-sequence token."""
    shutil.copytree(models_of(warm), folder)
    (folder / "generation_config.json").unlink()
    for name in ("config.json", "tokenizer_config.json"):
        held = json.loads((folder / name).read_text())
        (folder / name).write_text(
            json.dumps({k: v for k, v in held.items() if k not in ("eos_token", "eos_token_id")})
        )
    return folder


def models_of(run):
    return run / json.loads((run / "run.json").read_text())["checkpoint"] / "model"


def test_a_tokenizer_without_end_or_template_is_an_error_before_anything_is_written(recipe, warm, display, tmp_path):
    folder = endless(warm, tmp_path / "endless")
    with pytest.raises(ValueError, match="no end-of-sequence token, so the model could never learn to stop; set eos_"):
        describe(recipe(SFT, f"model.path={folder}"))
    for sections in (SFT, GRPO):
        with pytest.raises(ValueError, match="the tokenizer has no end-of-sequence token, so"):
            train(recipe(sections, f"model.path={folder}"), tmp_path / "run", display)
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    write_lines(tmp_path / "M.jsonl", [{"messages": said}])
    asked = recipe({**SFT, "tasks": {"name": "supervised", "source": str(tmp_path / "M.jsonl")}}, "batch_size=1")
    for act in (describe, lambda asked: train(asked, tmp_path / "run", display)):
        with pytest.raises(ValueError, match=r"the tokenizer has no chat template.* set model\.chat_template"):
            act(asked)
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_works_nowhere_is_an_error_in_a_dry_run_too(recipe):
    with pytest.raises(ValueError, match="test-only"):
        describe(recipe({**GRPO, "tasks": {"name": "programs:test", "limit": 2}}))
