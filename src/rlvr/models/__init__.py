"""Causal language models with their tokenizers: built, loaded, adapted, saved, and how texts become their tokens."""

from rlvr.models._adapters import merged
from rlvr.models._initial import Matched, initialise
from rlvr.models._loading import build, load, start, whole
from rlvr.models._places import find
from rlvr.models._precision import autocast, is_half
from rlvr.models._process import quiet, use_threads
from rlvr.models._saving import restore, save
from rlvr.models._tokenizers import train_tokenizer
from rlvr.models.model import Adapter, Model, Row

__all__ = [
    "Adapter",
    "Matched",
    "Model",
    "Row",
    "autocast",
    "build",
    "find",
    "initialise",
    "is_half",
    "load",
    "merged",
    "quiet",
    "restore",
    "save",
    "start",
    "train_tokenizer",
    "use_threads",
    "whole",
]
