// uint8 BGR frames -> the planes that the network takes, in one pass: what minehat/letterbox.py defines.
//
// No header is included, so that NVRTC needs none and a host compiler can run the arithmetic.

struct Placed {         // a frame in its square, as Placement in letterbox.py
    int frame_width;
    int frame_height;
    int new_width;      // of the resized frame inside the square
    int new_height;
    int left;
    int top;
};

struct Input {          // how the network wants it: (pixel - mean) * scale, plane by plane
    float mean[3];
    float scale[3];
    int from[3];        // the frame's channel that goes into each plane: 2 1 0 for RGB
    float pad;
};

struct Sample {         // two neighbours on an axis and how much of the second
    int low;
    int high;
    float share;
};

#ifndef MINEHAT_ON_HOST
__device__ unsigned short half_bits(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
#endif

__device__ void put(float* place, float value) { *place = value; }
__device__ void put(unsigned short* place, float value) { *place = half_bits(value); }

// Pixel centres meet, as in OpenCV: (i + 0.5) * side / new_side - 0.5, in whole numbers, so that it is exact.
__device__ Sample sample(int i, int side, int new_side) {
    const int twice = 2 * new_side;
    const int place = (2 * i + 1) * side - new_side;  // in units of 1 / twice
    if (place < 0) return {0, 0, 0.0f};
    const int low = place / twice;
    const float share = (float)(place - low * twice) / (float)twice;
    return {low, low + 1 < side ? low + 1 : low, share};
}

template <typename Number>
__device__ void letterbox(const unsigned char* frames, unsigned long long frame_bytes, int row_bytes, Number* out,
                          int width, int height, Placed placed, Input input) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    const unsigned char* frame = frames + blockIdx.z * frame_bytes;
    const unsigned long long plane = (unsigned long long)width * height;
    Number* place = out + 3 * plane * blockIdx.z + (unsigned long long)y * width + x;
    const int column = x - placed.left, row = y - placed.top;
    const bool inside = column >= 0 && column < placed.new_width && row >= 0 && row < placed.new_height;
    const Sample across = sample(inside ? column : 0, placed.frame_width, placed.new_width);
    const Sample down = sample(inside ? row : 0, placed.frame_height, placed.new_height);
    const unsigned char* upper = frame + (unsigned long long)down.low * row_bytes;
    const unsigned char* lower = frame + (unsigned long long)down.high * row_bytes;
    for (int c = 0; c < 3; ++c) {
        float value = input.pad;
        if (inside) {
            const int low = 3 * across.low + input.from[c], high = 3 * across.high + input.from[c];
            const float above = upper[low] + across.share * ((float)upper[high] - (float)upper[low]);
            const float below = lower[low] + across.share * ((float)lower[high] - (float)lower[low]);
            value = above + down.share * (below - above);
        }
        put(place + c * plane, (value - input.mean[c]) * input.scale[c]);
    }
}

// Grid: a thread for each pixel of the square in x and y, a frame of the batch in z. The frames of a batch are alike in
// size and lie frame_bytes apart; a frame's rows lie row_bytes apart.

extern "C" __global__ void letterbox_float32(const unsigned char* frames, unsigned long long frame_bytes, int row_bytes,
                                             float* out, int width, int height, Placed placed, Input input) {
    letterbox(frames, frame_bytes, row_bytes, out, width, height, placed, input);
}

extern "C" __global__ void letterbox_float16(const unsigned char* frames, unsigned long long frame_bytes, int row_bytes,
                                             unsigned short* out, int width, int height, Placed placed, Input input) {
    letterbox(frames, frame_bytes, row_bytes, out, width, height, placed, input);
}
