# make install     .venv with everything that training and the checks need
# make quickstart  the whole loop: problems, warm-up, RL on executed code, evaluation, report   (ARGS="--seed 1")
# make test        the default suite                                                            (ARGS="-k judge")
# make lint        ruff, pyright, import-linter
#
# PYTHON chooses the interpreter that .venv is made with: make install PYTHON=python3.13
# A .venv of another interpreter is made anew.
# The default torch for Linux brings CUDA with it (gigabytes); without a GPU, name the index of torch's CPU builds:
#   make install PIP_EXTRA_INDEX_URL=...

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

ifneq ($(wildcard ../shared/data/.),)
  RLVR_DATA ?= $(abspath ../shared/data)
endif
ifdef RLVR_DATA
  export RLVR_DATA
endif
ifdef PIP_EXTRA_INDEX_URL
  export PIP_EXTRA_INDEX_URL
endif

WHICH := import sys; print(sys.version, sys.base_prefix)
ifneq ($(origin PYTHON),file)
  ifneq ($(shell { $(PYTHON) -c '$(WHICH)'; } 2>/dev/null),$(shell { $(BIN)/python -c '$(WHICH)'; } 2>/dev/null))
    CLEAR := --clear
.PHONY: .venv/installed
  endif
endif

.PHONY: install quickstart test lint

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c '' 2>/dev/null || { echo "There is no working $(PYTHON) here. Name a Python of version 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "rlvr needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing into .venv with $$($(PYTHON) --version 2>&1): a minute or two, most of it torch."
	@$(PYTHON) -m venv $(CLEAR) .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[train,if,hub,s3,trackers,dev]'
	@touch $@

quickstart: install
	@$(BIN)/rlvr quickstart $(ARGS)

test: install
	$(BIN)/python -m pytest $(ARGS)

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports
