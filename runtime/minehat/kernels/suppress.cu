// Candidates, best first -> those that stay: what _greedy in minehat/detections.py defines, with the same kept set.
//
// IoU is computed in double precision, each step rounded by itself (never fused), as numpy does it on the host.
// No header is included, so that NVRTC needs none and a host compiler can run the arithmetic.

typedef unsigned long long Bits;  // one for each candidate of a group

constexpr int GROUP = 64;       // candidates, and threads of a block
constexpr int MOST_GROUPS = 16;

struct Told {           // of one picture, as in compact.cu
    int count;
    int spoiled;
    int alive;
    int kept;
};

struct Box {
    double left, top, right, bottom, area;
};

__device__ double side(double low, double high) {
    const double length = __dsub_rn(high, low);
    return length > 0.0 ? length : 0.0;
}

__device__ Box box_at(const float* place) {
    const double left = place[0], top = place[1], right = place[2], bottom = place[3];
    return {left, top, right, bottom, __dmul_rn(side(left, right), side(top, bottom))};
}

__device__ bool overlap(const Box& one, const Box& other, double iou) {
    const double width = side(one.left > other.left ? one.left : other.left,
                              one.right < other.right ? one.right : other.right);
    const double height = side(one.top > other.top ? one.top : other.top,
                               one.bottom < other.bottom ? one.bottom : other.bottom);
    const double shared = __dmul_rn(width, height);
    if (!(shared > 0.0)) return false;
    const double whole = __dsub_rn(__dadd_rn(one.area, other.area), shared);
    return whole > 0.0 && __ddiv_rn(shared, whole) > iou;
}

// Grid: a block of GROUP threads for each pair of groups (x the later, y the earlier), a picture in z.
// mask [N, most, MOST_GROUPS]: the later candidates of its class that a candidate would drop.
extern "C" __global__ void suppress_mask(const float* boxes, int rows, double iou, int most, const Told* told,
                                         const int* order, const int* labels, Bits* mask) {
    __shared__ Box later[GROUP];
    __shared__ int later_label[GROUP];
    const int count = told[blockIdx.z].count, thread = threadIdx.x;
    const int start = GROUP * blockIdx.x, mine = GROUP * blockIdx.y + thread;
    if (count > most || start >= count || blockIdx.x < blockIdx.y) return;  // the whole block
    const unsigned long long first = (unsigned long long)blockIdx.z * most;
    const float* picture = boxes + (unsigned long long)blockIdx.z * rows * 4;
    if (start + thread < count) {
        later[thread] = box_at(picture + 4ull * order[first + start + thread]);
        later_label[thread] = labels[first + start + thread];
    }
    __syncthreads();
    if (mine >= count) return;
    const Box box = box_at(picture + 4ull * order[first + mine]);
    const int label = labels[first + mine];
    Bits dropped = 0;
    for (int other = 0; other < GROUP && start + other < count; ++other)
        if (start + other > mine && later_label[other] == label && overlap(box, later[other], iou))
            dropped |= (Bits)1 << other;
    mask[(first + mine) * MOST_GROUPS + blockIdx.x] = dropped;
}

// Grid: a block of GROUP threads for each picture. found_boxes [N, limit, 4], found_scores [N, limit, classes]: the
// candidates that stay, the best first, at most `limit`; rows behind them are left as they were.
extern "C" __global__ void suppress_sweep(const float* boxes, const float* scores, int rows, int classes, int most,
                                          int limit, Told* told, const int* order, const Bits* mask,
                                          float* found_boxes, float* found_scores) {
    __shared__ Bits dropped[MOST_GROUPS], kept[MOST_GROUPS], within[GROUP];
    __shared__ int before[MOST_GROUPS];
    const int count = told[blockIdx.x].count, thread = threadIdx.x;
    if (count > most) return;
    const unsigned long long first = (unsigned long long)blockIdx.x * most;
    const int groups = (count + GROUP - 1) / GROUP;
    if (thread < MOST_GROUPS) dropped[thread] = 0;
    for (int group = 0; group < groups; ++group) {
        const int start = GROUP * group;
        if (start + thread < count) within[thread] = mask[(first + start + thread) * MOST_GROUPS + group];
        __syncthreads();
        if (thread == 0) {
            Bits gone = dropped[group], stays = 0;
            for (int i = 0; i < GROUP && start + i < count; ++i)
                if (!(gone >> i & 1)) stays |= (Bits)1 << i, gone |= within[i];
            kept[group] = stays;
        }
        __syncthreads();
        const int later = group + 1 + thread;
        if (later < groups)
            for (int i = 0; i < GROUP; ++i)
                if (kept[group] >> i & 1) dropped[later] |= mask[(first + start + i) * MOST_GROUPS + later];
        __syncthreads();
    }
    if (thread == 0) {
        int total = 0;
        for (int group = 0; group < groups; ++group) before[group] = total, total += __popcll(kept[group]);
        told[blockIdx.x].kept = total < limit ? total : limit;
    }
    __syncthreads();
    for (int candidate = thread; candidate < count; candidate += GROUP) {
        const Bits stays = kept[candidate / GROUP], mine = (Bits)1 << candidate % GROUP;
        const int place = before[candidate / GROUP] + __popcll(stays & (mine - 1));
        if (!(stays & mine) || place >= limit) continue;
        const unsigned long long from = (unsigned long long)blockIdx.x * rows + order[first + candidate];
        const unsigned long long to = (unsigned long long)blockIdx.x * limit + place;
        for (int i = 0; i < 4; ++i) found_boxes[4 * to + i] = boxes[4 * from + i];
        for (int c = 0; c < classes; ++c) found_scores[classes * to + c] = scores[classes * from + c];
    }
}
