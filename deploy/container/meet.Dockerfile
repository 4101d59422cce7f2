# A meeting point in a container, for hosts that run one behind their own https. From the top of the
# repository:
#
#   docker build -f deploy/container/meet.Dockerfile -t buttplug-forwarder-meet .
#   docker run -p 12348:12348 buttplug-forwarder-meet meet --public-url https://meet.example.org \
#     --proxy 172.16.0.0/12
#
# --proxy: from where the host's own proxy comes, whose word for visitors' addresses is believed.

ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY forwarder forwarder
COPY relay relay
RUN python -m venv /opt/buttplug-forwarder \
 && /opt/buttplug-forwarder/bin/pip install --no-cache-dir .

FROM python:${PYTHON}-slim
RUN useradd --uid 10003 --user-group --no-create-home --shell /usr/sbin/nologin forwarder
COPY --from=build /opt/buttplug-forwarder /opt/buttplug-forwarder
ENV PATH=/opt/buttplug-forwarder/bin:$PATH \
    PYTHONUNBUFFERED=1
# It stores nothing: no volume.
USER 10003:10003
EXPOSE 12348
STOPSIGNAL SIGTERM
ENTRYPOINT ["forwarder"]
CMD ["--log", "info", "meet", "--port", "12348"]
