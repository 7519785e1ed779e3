# buhin: `make demo` shows it, `make test` proves it. Needs Linux, Python 3.11 or newer and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test bench load soak fuzz evaluate train-crack evaluate-crack lint proto-check protos lock sbom wheels audit images samples clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## Run both pipelines on the sample input: environment, models, services, results in out/
	@$(BIN)/buhin models pull
	@$(BIN)/python scripts/demo.py

test: lint proto-check ## Run every check and every test
	scripts/registry.sh
	$(BIN)/buhin models pull
	$(BIN)/python -X faulthandler -m pytest

bench: $(VENV)/.installed-dev ## Measure the services against what they are built on; writes docs/performance.md (half an hour)
	@$(BIN)/buhin models pull
	@$(BIN)/python -m bench

load: $(VENV)/.installed-dev ## Ask a service for more than it can answer; writes bench/load.json (three minutes)
	@$(BIN)/buhin models pull
	@$(BIN)/python -m bench.load

soak: $(VENV)/.installed-dev ## Ten thousand mixed calls to each service: does anything grow? Writes bench/soak.json
	@$(BIN)/buhin models pull
	@$(BIN)/python -m bench.soak

fuzz: $(VENV)/.installed-dev ## Odd requests and bytes for ten minutes (SECONDS=600), all at once; writes bench/fuzz.json
	@$(BIN)/python -m tests.fuzz.record $(if $(SECONDS),$(SECONDS),600)

evaluate: $(VENV)/.installed-dev ## Measure every service on real data (DATA=FOLDER) and write docs/quality.md and the cards' figures
	@$(BIN)/buhin models pull
	@$(BIN)/python -m scripts.evaluate $(if $(DATA),--data $(DATA))

train-crack: $(VENV)/.installed-dev ## Train the crack network from scratch on DATA=FOLDER (two hours on two cores), export it into out/crack
	$(BIN)/python -m training.crack.train --data $(DATA) --out out/crack
	$(BIN)/python -m training.crack.export --data $(DATA) --weights out/crack

evaluate-crack: $(VENV)/.installed-dev ## Measure the crack network beside the classical engine (DATA=FOLDER with uav/ and sut/) and write docs/crack-model.md
	$(BIN)/python -m training.crack.evaluate $(if $(DATA),--data $(DATA))

lint: $(VENV)/.installed-dev ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src services samples scripts training tests bench

proto-check: $(VENV)/.installed-dev ## Lint the protos, compare them with the last release and the committed stubs with them
	scripts/check_protos.sh
	PYTHON=$(BIN)/python scripts/generate_stubs.sh --check

protos: $(VENV)/.installed-dev ## Write the Python stubs anew from protos/
	PYTHON=$(BIN)/python scripts/generate_stubs.sh

lock: $(VENV)/.installed-dev ## Lock what the images install, by digest, into requirements/
	@$(BIN)/python -m scripts.lock

sbom: $(VENV)/.installed-dev ## Write a bill of materials (CycloneDX) for each image into out/sbom
	@$(BIN)/python -m scripts.sbom

wheels: $(VENV)/.installed-dev ## Fetch the wheels that are locked, and build the project's, into out/wheels
	@$(BIN)/python -m scripts.images wheels
	@$(BIN)/pip wheel --quiet --no-deps -w out/wheels .

audit: $(VENV)/.installed-dev ## Ask for known vulnerabilities of what is locked, where an advisory source is reachable
	@$(BIN)/python -m scripts.audit

images: $(VENV)/.installed-dev ## Build the images into out/images, and hold them to their budgets (Debian, as root; docs/images.md)
	@$(BIN)/python -m scripts.images build
	@$(BIN)/python -m scripts.images check

samples: $(VENV)/.installed-dev ## Make the sample meeting and the sample photographs anew
	$(BIN)/pip install --quiet -e '.[samples]'
	$(BIN)/python -m samples.meeting.make
	$(BIN)/python -m samples.concrete.make

clean: ## Remove the environment and everything made by the project here (not the models)
	rm -rf $(VENV) out build .buhin .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "buhin needs Python 3.11 or newer: make PYTHON=python3.11 …" >&2; exit 1; }
	@echo "creating the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/pip
	@echo "installing (about a minute)"
	@$(BIN)/pip install --quiet -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/pip
	@echo "installing with the tools of development (about a minute)"
	@$(BIN)/pip install --quiet -e '.[all,dev]'
	@touch $@ $(VENV)/.installed
