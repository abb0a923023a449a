// uint8 frames, BGR or NV12 -> the planes that the network takes, in one pass: what minehat/letterbox.py defines.
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

struct Colours {        // Y'CbCr of limited range -> BGR: luma * (Y - 16), and of Cb - 128 and Cr - 128 the rest
    float luma;
    float blue_cb;
    float green_cb;
    float green_cr;
    float red_cr;
};

struct Sample {         // two neighbours on an axis and how much of the second
    int low;
    int high;
    float share;
};

struct Pixel {
    float blue;
    float green;
    float red;
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
__device__ void put(unsigned char* place, float value) { *place = (unsigned char)(value + 0.5f); }

// Pixel centres meet, as in OpenCV: (i + 0.5) * side / new_side - 0.5, in whole numbers, so that it is exact.
__device__ Sample sample(int i, int side, int new_side) {
    const int twice = 2 * new_side;
    const int place = (2 * i + 1) * side - new_side;  // in units of 1 / twice
    if (place < 0) return {0, 0, 0.0f};
    const int low = place / twice;
    const float share = (float)(place - low * twice) / (float)twice;
    return {low, low + 1 < side ? low + 1 : low, share};
}

__device__ float channel(Pixel pixel, int which) {
    return which == 0 ? pixel.blue : which == 1 ? pixel.green : pixel.red;
}

__device__ float level(float value) { return value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value; }

struct Bgr {            // rows of three bytes a pixel
    const unsigned char* frame;
    int row_bytes;

    __device__ Pixel at(int column, int row) const {
        const unsigned char* pixel = frame + (unsigned long long)row * row_bytes + 3 * column;
        return {(float)pixel[0], (float)pixel[1], (float)pixel[2]};
    }
};

struct Nv12 {           // a plane of luma, and one of Cb Cr pairs, each for two by two pixels
    const unsigned char* frame;
    int row_bytes;      // of both planes
    unsigned long long chroma;  // bytes from the frame's start to its pairs
    Colours colours;

    __device__ Pixel at(int column, int row) const {
        const int luma = frame[(unsigned long long)row * row_bytes + column];
        const unsigned char* pair = frame + chroma + (unsigned long long)(row / 2) * row_bytes + column / 2 * 2;
        const float light = colours.luma * (luma > 16 ? luma - 16 : 0);
        const float cb = (float)pair[0] - 128.0f, cr = (float)pair[1] - 128.0f;
        return {level(light + colours.blue_cb * cb), level(light + colours.green_cb * cb + colours.green_cr * cr),
                level(light + colours.red_cr * cr)};
    }
};

__device__ float between(Pixel low, Pixel high, float share, int which) {
    const float first = channel(low, which);
    return first + share * (channel(high, which) - first);
}

// in_pairs: of the frame's rows only those are there that are needed, two for each row of the resized frame.
template <typename Frame, typename Number>
__device__ void letterbox(Frame frame, bool in_pairs, Number* out, int width, int height, Placed placed, Input input) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    const int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    const unsigned long long plane = (unsigned long long)width * height;
    Number* place = out + 3 * plane * blockIdx.z + (unsigned long long)y * width + x;
    const int column = x - placed.left, row = y - placed.top;
    if (column < 0 || column >= placed.new_width || row < 0 || row >= placed.new_height) {
        for (int c = 0; c < 3; ++c) put(place + c * plane, (input.pad - input.mean[c]) * input.scale[c]);
        return;
    }
    const Sample across = sample(column, placed.frame_width, placed.new_width);
    const Sample down = sample(row, placed.frame_height, placed.new_height);
    const int upper = in_pairs ? 2 * row : down.low, lower = in_pairs ? 2 * row + 1 : down.high;
    const Pixel upper_low = frame.at(across.low, upper), upper_high = frame.at(across.high, upper);
    const Pixel lower_low = frame.at(across.low, lower), lower_high = frame.at(across.high, lower);
    for (int c = 0; c < 3; ++c) {
        const float above = between(upper_low, upper_high, across.share, input.from[c]);
        const float below = between(lower_low, lower_high, across.share, input.from[c]);
        const float value = above + down.share * (below - above);
        put(place + c * plane, (value - input.mean[c]) * input.scale[c]);
    }
}

// Grid: a thread for each pixel of the square in x and y, a frame of the batch in z. The frames of a batch are alike in
// size and lie frame_bytes apart; a frame's rows lie row_bytes apart.

#define LETTERBOX(NAME, NUMBER)                                                                                       \
    extern "C" __global__ void letterbox_##NAME(const unsigned char* frames, unsigned long long frame_bytes,          \
                                                int row_bytes, int in_pairs, NUMBER* out, int width, int height,      \
                                                Placed placed, Input input) {                                         \
        const Bgr frame = {frames + blockIdx.z * frame_bytes, row_bytes};                                             \
        letterbox(frame, in_pairs != 0, out, width, height, placed, input);                                           \
    }                                                                                                                 \
    extern "C" __global__ void letterbox_nv12_##NAME(const unsigned char* frames, unsigned long long frame_bytes,     \
                                                     int row_bytes, unsigned long long chroma, NUMBER* out,           \
                                                     int width, int height, Placed placed, Input input,               \
                                                     Colours colours) {                                               \
        const Nv12 frame = {frames + blockIdx.z * frame_bytes, row_bytes, chroma, colours};                           \
        letterbox(frame, false, out, width, height, placed, input);                                                   \
    }

LETTERBOX(float32, float)
LETTERBOX(float16, unsigned short)
LETTERBOX(uint8, unsigned char)
