"""Others' INT8 beside ours: the same calibration squares, the same labelled pictures, paired intervals."""
