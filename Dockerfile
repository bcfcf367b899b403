# translate in a container, for a CPU or for NVIDIA GPUs.
#
#   docker build -t translate .
#   docker build -t translate:cuda --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 \
#     --build-arg TORCH_INDEX=https://pypi.org/simple .
#
#   docker run --rm -v "$PWD:/work" translate run my_pipeline.yaml
#   docker run --rm -v "$PWD:/work" --gpus all translate:cuda run my_pipeline.yaml
#
# Any base with apt and Python 3.11 or newer will do. torch's own wheels bring the CUDA libraries, so that a base with the
# driver's interface alone is enough.
ARG BASE=python:3.12-slim
FROM ${BASE}

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV NO_ALBUMENTATIONS_UPDATE=1 MLFLOW_DISABLE_TELEMETRY=true PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATH=/opt/translate/bin:$PATH

# Images that are made for CUDA have no Python.
RUN command -v python3 && python3 -c "import ensurepip" \
    || (apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*)
RUN python3 -m venv /opt/translate

# torch is by far the largest part and changes seldom: a layer of its own. Of equal versions pip prefers the one with a
# local tag, such as +cpu; what torch needs comes from the ordinary index.
COPY constraints.txt /tmp/translate/
RUN pip install torch -c /tmp/translate/constraints.txt --extra-index-url ${TORCH_INDEX}

COPY . /tmp/translate/
RUN pip install "/tmp/translate[onnx]" -c /tmp/translate/constraints.txt && rm -rf /tmp/translate

RUN useradd --create-home translate && mkdir /work && chown translate /work
USER translate
WORKDIR /work
ENTRYPOINT ["translate"]
CMD ["--help"]
