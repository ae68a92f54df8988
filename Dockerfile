# Two images: `docker build --target cpu .` (the default) and `docker build --target gpu .`; see docs/guides/server.md.
FROM python:3.12-slim-bookworm AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY indexers indexers
COPY unite_search unite_search
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

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
RUN set -- /wheels/*.whl && pip install --no-cache-dir "$1[gpu,serve]"
USER 1000
VOLUME /data

FROM base AS cpu
COPY --from=wheel /wheels /wheels
# hadolint ignore=DL3013
RUN set -- /wheels/*.whl && pip install --no-cache-dir "$1[cpu,serve]"
USER 1000
VOLUME /data
