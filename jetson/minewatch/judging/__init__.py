"""The judge: from what was found in each frame to what people must hear of. Pure: no clock, no camera, no file."""
