# The hub in a container. From the top of the repository:
#
#   docker build -f deploy/container/forwarder.Dockerfile -t buttplug-forwarder .
#
# How to run it, and why with the host's network: ../README.md and compose.yaml.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY forwarder forwarder
COPY relay relay
RUN python -m venv /opt/buttplug-forwarder \
 && /opt/buttplug-forwarder/bin/pip install --no-cache-dir .

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin forwarder \
 && install -d -o forwarder -g forwarder -m 0700 /state
COPY --from=build /opt/buttplug-forwarder /opt/buttplug-forwarder
ENV PATH=/opt/buttplug-forwarder/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
# Keys, tokens and device indexes. A volume that is lost means pairing again.
VOLUME /state
# Apps; relays, dashboard and API; the same over https
EXPOSE 12345 12346 12347
# Every device is stopped within two seconds of it.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=12s --start-period=10s \
  CMD ["forwarder", "status", "--state", "/state"]
ENTRYPOINT ["forwarder"]
CMD ["--log", "info", "run", "--state", "/state"]
