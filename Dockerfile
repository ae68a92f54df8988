# Two images: `docker build --target cpu .` (the default) and `docker build --target gpu .`; see docs/guides/server.md.
# Their packages are those of requirements/container-*.txt, which `make lock` writes with the SHA-256 of each wheel.
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY indexers indexers
COPY unite_search unite_search
COPY requirements requirements
RUN pip install --no-cache-dir --constraint requirements/ci.txt hatchling \
    && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && cp requirements/container-*.txt /wheels

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    UNITE_SEARCH_HOME=/data
RUN useradd --create-home --uid 1000 unite && install -d -o unite -g unite /data
EXPOSE 8765
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8765/health', timeout=5)"]
ENTRYPOINT ["unite-search"]
CMD ["serve", "--host", "0.0.0.0"]

# CUDA libraries come with the wheels; the host needs NVIDIA's driver and container toolkit.
FROM base AS gpu
COPY --from=wheel /wheels /wheels
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --require-hashes --requirement /wheels/container-gpu.txt \
    && pip install --no-cache-dir --no-deps /wheels/*.whl
USER 1000
VOLUME /data

FROM base AS cpu
COPY --from=wheel /wheels /wheels
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --require-hashes --requirement /wheels/container-cpu.txt \
    && pip install --no-cache-dir --no-deps /wheels/*.whl
USER 1000
VOLUME /data
