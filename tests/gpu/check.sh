#!/bin/sh
# Checks everything on a GPU, in less than 8 minutes, and ends with a table in markdown: for docs/performance.md.
#
#   sh tests/gpu/check.sh                              the first CUDA device
#   sh tests/gpu/check.sh --device xpu                 another one
#   sh tests/gpu/check.sh --device cpu --tiny          without a GPU: does the check itself work? Minutes
#   sh tests/gpu/check.sh --sections graphs,rates      some of it
#
# The exit code is 0 where all has passed. It needs the packages of `pip install -e ".[dev,onnx]"`, and no data.
set -eu
cd "$(dirname "$0")/../.."
PYTHONPATH="$PWD:$PWD/plugins${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" tests/gpu/check.py "$@"
