# kgreg: `make demo` and `make test` need Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test lint benchmark wheel clean

help: ## Say what there is.
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1  -  /'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kgreg needs Python 3.11 or later; set it with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What was installed is remembered, so that a second call starts at once.
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing kgreg into $(VENV) (a minute or two) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing kgreg and its development tools into $(VENV) (a minute or two) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## Run the main job on 700 blood cells; the report lies in runs/demo.
	$(BIN)/kgreg demo --output runs/demo --force

lint: $(VENV)/.dev ## Check style and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint ## Check style and types, then run all tests.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

benchmark: $(VENV)/.dev ## Measure what the documentation claims.
	$(BIN)/python -m benchmarks.vnn
	$(BIN)/python -m benchmarks.knockouts
	$(BIN)/python -m benchmarks.laplacian
	$(BIN)/python -m benchmarks.guided
	$(BIN)/python -m benchmarks.mutagenesis
	$(BIN)/python -m benchmarks.tenifold
	$(BIN)/python -m benchmarks.truth --runs 20 --draws 8
	$(BIN)/python benchmarks/knowledge_store.py

wheel: $(VENV)/.dev ## Build the wheel into dist/.
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove the environment and what was built; runs/ is kept.
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
