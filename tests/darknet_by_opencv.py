"""python darknet_by_opencv.py CFG WEIGHTS IMAGES.npy OUT.npz: every layer's output by OpenCV 4's darknet reader.

Run by test_darknet_weights.py in an environment of its own; OpenCV 5 has no darknet reader.
IMAGES: float32 [1, 3, H, W]. OUT: an array for each layer that is asked for in OUT.npz.txt, a name a line.
"""

import sys
from pathlib import Path

import cv2
import numpy as np


def main(cfg, weights, images, out):
    network = cv2.dnn.readNetFromDarknet(cfg, weights)
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    network.enableFusion(False)
    network.enableWinograd(False)
    network.setInput(np.load(images))
    names = Path(out + ".txt").read_text(encoding="utf-8").split()
    np.savez(out, **dict(zip(names, network.forward(names), strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
