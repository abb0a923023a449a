"""Keys that DeepStream documents, by what they are about. Read in November 2026.

nvinfer, of DeepStream 9.1: https://docs.nvidia.com/metropolis/deepstream/dev-guide/text/DS_plugin_gst-nvinfer.html, and
the names in gstnvinfer_property_parser.h of its API reference. deepstream-app: those of the sample configurations that
NVIDIA and others published for DeepStream 5 to 6; what they mean is told in
https://docs.nvidia.com/metropolis/deepstream/dev-guide/text/DS_ref_app_deepstream.html
"""

NVINFER = {
    "element": "gie-unique-id process-mode interval gpu-id labelfile-path secondary-reinfer-interval "
               "output-tensor-meta",
    "engine": "batch-size tensor-meta-pool-size network-mode model-engine-file int8-calib-file workspace-size "
              "enable-dla use-dla-core strongly-typed",
    "model": "onnx-file network-type infer-dims output-blob-names output-io-formats layer-device-precision",
    "pixels": "model-color-format net-scale-factor offsets mean-file maintain-aspect-ratio symmetric-padding "
              "scaling-filter scaling-compute-hw network-input-order input-tensor-from-meta",
    "library": "custom-lib-path parse-bbox-func-name parse-bbox-instance-mask-func-name engine-create-func-name "
               "parse-classifier-func-name custom-network-config",
    "detector": "num-detected-classes cluster-mode crop-objects-to-roi-boundary filter-out-class-ids operate-on-gie-id "
                "operate-on-class-ids",
}
CLASS_ATTRS = {
    "score": "threshold pre-cluster-threshold post-cluster-threshold",
    "cluster": "eps group-threshold minBoxes dbscan-min-score nms-iou-threshold topk",
    "place": "roi-top-offset roi-bottom-offset detected-min-w detected-min-h detected-max-w detected-max-h",
    "paint": "border-color bg-color",
}
APP = {
    "application": "enable-perf-measurement perf-measurement-interval-sec gie-kitti-output-dir kitti-track-output-dir",
    "tiled-display": "enable rows columns width height gpu-id nvbuf-memory-type",
    "source": "enable type uri num-sources gpu-id camera-width camera-height camera-fps-n camera-fps-d "
              "camera-v4l2-dev-node drop-frame-interval cudadec-memtype",
    "streammux": "gpu-id live-source batch-size batched-push-timeout width height enable-padding nvbuf-memory-type",
    "primary-gie": "enable gpu-id gie-unique-id nvbuf-memory-type config-file",
    "osd": "enable gpu-id border-width text-size text-color text-bg-color font show-clock clock-x-offset "
           "clock-y-offset clock-text-size clock-color nvbuf-memory-type",
    "sink": "enable type sync source-id gpu-id nvbuf-memory-type container codec enc-type bitrate iframeinterval "
            "profile output-file rtsp-port udp-port",
}


def words(groups: dict[str, str]) -> set[str]:
    """All keys of the groups."""
    return {word for line in groups.values() for word in line.split()}
