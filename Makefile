# Every target makes .venv by itself when it is missing or older than what it is made from.
PYTHON ?= python3
# In percent of lines and branches: two below what the tests reach. What only runs in child processes does not count.
COVERAGE := 91
BIN := .venv/bin
# Without byte code in files, each of the many processes that the tests start compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Tests run one by one wherever a process is free; those with a Ray cluster stay in two processes. Three processes keep
# two cores busy.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadgroup

.PHONY: demo docs test coverage test-fast test-busy chaos chaos-short fuzz corpus corpus-public check bench-answer bench-gateway bench-queue bench-ray bench-upload bench-wheel soak clean

demo: .venv/.stamp
	@$(BIN)/raylane-worker demo --out build/demo

# All that proves what we promise. Within ten minutes on two cores is the goal; slow ones take 25.
test: .venv/.stamp
	$(PYTEST) --durations 20

# The same tests, and how much of the code they run. Before a release: to measure takes nearly as long as the tests.
coverage: .venv/.stamp
	$(PYTEST) --cov --cov-report=
	@for part in common producer worker; do \
	  printf 'Coverage of %s: %s %%\n' $$part "$$($(BIN)/coverage report --include="$$part/*" --format=total)"; \
	done
	@printf 'Coverage: %s %%\n' "$$($(BIN)/coverage report --format=total)"
	@$(BIN)/coverage report --format=total --fail-under=$(COVERAGE) > /dev/null

# While you write code: no real Ray, few examples.
test-fast: .venv/.stamp
	RAYLANE_TEST_PROFILE=fast $(PYTEST) -m "not slow and not ray" tests/unit tests/wire tests/tutorial

# Three times in a row beside two busy loops.
test-busy: .venv/.stamp
	$(BIN)/python -m tests.busy

# Faults and histories drawn at random, far more of them than in `make test`. RAYLANE_SEED repeats a run.
chaos: .venv/.stamp
	RAYLANE_TEST_PROFILE=deep $(PYTEST) -m "chaos or hypothesis" --timeout 1800

# The part of it that needs no processes to be killed, with three times as many histories as in `make test`. Within five
# minutes on two cores.
chaos-short: .venv/.stamp
	RAYLANE_TEST_PROFILE=short $(PYTEST) -m "(chaos or hypothesis) and not slow" --timeout 600

# Ten minutes of random scripts for verification: no exception, and none that takes more than 100 ms.
fuzz: .venv/.stamp
	$(BIN)/python -m tests.fuzz.verify --minutes 10
	$(BIN)/python -m tests.fuzz.frames
	$(BIN)/python -m tests.fuzz.template

# Every file of the corpus, with what it means: how many are read right, refused, and wrong.
corpus: .venv/.stamp
	$(BIN)/python -m tests.corpus.files

# Files of public packages, as Raylane, pandas and DuckDB read them. Downloads 150 MiB once.
corpus-public: .venv/.stamp
	$(BIN)/python -m tests.corpus.public

check: .venv/.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes raylane --ignoreexternal
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/zensical build --clean --strict

# The documentation as a site, below build/site.
docs: .venv/.stamp
	$(BIN)/zensical build --clean --strict

bench-answer: .venv/.stamp
	$(BIN)/python -m tests.bench.answer

# 500 clients at once for a minute: no error, no lost job, no growing memory.
bench-gateway: .venv/.stamp
	$(BIN)/python -m tests.bench.gateway

bench-queue: .venv/.stamp
	$(BIN)/python -m tests.bench

bench-ray: .venv/.stamp
	$(BIN)/python -m tests.bench.ray

bench-upload: .venv/.stamp
	$(BIN)/python -m tests.bench.upload

# Each extra in an empty environment of each Python that is here.
bench-wheel: .venv/.stamp
	$(BIN)/python -m tests.bench.wheel

# Half an hour at 100 jobs a second.
soak: .venv/.stamp
	$(BIN)/python -m tests.bench.load

.venv/.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[embedded,testing]' --group dev
	@touch $@

clean:
	rm -rf .venv .coverage build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
