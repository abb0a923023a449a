"""python runtime/build_engine.py MODEL.onnx: the same as `minehat build MODEL.onnx`."""

import sys

from minehat.cli import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
