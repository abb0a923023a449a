# A PC with an NVIDIA GPU and a driver for CUDA 13, which NVIDIA's container toolkit lends to the container. TensorRT-RTX
# and NVRTC come from the bundle. In the folder of an unpacked bundle for `x86-cu13`:
#   docker build -f .../jetson/docker/x86-cu13.Dockerfile --build-arg FINGERPRINT=... -t minehat:x86-cu13 .
FROM ubuntu:24.04
# Whatever Ubuntu 24.04 mends is taken; a version that is named here would be gone from its mirrors within weeks.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates openssl python3 \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video

# The user's number is fixed, so that volumes outlive the image.
RUN groupadd --gid 10001 minewatch \
    && useradd --uid 10001 --gid minewatch --no-create-home --home-dir /var/lib/minewatch --shell /usr/sbin/nologin minewatch
ARG FINGERPRINT
RUN --network=none --mount=type=bind,target=/bundle sh /bundle/install.sh --accept-key "${FINGERPRINT}" \
    && install -d -o minewatch -g minewatch -m 0750 /var/cache/minewatch
ENV XDG_CACHE_HOME=/var/cache/minewatch CUDA_CACHE_PATH=/var/cache/minewatch/cuda PYTHONFAULTHANDLER=1
# minewatch, with the groups that /etc/group gives it.
USER 10001
WORKDIR /var/lib/minewatch
ENTRYPOINT ["/opt/minehat/current/venv/bin/minewatch"]
CMD ["run", "/etc/minewatch/minewatch.yaml"]
