ARG PYTHON_VERSION=3.13

# Compile: all that training needs, TensorFlow among it, to make the project's wheel and the models' compiled forms.
FROM python:${PYTHON_VERSION}-slim AS compile
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore ORT_DISABLE_TELEMETRY=1
WORKDIR /build
COPY requirements/train.txt requirements/
RUN python -m pip install --require-hashes --requirement requirements/train.txt
COPY pyproject.toml README.md LICENSE ./
COPY src/ src/
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip install --no-deps dist/*.whl
COPY models/ models/
RUN for model in models/*.h5; do fashion-api compile --model-path "$model" --cache-dir cache || exit 1; done

# Build: what serving needs and nothing else, in a virtual environment. REQUIREMENTS=tracing: what traces requests, too;
# REQUIREMENTS=grpc: what serves gRPC.
FROM python:${PYTHON_VERSION}-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
RUN python -m venv --without-pip /opt/venv
ARG REQUIREMENTS=serve
COPY requirements/serve.txt requirements/grpc.txt requirements/tracing.txt requirements/
RUN python -m pip --python /opt/venv install --require-hashes --requirement requirements/${REQUIREMENTS}.txt
COPY --from=compile /build/dist/ dist/
RUN python -m pip --python /opt/venv install --no-deps dist/*.whl \
    && python -m pip --python /opt/venv check

# Serve. ORT_DISABLE_TELEMETRY: ONNX Runtime would report to its maker, and write an identifier into the home directory.
FROM python:${PYTHON_VERSION}-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp \
    FASHION_HOST=0.0.0.0 \
    FASHION_PORT=8000 \
    FASHION_CACHE_DIR=/var/cache/fashion-api
COPY --from=build /opt/venv/ /opt/venv/
COPY --from=compile /build/cache/ /var/cache/fashion-api/
WORKDIR /app
COPY models/ models/
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "import http.client, os, ssl, sys; a = ('127.0.0.1', int(os.environ['FASHION_PORT'])); c = http.client.HTTPSConnection(*a, timeout=4, context=ssl._create_unverified_context()) if os.environ.get('FASHION_TLS_CERT') else http.client.HTTPConnection(*a, timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["fashion-api"]
CMD ["serve"]
