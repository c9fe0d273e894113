// A support update on a CUDA device, for several runs at once; comes after cuda_source.cu.
//
// A run's scratch memory is two volumes of floats, taken from its wave.

enum Level { RMS = 0, MEAN = 1, MAXIMUM = 2 };

// |g| inside the support, into the first scratch volume.
KERNEL magnitudes(const float4* __restrict__ g, const uchar2* __restrict__ support, const int* __restrict__ slots,
                  float2* __restrict__ scratch, int pairs)
{
    g += (size_t)slots[blockIdx.y] * pairs;
    support += (size_t)slots[blockIdx.y] * pairs;
    scratch += 2 * (size_t)blockIdx.y * pairs;
    for (int i = FIRST; i < pairs; i += STRIDE) {
        const float4 o = g[i];
        const uchar2 s = support[i];
        // by multiplication: a NaN outside the support is told as well
        scratch[i] = make_float2(s.x * sqrtf(power_of(o.x, o.y)), s.y * sqrtf(power_of(o.z, o.w)));
    }
}

// Convolves along one axis (`length` voxels, `stride` apart) with weights of 2 reach + 1, zeros beyond the ends; from
// scratch volume `from` to the other one.
KERNEL smooth(float* __restrict__ scratch, int from, int voxels, int pitch, int stride, int length,
              const float* __restrict__ weights, int reach)
{
    const float* source = scratch + (2 * (size_t)blockIdx.y + from) * pitch;
    float* target = scratch + (2 * (size_t)blockIdx.y + 1 - from) * pitch;
    for (int i = FIRST; i < voxels; i += STRIDE) {
        const int at = i / stride % length;
        const int first = max(-reach, -at), last = min(reach, length - 1 - at);
        float sum = 0;
        for (int k = first; k <= last; ++k) sum += weights[reach + k] * source[i + k * stride];
        target[i] = sum;
    }
}

// Of the smoothed amplitude (second scratch volume) inside the support: sum of squares, sum, voxels, maximum: rows 0-3.
KERNEL levels(const float* __restrict__ scratch, const unsigned char* __restrict__ support,
              const int* __restrict__ slots, int voxels, int pitch, double* __restrict__ partials)
{
    const float* soft = scratch + (2 * (size_t)blockIdx.y + 1) * pitch;
    support += (size_t)slots[blockIdx.y] * pitch;
    float squares = 0, sum = 0, most = 0;
    int inside = 0;
    for (int i = FIRST; i < voxels; i += STRIDE) {
        if (!support[i]) continue;
        squares += soft[i] * soft[i];
        sum += soft[i];
        most = (float)larger(most, soft[i]);
        ++inside;
    }
    leave(partials, 0, squares);
    leave(partials, 1, sum);
    leave(partials, 2, inside);
    leave(partials, 3, most, true);
}

// What is above threshold x level, into the first scratch volume as bytes (1 or 0), and how many voxels that is: row
// 0. `measured` are the totals of `levels`; unless the support `grows`, only what it holds already.
KERNEL cut(float* __restrict__ scratch, const unsigned char* __restrict__ support, const int* __restrict__ slots,
           int voxels, int pitch, const double* __restrict__ measured, const double* __restrict__ thresholds, int by,
           int grows, double* __restrict__ partials)
{
    const float* soft = scratch + (2 * (size_t)blockIdx.y + 1) * pitch;
    unsigned char* next = (unsigned char*)(scratch + 2 * (size_t)blockIdx.y * pitch);
    support += (size_t)slots[blockIdx.y] * pitch;
    const double* of = measured + blockIdx.y * ROWS;
    const double level = by == RMS ? sqrt(of[0] / of[2]) : by == MEAN ? of[1] / of[2] : of[3];
    const float least = (float)(thresholds[blockIdx.y] * level);
    int inside = 0;
    for (int i = FIRST; i < voxels; i += STRIDE) {
        const bool holds = soft[i] > least && (grows || support[i]);
        next[i] = holds;
        inside += holds;
    }
    leave(partials, 0, inside);
}

// The bytes that `cut` left become the support of those runs that `adopted` names with 1.
KERNEL adopt(const float* __restrict__ scratch, unsigned char* __restrict__ support, const int* __restrict__ slots,
             const int* __restrict__ adopted, int voxels, int pitch)
{
    if (!adopted[blockIdx.y]) return;
    const unsigned char* next = (const unsigned char*)(scratch + 2 * (size_t)blockIdx.y * pitch);
    support += (size_t)slots[blockIdx.y] * pitch;
    for (int i = FIRST; i < voxels; i += STRIDE) support[i] = next[i];
}
