# `make demo` and `make test` set up everything they need in .venv; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
# The tested versions; `make demo CONSTRAINTS=` takes the newest instead.
CONSTRAINTS ?= requirements/lock.txt
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-gpu test-lowest lint format docs lock clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

setup: $(READY) ## make .venv with the package and its tools (done by the others as needed)

$(READY): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	  f"slowfast needs Python 3.11 or newer, {sys.executable} is {sys.version.split()[0]}; try make PYTHON=python3.12 ...")'
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || \
	  { echo "could not make $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(RUN) -m pip install --quiet --disable-pip-version-check \
	  $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) --editable '.[dev]'
	@touch $(READY)

demo: $(READY) ## make the built-in data set, train and test both networks, write the reports
	$(RUN) tools/demo.py

# More than four processes would only load PyTorch more often.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
# Some of these need gigabytes, and the demo has processes of its own.
SLOW_PARALLEL := -n auto --maxprocesses 2 --dist worksteal

test: $(READY) ## the tests (minutes)
	$(RUN) -m pytest $(PARALLEL)

test-slow: $(READY) ## the tests that take longer, the demo among them
	$(RUN) -m pytest $(SLOW_PARALLEL) -m slow --timeout 1500

test-gpu: $(READY) ## the tests that need a CUDA device
	$(RUN) -m pytest -m gpu

test-lowest: ## the tests on the oldest supported packages
	$(MAKE) test VENV=.venv-lowest CONSTRAINTS=requirements/lowest.txt

lint: $(READY) ## format, lint and type checks
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

format: $(READY) ## rewrite the code in the project's format
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

docs: $(READY) ## write the generated pages of docs/ again
	$(RUN) -m slowfast.config.reference > docs/CONFIG.md

lock: $(READY) ## write requirements/lock.txt from what .venv holds
	@{ sed -n '/^#/p' requirements/lock.txt; \
	   $(RUN) -m pip freeze --exclude-editable; } > .lock.part && mv .lock.part requirements/lock.txt

clean: ## remove .venv, caches and the demo's runs and data
	rm -rf .venv .venv-lowest .pytest_cache .mypy_cache .ruff_cache runs/demo data/motions
