// What DeepStream's nvinfer asks of a MineHat network: boxes out of its output layers.
//
// Two forms, told apart by whether there is a layer `labels`:
//   raw         boxes float [B, 4], scores float [B, C]: one label a box, its highest score (of equal ones the first)
//   suppressed  boxes float [K, 4], scores float [K], labels int [K], count int: rows from count on are empty
// Boxes are x0 y0 x1 y1 in pixels of the network's input. A row with a NaN, or a box that is not finite, is none. Where
// that is all that there is, or count is below 0, the network is broken and would see nothing: refused.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>

#include "nvdsinfer_custom_impl.h"

#ifndef MINEHAT_BOXES
#define MINEHAT_BOXES "boxes"
#endif
#ifndef MINEHAT_SCORES
#define MINEHAT_SCORES "scores"
#endif
#ifndef MINEHAT_LABELS
#define MINEHAT_LABELS "labels"
#endif
#ifndef MINEHAT_COUNT
#define MINEHAT_COUNT "count"
#endif

namespace {

using Layer = NvDsInferLayerInfo;
using Layers = std::vector<NvDsInferLayerInfo>;
using Objects = std::vector<NvDsInferObjectDetectionInfo>;

// Of NvDsInferDataType, as numbers: headers before DeepStream 9 do not name all of them.
constexpr int kFloat = 0, kInt32 = 3, kInt64 = 4;

bool refuse(const char *layer, const char *why) {
  std::fprintf(stderr, "NvDsInferParseMineHat: layer %s %s\n", layer, why);
  return false;
}

const Layer *named(const Layers &layers, const char *name) {
  for (const Layer &layer : layers)
    if (layer.layerName != nullptr && std::strcmp(layer.layerName, name) == 0) return &layer;
  return nullptr;
}

// Whether the layer is there, is of floats (or of whole numbers) and of this many sides, all of them known.
bool sound(const Layer *layer, const char *name, bool floats, unsigned sides) {
  if (layer == nullptr) return refuse(name, "is missing");
  if (layer->buffer == nullptr) return refuse(name, "holds nothing");
  const int type = static_cast<int>(layer->dataType);
  if (floats ? type != kFloat : type != kInt32 && type != kInt64) return refuse(name, "is of another type");
  const NvDsInferDims &dims = layer->inferDims;
  if (dims.numDims != sides) return refuse(name, "has another number of sides");
  std::uint64_t elements = 1;
  for (unsigned side = 0; side < sides; ++side) elements *= dims.d[side];
  return elements == dims.numElements || refuse(name, "is of unknown size");
}

std::int64_t whole(const Layer &layer, std::size_t row) {
  if (static_cast<int>(layer.dataType) == kInt64) return static_cast<const std::int64_t *>(layer.buffer)[row];
  return static_cast<const std::int32_t *>(layer.buffer)[row];
}

float within(float value, unsigned most) { return std::min(std::max(value, 0.0f), static_cast<float>(most)); }

void add(Objects &objects, const float *box, float score, unsigned label, const NvDsInferNetworkInfo &network) {
  for (int side = 0; side < 4; ++side)
    if (!std::isfinite(box[side])) return;
  const float x0 = within(box[0], network.width), y0 = within(box[1], network.height);
  const float x1 = within(box[2], network.width), y1 = within(box[3], network.height);
  if (!(x1 > x0 && y1 > y0)) return;
  NvDsInferObjectDetectionInfo object{};  // newer headers have more fields, such as an angle
  object.classId = label;
  object.left = x0;
  object.top = y0;
  object.width = x1 - x0;
  object.height = y1 - y0;
  object.detectionConfidence = score;
  objects.push_back(object);
}

bool parse_raw(const Layer &boxes, const Layer &scores, const NvDsInferNetworkInfo &network,
               const NvDsInferParseDetectionParams &wanted, Objects &objects) {
  const std::size_t rows = boxes.inferDims.d[0], classes = scores.inferDims.d[1];
  if (scores.inferDims.d[0] != rows) return refuse(MINEHAT_SCORES, "has not as many rows as there are boxes");
  if (classes == 0 || classes != wanted.numClassesConfigured)
    return refuse(MINEHAT_SCORES, "has another number of classes than num-detected-classes");
  const float *box = static_cast<const float *>(boxes.buffer), *row = static_cast<const float *>(scores.buffer);
  std::size_t broken = 0;
  for (std::size_t at = 0; at < rows; ++at, box += 4, row += classes) {
    if (std::any_of(row, row + classes, [](float score) { return std::isnan(score); })) {
      ++broken;
      continue;
    }
    const float *best = std::max_element(row, row + classes);
    const unsigned label = static_cast<unsigned>(best - row);
    if (*best >= wanted.perClassPreclusterThreshold[label]) add(objects, box, *best, label, network);
  }
  return broken < std::max<std::size_t>(rows, 1) || refuse(MINEHAT_SCORES, "is not finite");
}

bool parse_suppressed(const Layer &boxes, const Layer &scores, const Layer &labels, const Layer &count,
                      const NvDsInferNetworkInfo &network, const NvDsInferParseDetectionParams &wanted,
                      Objects &objects) {
  const std::size_t rows = boxes.inferDims.d[0];
  if (scores.inferDims.d[0] != rows) return refuse(MINEHAT_SCORES, "has not as many rows as there are boxes");
  if (labels.inferDims.d[0] != rows) return refuse(MINEHAT_LABELS, "has not as many rows as there are boxes");
  if (whole(count, 0) < 0) return refuse(MINEHAT_COUNT, "says that scores are not finite");
  const std::int64_t told = std::min(whole(count, 0), static_cast<std::int64_t>(rows));
  const float *box = static_cast<const float *>(boxes.buffer), *score = static_cast<const float *>(scores.buffer);
  for (std::size_t at = 0; at < static_cast<std::size_t>(told); ++at, box += 4) {
    const std::int64_t label = whole(labels, at);
    if (label < 0 || label >= static_cast<std::int64_t>(wanted.numClassesConfigured)) continue;
    if (score[at] >= wanted.perClassPreclusterThreshold[static_cast<std::size_t>(label)])  // never so of a NaN
      add(objects, box, score[at], static_cast<unsigned>(label), network);
  }
  return true;
}

bool parse(const Layers &layers, const NvDsInferNetworkInfo &network, const NvDsInferParseDetectionParams &wanted,
           Objects &objects) {
  const Layer *boxes = named(layers, MINEHAT_BOXES), *scores = named(layers, MINEHAT_SCORES);
  const Layer *labels = named(layers, MINEHAT_LABELS), *count = named(layers, MINEHAT_COUNT);
  if (wanted.perClassPreclusterThreshold.size() < wanted.numClassesConfigured)
    return refuse(MINEHAT_SCORES, "has classes without a threshold");
  if (!sound(boxes, MINEHAT_BOXES, true, 2)) return false;
  if (boxes->inferDims.d[1] != 4) return refuse(MINEHAT_BOXES, "has not four numbers a box");
  if (labels == nullptr)
    return sound(scores, MINEHAT_SCORES, true, 2) && parse_raw(*boxes, *scores, network, wanted, objects);
  return sound(scores, MINEHAT_SCORES, true, 1) && sound(labels, MINEHAT_LABELS, false, 1) &&
         sound(count, MINEHAT_COUNT, false, 1) &&  // a number for each picture is a layer of one element
         parse_suppressed(*boxes, *scores, *labels, *count, network, wanted, objects);
}

}  // namespace

extern "C" bool NvDsInferParseMineHat(std::vector<NvDsInferLayerInfo> const &outputLayersInfo,
                                      NvDsInferNetworkInfo const &networkInfo,
                                      NvDsInferParseDetectionParams const &detectionParams,
                                      std::vector<NvDsInferObjectDetectionInfo> &objectList) {
  try {
    return parse(outputLayersInfo, networkInfo, detectionParams, objectList);
  } catch (const std::exception &error) {  // nvinfer is on the other side, and is not ready for it
    return refuse(MINEHAT_BOXES, error.what());
  } catch (...) {
    return refuse(MINEHAT_BOXES, "could not be read");
  }
}

CHECK_CUSTOM_PARSE_FUNC_PROTOTYPE(NvDsInferParseMineHat);
