# A relay in a container. From the top of the repository:
#
#   docker build -f deploy/container/relay.Dockerfile -t buttplug-relay .
#
# It reaches the host's Bluetooth through the host's D-Bus: ../README.md and compose.yaml.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY forwarder forwarder
COPY relay relay
RUN python -m venv /opt/buttplug-forwarder \
 && /opt/buttplug-forwarder/bin/pip install --no-cache-dir .

FROM python:${PYTHON}-slim
RUN useradd --uid 10002 --user-group --no-create-home --shell /usr/sbin/nologin relay \
 && install -d -o relay -g relay -m 0700 /state
COPY --from=build /opt/buttplug-forwarder /opt/buttplug-forwarder
ENV PATH=/opt/buttplug-forwarder/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10002:10002
# The key that the hub knows this relay by, and the wearer's switches.
VOLUME /state
# Every device is stopped within two seconds of it.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=12s --start-period=10s \
  CMD ["relay", "status", "--state", "/state"]
ENTRYPOINT ["relay"]
CMD ["run", "--state", "/state"]
