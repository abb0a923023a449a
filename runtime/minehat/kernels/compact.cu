// A network's boxes and scores -> its candidates, best first: what _candidates and the order in minehat/detections.py
// define. A row is a candidate if its box is finite and its best score reaches conf, which is above zero.
//
// No header is included, so that NVRTC needs none and a host compiler can run the arithmetic.

struct Told {           // of one picture, zero before the first kernel
    int count;          // of candidates; with more than `most` of them the rest is left undone
    int spoiled;        // a score is not finite
    int alive;          // a box begins at a finite place
    int kept;           // rows that suppress_sweep gave
};

__device__ bool finite(float value) { return value - value == 0.0f; }

// Smaller for better scores, then for lower rows; no two are equal. The score is positive.
__device__ unsigned long long key_of(float score, int row) {
    return (unsigned long long)(0xffffffffu - __float_as_uint(score)) << 32 | (unsigned)row;
}

// Grid: a thread for each row in x, a picture in y. boxes [N, rows, 4], scores [N, rows, classes], keys [N, most]; in
// which order the keys come out is chance.
extern "C" __global__ void compact_pick(const float* boxes, const float* scores, int rows, int classes, float conf,
                                        int most, Told* told, unsigned long long* keys) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const unsigned long long at = (unsigned long long)blockIdx.y * rows + row;
    Told* picture = told + blockIdx.y;
    const float* score = scores + at * classes;
    float best = score[0];
    bool spoiled = !finite(best);
    for (int c = 1; c < classes; ++c) {
        spoiled = spoiled || !finite(score[c]);
        if (score[c] > best) best = score[c];
    }
    const float* box = boxes + 4 * at;
    if (spoiled) picture->spoiled = 1;
    if (finite(box[0]) && !picture->alive) picture->alive = 1;
    if (spoiled || best < conf || !finite(box[0]) || !finite(box[1]) || !finite(box[2]) || !finite(box[3])) return;
    const int place = atomicAdd(&picture->count, 1);
    if (place < most) keys[(unsigned long long)blockIdx.y * most + place] = key_of(best, row);
}

// Grid: a thread for each candidate in x, a picture in y. order, labels [N, most]: row and label of the candidates, the
// best first.
extern "C" __global__ void compact_rank(const float* scores, int rows, int classes, int most, const Told* told,
                                        const unsigned long long* keys, int* order, int* labels) {
    const int candidate = blockIdx.x * blockDim.x + threadIdx.x;
    const int count = told[blockIdx.y].count;
    if (candidate >= count || count > most) return;
    const unsigned long long first = (unsigned long long)blockIdx.y * most, mine = keys[first + candidate];
    int rank = 0;
    for (int other = 0; other < count; ++other) rank += keys[first + other] < mine;
    const int row = (int)(mine & 0xffffffffu);
    const float* score = scores + ((unsigned long long)blockIdx.y * rows + row) * classes;
    int label = 0;
    for (int c = 1; c < classes; ++c)
        if (score[c] > score[label]) label = c;
    order[first + rank] = row;
    labels[first + rank] = label;
}
