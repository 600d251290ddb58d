# Everything runs in a virtual environment in this folder; nothing needs root.
#   make app                        the app, at http://localhost:8501
#   make test PYTHON=python3.12     with another Python

PYTHON ?= python3
VENV ?= .venv
# One test process more than processors, for those with a browser mostly wait; each takes about 1.5 GB.
WORKERS ?= $(shell n=$$(nproc); [ $$n -lt 7 ] || n=7; expr $$n + 1)

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check

.PHONY: help app test lint format clean

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 14

# Streamlit warns if the folder that it serves, static, is not there.
app: $(VENV)/.app ## install what is needed, draw the demo data if there is no dataset, and start the app
	@$(VENV)/bin/python -m gan_aug data demo --if-none
	@mkdir -p static
	$(VENV)/bin/python -m streamlit run app.py

test: $(VENV)/.dev ## install what is needed and run every test
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -rs

lint: $(VENV)/.dev ## check style and formatting
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .

format: $(VENV)/.dev ## mend style and formatting
	$(VENV)/bin/python -m ruff check --fix .
	$(VENV)/bin/python -m ruff format .

clean: ## remove the virtual environment and caches; datasets and checkpoints stay
	rm -rf $(VENV) .pytest_cache .ruff_cache static gan_aug.egg-info build
	find gan_aug pages tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

# A stamp file tells that an installation went through to its end; it is older than the requirements when they change.
$(VENV)/.app: requirements.txt pyproject.toml | $(VENV)/bin/pip
	@echo "Installing gan_aug into $(VENV); the first time this takes some minutes and about 7 GB."
	$(PIP) install -q -r requirements.txt
	$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	$(PIP) install -q -r requirements-dev.txt
	@touch $@

# pip is what venv writes last, so a venv that was cut short is made again.
$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than Python 3.11." >&2; echo "Name another: make app PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
