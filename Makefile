# make demo: the whole graph on the embedded sample.  make test: every check and test.  make dev: the Dagster UI.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check

.PHONY: demo test browsers kills dev lint types requirements clean

demo: .venv/core
	$(BIN)/starvec demo

# Two processes: the suite waits for browsers and servers much of its time. A file's tests stay in one of them. One OpenMP
# thread each, so that they do not spin for each other's cores; tests of threads set their own number.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not firefox" -n 2 --dist loadfile --no-loadscope-reorder

# The page's tests again, in Firefox; make test has them in Chromium, and a few journeys in WebKitGTK.
FIREFOX_TESTS ?= starvec_tests/web
browsers: .venv/test
	OMP_NUM_THREADS=1 $(BIN)/pytest -m firefox $(FIREFOX_TESTS) -n 2 --dist loadfile --no-loadscope-reorder

# Ingest, training, export and publication, each killed 20 times at random moments; make test does it twice each.
kills: .venv/test
	STARVEC_KILLS=20 OMP_NUM_THREADS=1 $(BIN)/pytest starvec_tests/test_random_kills.py

dev: .venv/core
	$(BIN)/starvec dev

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory types

# Types, format and style of the page's JavaScript. Checked if Node.js is installed, which nothing else here needs.
types:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory node_modules/.package-lock.json && npx --no-install tsc && \
	npx --no-install biome ci --error-on-warnings; \
	else echo "JavaScript of the page not checked: npm is not installed"; fi

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund --loglevel=error

.venv/core: pyproject.toml constraints.txt requirements/core.txt
	@$(PYTHON) -c 'import sys; sys.exit("starvec needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes --no-deps --requirement requirements/core.txt
	$(PIP) --constraint constraints.txt --editable .
	@touch $@

# What tests, lint and the extras need beside the core.
.venv/test: .venv/core requirements/test.txt
	$(PIP) --require-hashes --no-deps --requirement requirements/test.txt
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# The versions of constraints.txt with the hashes of their files, by uv, after constraints.txt or pyproject.toml changed. Torch
# and its CUDA packages are left out: its builds, with CUDA and without, have one version and files of many package indexes.
WITH_HASHES = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--constraint constraints.txt $(addprefix --no-emit-package ,torch triton cuda-bindings cuda-pathfinder cuda-toolkit \
	$(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse \
	cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)) pyproject.toml

NOT_IN_CORE = $$(sed -n 's/^\([a-z0-9.-]*\)[=[].*/--no-emit-package \1/p' requirements/core.txt)

# deploy.txt is of the image: what it needs beside the core, and hatchling, which builds the wheel in it.
requirements:
	@$(WITH_HASHES) --output-file requirements/core.txt
	@$(WITH_HASHES) --extra dev $(NOT_IN_CORE) --output-file requirements/test.txt
	@echo hatchling | $(WITH_HASHES) - --extra scale --extra gcs --extra bigquery $(NOT_IN_CORE) \
		--output-file requirements/deploy.txt

clean:
	rm -rf .venv .starvec node_modules
