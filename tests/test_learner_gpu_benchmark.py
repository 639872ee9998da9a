"""The benchmark of the learner on a GPU says where it cannot run, and counts as it says."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_that_it_did_not_run(tmp_path):
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, str(BENCHMARKS / "gpu_learner.py"), "--write", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "did not run: there is no CUDA device here" in done.stdout
    assert not page.exists()


SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu_learner")


def test_it_measures_a_small_network_in_the_same_way(bench):
    found = bench.fitted({**bench.SHARED, "vocab_size": 100, **SIZES}, {}, 16, 64, 1, "cpu")
    assert found.rate > 0
    assert found.budget == 64
    attention, mlp, biases_and_norms = 4 * 32 * 32, 3 * 32 * 48, 3 * 32 + 2 * 32
    weights = 2 * (attention + mlp + biases_and_norms) + 32 + 100 * 32
    assert found.flops == 6 * weights + 6 * 2 * 32 * 16


def test_a_pass_that_does_not_fit_is_halved_and_what_never_fits_is_a_row_that_says_so(bench, monkeypatch):
    tried = []

    def small_card(sizes, way, length, budget, steps, device):
        tried.append(budget)
        if budget > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return bench.Speed(budget, 1000.0, 3e9, 7.0)

    monkeypatch.setattr(bench, "speed", small_card)
    room = 4096
    found = bench.fitted({}, {}, 2048, 16_384, 1, "cpu")
    assert tried == [16_384, 8192, 4096]
    assert bench.cells(found, peak=100.0) == "4,096 | 1,000 | 3.0% | 7.0"
    room = 1
    assert bench.fitted({}, {}, 2048, 4096, 1, "cpu") == "out of memory with 2,048 tokens in a pass"


def test_the_shapes_are_those_of_the_models_and_their_weights_are_counted_once(bench):
    """494 and 1,544 million parameters, as their cards say, the tied table of tokens once."""
    for name, millions in (("0.5B", 494), ("1.5B", 1544)):
        config = AutoConfig.for_model("qwen2", **bench.SHARED, **bench.SIZES[name])
        with torch.device("meta"):
            network = AutoModelForCausalLM.from_config(config)
        weights = bench.flops_per_token(network, 0) / 6
        assert round(weights / 1e6) == millions


@pytest.mark.parametrize(
    ("card", "peak"), [("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA GB200", 2500)]
)
def test_the_peak_is_that_of_the_card(bench, card, peak):
    assert bench._peak(card) == (peak, "by its data sheet")
