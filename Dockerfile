ARG PYTHON_VERSION=3.13

# Build: all packages, pinned and with their hashes checked, and the project, in one virtual environment.
FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /build
COPY requirements/train.txt requirements/
RUN python -m pip install --require-hashes --requirement requirements/train.txt
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN python -m pip install --no-deps --no-build-isolation .
# What only building and plotting need; the check tells if anything else needed it.
RUN python -m pip uninstall --yes \
        contourpy cycler editables fonttools hatchling kiwisolver matplotlib pathspec pluggy pyparsing \
        python-dateutil tomlkit trove-classifiers \
    && python -m pip check

# Serve.
FROM python:${PYTHON_VERSION}-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    FASHION_HOST=0.0.0.0 \
    FASHION_PORT=8000 \
    FASHION_CACHE_DIR=/tmp/fashion-api
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY models/ models/
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['FASHION_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["fashion-api"]
CMD ["serve"]
