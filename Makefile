# The two commands of the README: `make demo` and `make test`. Each does all its own set-up in .venv.
PYTHON ?= python3
DATA ?= $(wildcard ../shared/data)
PY := .venv/bin/python
STAMP := .venv/.installed

.PHONY: demo test soak setup lint clean

demo: setup
	$(PY) benchmarks/demo.py --out out/demo $(if $(DATA),--data "$(DATA)")

test: setup lint
	$(PY) -m pytest

soak: setup
	$(PY) -m pytest -m soak

lint: setup
	$(PY) -m ruff check .
	$(PY) -m mypy

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[train,cpu,rtx,bench,dev]'
	touch $@

clean:
	rm -rf .venv out dist
