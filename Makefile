# The two commands of a newcomer are `make demo` and `make test`; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NODE := $(VENV)/node
PIP := $(BIN)/python -m pip --disable-pip-version-check
JOBS ?= auto
BUDGET ?= 90
NODE_LLAMA_CPP ?= $(abspath $(wildcard $(NODE)/node_modules/.bin/node-llama-cpp))
export NODE_LLAMA_CPP
LINTS := lint-types lint-layers lint-workflows lint-style
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)# the words of each lint together

.DEFAULT_GOAL := help
.PHONY: docs docs-serve help demo test check lint $(LINTS) format bench torture node dist clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Show the whole story on a hub of its own, under a minute
	$(BIN)/python -m tests.demo

test: $(VENV)/.test ## Install all that tests need (llama-cpp-python compiles once), then lint, types, layers, tests
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: $(VENV)/.test ## The tests alone
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

lint: $(VENV)/.test ## Style, types, the layers of the house, the security of CI's workflows and recipes
	@$(MAKE) --no-print-directory --jobs=4 --keep-going $(SYNC) $(LINTS)

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-types:
	$(BIN)/mypy

lint-layers:
	$(BIN)/lint-imports

lint-workflows:
	$(BIN)/zizmor --offline --quiet .github recipes/github action.yml

format: $(VENV)/.test ## Put the code into its shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs ## Build the manual into build/site; a broken link or a warning is an error
	$(BIN)/python tools/reference_pages.py docs/reference
	$(BIN)/zensical build --strict --clean

docs-serve: $(VENV)/.docs ## Show the manual at http://localhost:8000 while you write it
	$(BIN)/python tools/reference_pages.py docs/reference
	$(BIN)/zensical serve

bench: $(VENV)/.test ## Time what the README claims, ratios in one run
	$(BIN)/python -m bench

torture: $(VENV)/.test ## Let machines look for broken promises for BUDGET minutes; docs/explained/reliability.md says how
	-$(PIP) install --quiet --only-binary :all: --group torture
	$(BIN)/python -m pytest -q -n $(JOBS) --hypothesis-profile=whole --ignore=tests/torture
	$(BIN)/python -m tests.torture --minutes $(BUDGET) --whole $(TORTURE)

node: $(VENV)/.python ## Install node-llama-cpp from npm (56 MB); the tests then run it against their hub
	npm install --prefix $(NODE) --omit=optional --ignore-scripts --no-audit --no-fund node-llama-cpp

dist: $(VENV)/.test ## Build the sdist and the wheel into dist/
	$(PIP) install --quiet build
	$(BIN)/python -m build --outdir dist .

clean: ## Remove what the targets made
	rm -rf $(VENV) .demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("modelsync needs Python 3.11 or newer: make PYTHON=python3.13 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	$(PIP) install --quiet --editable . --group demo
	@touch $@

$(VENV)/.docs: $(VENV)/.python pyproject.toml
	$(PIP) install --quiet --editable . --group docs
	@touch $@

# Two steps: pip keeps the wheel it compiles in its cache, so only the first run on a machine takes minutes.
$(VENV)/.test: $(VENV)/.python pyproject.toml
	$(PIP) install --quiet --editable . --group dev
	$(PIP) install --quiet --prefer-binary --editable ".[llama]"
	@touch $@
