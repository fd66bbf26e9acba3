PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow check docs clean

demo: .venv/used
	$(BIN)/inkwash demo --out runs/demo

# one thread a worker: two workers of two threads each would wait for one another
test: .venv/made
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

test-slow: .venv/made
	$(BIN)/python -m pytest -m slow

check: .venv/made docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# the pages and the API reference, in build/docs; a broken link fails. Needs no network and imports no inkwash
docs: .venv/made
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# what the demo and the page need. torch is pinned here and not in pyproject.toml, which keeps an honest range
.venv/used: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[play]"
	touch $@

# what developing needs
.venv/made: .venv/used
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache
