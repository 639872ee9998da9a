"""A name is a file, and a name that is no file says what there is."""

import dataclasses
import sys
from pathlib import Path

import pytest

import rlvr
from rlvr import registry

SHELVES = [
    shelf
    for shelf in ("engines", "objectives", "sandboxes", "tasks", "verifiers")
    if (Path(rlvr.__file__).parent / shelf).is_dir()
]


@pytest.mark.parametrize("shelf", SHELVES)
def test_every_file_on_a_shelf_is_one_frozen_dataclass(shelf):
    assert registry.names(shelf)
    for name in registry.names(shelf):
        cls = registry.find(shelf, name)
        assert dataclasses.is_dataclass(cls), name
        assert cls.__dataclass_params__.frozen, name  # pyright: ignore[reportAttributeAccessIssue]
        assert (cls.__doc__ or "").strip(), name
        assert not cls.__doc__.startswith(f"{cls.__name__}("), f"{name} has only dataclass's own docstring"


def test_building_sets_the_fields():
    source = registry.build("tasks", "mbpp", split="validation", limit=3)
    assert (source.split, source.limit) == ("validation", 3)


def test_an_unknown_name_shows_the_nearest_and_all():
    with pytest.raises(
        LookupError, match=r"no tasks plug-in named 'humanevel'. Did you mean 'humaneval'\?.*jsonl, .*mbpp"
    ):
        registry.find("tasks", "humanevel")


def test_an_unknown_option_shows_the_nearest_and_all():
    with pytest.raises(LookupError, match=r"no option of tasks/mbpp named 'spilt'. Did you mean 'split'\?.*source"):
        registry.build("tasks", "mbpp", spilt="train")


def test_helper_files_are_not_names():
    assert not [name for shelf in SHELVES for name in registry.names(shelf) if name.startswith("_")]
    with pytest.raises(LookupError):
        registry.find("tasks", "_source")


def test_only_names_that_a_person_wrote_may_import():
    with pytest.raises(LookupError, match="no tasks plug-in named 'subprocess:Popen'"):
        registry.find("tasks", "subprocess:Popen")
    assert registry.find("tasks", "rlvr.records:Limits", trusted=True).__name__ == "Limits"
    with pytest.raises(LookupError, match="'collections:OrderedDict' is not a plug-in: plug-ins are dataclasses"):
        registry.find("tasks", "collections:OrderedDict", trusted=True)
    with pytest.raises(LookupError, match="'nosuch:Thing' is not an importable class for tasks"):
        registry.find("tasks", "nosuch:Thing", trusted=True)


@pytest.fixture
def outside_package(tmp_path, monkeypatch):
    """An installed distribution, as pip would leave it, that puts `puzzles` on the tasks' shelf."""
    (tmp_path / "puzzle_pack.py").write_text(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Puzzles:\n    level: int = 1\n"
    )
    info = tmp_path / "puzzle_pack-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: puzzle-pack\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlvr.tasks]\npuzzles = puzzle_pack:Puzzles\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.names.cache_clear()
    yield
    registry.names.cache_clear()
    sys.modules.pop("puzzle_pack", None)


@pytest.mark.usefixtures("outside_package")
def test_an_installed_package_joins_a_shelf_by_its_entry_point():
    assert "puzzles" in registry.names("tasks")
    assert registry.build("tasks", "puzzles", level=3).level == 3
    with pytest.raises(LookupError, match="no option of tasks/puzzles named 'depth'"):
        registry.build("tasks", "puzzles", depth=3)
