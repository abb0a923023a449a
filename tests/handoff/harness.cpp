// Calls a parser of boxes as nvinfer does, from arrays. Returns how many objects it found, or -1 where it refused.
#include <cstddef>
#include <vector>

#include "nvdsinfer_custom_impl.h"

struct Given {
  const char *name;
  int type;
  unsigned sides[3];  // how many, and the first two
  unsigned elements;
  void *buffer;
};

extern "C" int ask(void *parser, const Given *given, unsigned layers, unsigned width, unsigned height, unsigned classes,
                   const float *thresholds, unsigned thresholds_count, unsigned room, unsigned *labels, float *rows) {
  std::vector<NvDsInferLayerInfo> told;
  for (const Given *one = given; one != given + layers; ++one) {
    NvDsInferLayerInfo layer{};
    layer.dataType = static_cast<NvDsInferDataType>(one->type);
    layer.inferDims.numDims = one->sides[0];
    layer.inferDims.d[0] = one->sides[1];
    layer.inferDims.d[1] = one->sides[2];
    layer.inferDims.numElements = one->elements;
    layer.layerName = one->name;
    layer.buffer = one->buffer;
    told.push_back(layer);
  }
  NvDsInferParseDetectionParams wanted{};
  wanted.numClassesConfigured = classes;
  wanted.perClassPreclusterThreshold.assign(thresholds, thresholds + thresholds_count);
  std::vector<NvDsInferObjectDetectionInfo> objects;
  const NvDsInferNetworkInfo network{width, height, 3};
  if (!reinterpret_cast<NvDsInferParseCustomFunc>(parser)(told, network, wanted, objects)) return -1;
  for (std::size_t at = 0; at < objects.size() && at < room; ++at, rows += 5) {
    const NvDsInferObjectDetectionInfo &object = objects[at];
    labels[at] = object.classId;
    rows[0] = object.left;
    rows[1] = object.top;
    rows[2] = object.width;
    rows[3] = object.height;
    rows[4] = object.detectionConfidence;
  }
  return static_cast<int>(objects.size());
}
