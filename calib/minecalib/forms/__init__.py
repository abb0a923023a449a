"""The lower-precision forms of a graph: INT8 as TensorRT and as CPUs want it, and FP16."""
