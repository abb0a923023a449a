# The two commands of the README: `make demo` and `make test`. Each does all its own set-up in .venv.
# `make gpu-check` does its own in .venv-gpu; `make gpu-check PY=python3` takes what that Python has, installing nothing.
PYTHON ?= python3
DATA ?= $(wildcard ../shared/data)
PY := .venv/bin/python
STAMP := .venv/.installed
GIVEN := $(filter command,$(origin PY))
GPU_PY := $(if $(GIVEN),$(PY),.venv-gpu/bin/python)
SYSTEM := $(if $(filter aarch64,$(shell uname -m)),--system-site-packages)

.PHONY: demo watch-demo test soak gpu-check setup lint clean

demo: setup
	$(PY) benchmarks/demo.py --out out/demo $(if $(DATA),--data "$(DATA)")

watch-demo: setup
	$(PY) benchmarks/watch_demo.py --out out/watch-demo

test: setup lint
	$(PY) -m pytest -n auto --dist loadfile

soak: setup
	$(PY) -m pytest -m soak

gpu-check: $(if $(GIVEN),,.venv-gpu/.installed)
	PYTHONPATH=runtime $(GPU_PY) benchmarks/gpu_check.py --out out/gpu-check

lint: setup
	$(PY) -m ruff check .
	$(PY) -m mypy

setup: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(PY) -m pip install --quiet --disable-pip-version-check -e '.[train,cpu,watch,rtx,bench,dev]'
	touch $@

# On a Jetson TensorRT is the system's; pycuda compiles, and where it cannot its rows are "not run".
.venv-gpu/.installed: pyproject.toml
	$(PYTHON) -m venv $(SYSTEM) .venv-gpu
	.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check -e '.[gpu,rtx]'
	-.venv-gpu/bin/python -m pip install --quiet --disable-pip-version-check -e '.[pycuda]'
	touch $@

clean:
	rm -rf .venv .venv-gpu out dist
