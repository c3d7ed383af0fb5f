# make demo: the whole graph on the embedded sample.  make test: every check and test.  make dev: the Dagster UI.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test dev lint types clean

demo: .venv/installed
	$(BIN)/starvec demo

# Two processes: the suite waits for browsers and servers much of its time. A file's tests stay in one of them. One OpenMP
# thread each, so that they do not spin for each other's cores; tests of threads set their own number.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

dev: .venv/installed
	$(BIN)/starvec dev

lint: .venv/installed
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

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("starvec needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .starvec node_modules
