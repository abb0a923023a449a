// A stand-in for the header of the DeepStream SDK that the parser of boxes includes: the declarations that the parser
// uses, no others. Names, order of fields and values are DeepStream 9.1's, for they are its binary interface:
// https://docs.nvidia.com/metropolis/deepstream/dev-guide/sdk-api/nvdsinfer__custom__impl_8h.html
#pragma once

#include <type_traits>
#include <vector>

typedef enum { FLOAT = 0, HALF = 1, INT8 = 2, INT32 = 3, INT64 = 4, UINT8 = 5 } NvDsInferDataType;

typedef struct {
  unsigned int numDims;
  unsigned int d[8];
  unsigned int numElements;  // 0 where a side is not known
} NvDsInferDims;

typedef struct {
  NvDsInferDataType dataType;
  NvDsInferDims inferDims;  // without the batch
  int bindingIndex;
  const char *layerName;
  void *buffer;
  int isInput;
} NvDsInferLayerInfo;

typedef struct {
  unsigned int width, height, channels;
} NvDsInferNetworkInfo;

typedef struct {
  unsigned int classId;
  float left, top, width, height;
  float detectionConfidence;
  float rotation_angle;
} NvDsInferObjectDetectionInfo;

typedef struct {
  unsigned int numClassesConfigured;
  std::vector<float> perClassPreclusterThreshold;
  std::vector<float> perClassPostclusterThreshold;
} NvDsInferParseDetectionParams;

typedef bool (*NvDsInferParseCustomFunc)(std::vector<NvDsInferLayerInfo> const &, NvDsInferNetworkInfo const &,
                                         NvDsInferParseDetectionParams const &,
                                         std::vector<NvDsInferObjectDetectionInfo> &);

#define CHECK_CUSTOM_PARSE_FUNC_PROTOTYPE(function) \
  static_assert(std::is_same<decltype(&function), NvDsInferParseCustomFunc>::value, "not what nvinfer calls")
