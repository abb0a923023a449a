# Jetson Orin, JetPack 6: CUDA 12.6 and TensorRT 10.3 are NVIDIA's image, the drivers the board's. On the board, in the
# folder of an unpacked bundle for `jp6`:
#   docker build -f .../jetson/docker/jp6.Dockerfile --build-arg FINGERPRINT=... -t minehat:jp6 .
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0
# GStreamer finds the board's decoder among its plugins, which the NVIDIA runtime lends. Versions: whatever Ubuntu mends.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-bad \
        gstreamer1.0-plugins-good openssl python3 python3-gi python3-opencv \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=all

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
