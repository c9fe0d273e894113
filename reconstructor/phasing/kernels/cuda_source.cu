// What one iteration and one support update do on a CUDA device, for several runs at once.
//
// blockIdx.y counts the runs of a batch; `slots[blockIdx.y]` is the place of that run's object and support, while
// `wave`, scratch memory, partial sums and totals belong to the batch. Volumes follow one another at a pitch that is
// even, so that a thread handles two voxels in one access of 16 bytes; what is beyond the last voxel stays zero, and
// its amplitude is unknown. The amplitudes are the origin first, the objects in natural order.
//
// The transforms between the kernels are cuFFT's, unnormalised: a wave is N times P after the inverse one, and 1/N is
// part of the weights. Sums are made only where `measure` asks for them: each block leaves its part in
// partials[run][row][block], `totals` adds them up in a fixed order, so that equal runs give equal bits. No float
// atomics, no fast arithmetic: NaN stays NaN. Needs no header: NVRTC, nvcc and (with a few definitions) a C++ compiler
// take it. BLOCK, a power of two, is the number of threads of a block.

#define KERNEL extern "C" __global__ void __launch_bounds__(BLOCK)
#define ROWS 4
#define FIRST (blockIdx.x * blockDim.x + threadIdx.x)
#define STRIDE (gridDim.x * blockDim.x)

// The larger one; NaN if either is.
__device__ __forceinline__ double larger(double a, double b) { return (a > b || a != a) ? a : b; }

// All threads' values added up (or the largest of them), in a fixed order; every thread of the block must call it.
__device__ double gathered(double mine, bool largest)
{
    __shared__ double shared[BLOCK];
    shared[threadIdx.x] = mine;
    __syncthreads();
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) {
            const double a = shared[threadIdx.x], b = shared[threadIdx.x + half];
            shared[threadIdx.x] = largest ? larger(a, b) : a + b;
        }
        __syncthreads();
    }
    const double all = shared[0];
    __syncthreads();
    return all;
}

// Leave this block's part of a sum where `totals` finds it.
__device__ void leave(double* partials, int row, double mine, bool largest = false)
{
    const double all = gathered(mine, largest);
    if (threadIdx.x == 0) partials[(blockIdx.y * ROWS + row) * (size_t)gridDim.x + blockIdx.x] = all;
}

// Gives a known voxel its amplitude; an unknown one (amplitude < 0) stays, one of no size at all becomes zero.
__device__ __forceinline__ float factor(float amplitude, float size)
{
    if (amplitude < 0) return 1;
    return size > 0 ? amplitude / size : 0;
}

// (size - A)^2 of a known voxel.
__device__ __forceinline__ float misfit_of(float amplitude, float size)
{
    const float difference = size - amplitude;
    return amplitude < 0 ? 0 : difference * difference;
}

// Poisson deviance 2 [Ic - Io + Io ln(Io / Ic)] of a known voxel, Ic = size^2, Io = A^2. With Ic = Io (1 + x) it is
// 2 Io (x - ln(1 + x)), which single precision bears where the plain form is a small difference of large numbers.
__device__ __forceinline__ float deviance_of(float amplitude, float size)
{
    if (amplitude < 0) return 0;
    const float made = fmaxf(size * size, 1e-10f), found = amplitude * amplitude;
    if (found == 0) return 2 * made;
    const float x = (size - amplitude) * (size + amplitude) / found;
    return 2 * found * (x - log1pf(fmaxf(x, -1 + 1e-7f)));
}

__device__ __forceinline__ float power_of(float re, float im) { return re * re + im * im; }

// wave[run] <- g[slot]
KERNEL gather(const float4* __restrict__ g, float4* __restrict__ wave, const int* __restrict__ slots, int pairs)
{
    g += (size_t)slots[blockIdx.y] * pairs;
    wave += (size_t)blockIdx.y * pairs;
    for (int i = FIRST; i < pairs; i += STRIDE) wave[i] = g[i];
}

// The modulus projection in place of F. With `blurred`, |F| is compared by way of `expected`, |F|^2 convolved with the
// point-spread function of partial coherence. Rows 0 and 1: sum of (|F| - A)^2, sum of the Poisson deviance.
KERNEL modulus(float4* __restrict__ wave, const float2* __restrict__ amplitude, const float2* __restrict__ expected,
               int blurred, int pairs, int measure, double* __restrict__ partials)
{
    wave += (size_t)blockIdx.y * pairs;
    float misfit = 0, deviance = 0;
    for (int i = FIRST; i < pairs; i += STRIDE) {
        const float4 f = wave[i];
        const float2 a = amplitude[i];
        float first, second;
        if (blurred) {
            const float2 e = expected[(size_t)blockIdx.y * pairs + i];
            first = sqrtf(e.x), second = sqrtf(e.y);
        } else {
            first = sqrtf(power_of(f.x, f.y)), second = sqrtf(power_of(f.z, f.w));
        }
        if (measure) {
            misfit += misfit_of(a.x, first) + misfit_of(a.y, second);
            deviance += deviance_of(a.x, first) + deviance_of(a.y, second);
        }
        const float p = factor(a.x, first), q = factor(a.y, second);
        wave[i] = make_float4(f.x * p, f.y * p, f.z * q, f.w * q);
    }
    if (measure) {
        leave(partials, 0, misfit);
        leave(partials, 1, deviance);
    }
}

// |F|^2, for `convolve`.
KERNEL intensities(const float4* __restrict__ wave, float2* __restrict__ intensity, int pairs)
{
    wave += (size_t)blockIdx.y * pairs;
    intensity += (size_t)blockIdx.y * pairs;
    for (int i = FIRST; i < pairs; i += STRIDE) {
        const float4 f = wave[i];
        intensity[i] = make_float2(power_of(f.x, f.y), power_of(f.z, f.w));
    }
}

// Cyclic convolution of volumes (n0, n1, n2) with a small block (k0, k1, k2), odd, its middle the origin; with
// `adjoint`, correlation. Summed term by term: next to a Bragg peak a convolution by transforms would leave rounding
// of the peak's size in every voxel, and single precision would not do.
KERNEL convolve(const float* __restrict__ volume, float* __restrict__ out, const float* __restrict__ block, int n0,
                int n1, int n2, int k0, int k1, int k2, int adjoint, int pitch)
{
    volume += (size_t)blockIdx.y * pitch;
    out += (size_t)blockIdx.y * pitch;
    const int voxels = n0 * n1 * n2, middle = k0 * k1 * k2 - 1;
    for (int i = FIRST; i < voxels; i += STRIDE) {
        const int x = i % n2, y = i / n2 % n1, z = i / n2 / n1;
        float sum = 0;
        int place = 0;
        for (int c = 0; c < k0; ++c) {
            const int plane = (z + k0 / 2 - c + n0) % n0 * n1;
            for (int b = 0; b < k1; ++b) {
                const int row = (plane + (y + k1 / 2 - b + n1) % n1) * n2;
                // no division in the innermost loop: from x + k2 / 2 downwards, once round the end
                int column = x + k2 / 2 < n2 ? x + k2 / 2 : x + k2 / 2 - n2;
                for (int a = 0; a < k2; ++a, ++place) {
                    // where the block is turned round, its last voxel comes first
                    sum += block[adjoint ? middle - place : place] * volume[row + column];
                    column = column > 0 ? column - 1 : n2 - 1;
                }
            }
        }
        out[i] = sum;
    }
}

// Sums of |P|^2 inside the support and everywhere, of a wave that stays: rows 2 and 3.
KERNEL energies(const float4* __restrict__ wave, const uchar2* __restrict__ support, const int* __restrict__ slots,
                int pairs, double* __restrict__ partials)
{
    wave += (size_t)blockIdx.y * pairs;
    support += (size_t)slots[blockIdx.y] * pairs;
    float inside = 0, total = 0;
    for (int i = FIRST; i < pairs; i += STRIDE) {
        const float4 p = wave[i];
        const uchar2 s = support[i];
        const float first = power_of(p.x, p.y), second = power_of(p.z, p.w);
        inside += (s.x ? first : 0) + (s.y ? second : 0);
        total += first + second;
    }
    leave(partials, 2, inside);
    leave(partials, 3, total);
}

// Charge flipping's bar: shares[run] times the energy inside the support that `energies` has just left.
KERNEL bar(const double* __restrict__ partials, int blocks, const float* __restrict__ shares, float* __restrict__ bars)
{
    const double* parts = partials + (blockIdx.y * ROWS + 2) * (size_t)blocks;
    double mine = 0;
    for (int i = threadIdx.x; i < blocks; i += blockDim.x) mine += parts[i];
    const double inside = gathered(mine, false);
    if (threadIdx.x == 0) bars[blockIdx.y] = (float)(shares[blockIdx.y] * inside);
}

// The real-space update of every algorithm, from g and P to the next g and to what is transformed next:
//
//     g <- in_g g + in_p P        wave <- in_wave_g g + in_wave_p P        chosen voxels
//     g <- out_g g + out_p P      wave <- out_wave_g g + out_wave_p P      the others
//
// Chosen is what the support holds or, where `flip` is set, what has |P|^2 of at least bars[run]. Only the first half
// of the difference map transforms something other than the next g. Rows 2 and 3 as `energies`.
KERNEL update(float4* __restrict__ g, float4* __restrict__ wave, const uchar2* __restrict__ support,
              const int* __restrict__ slots, const float* __restrict__ bars, int flip, int pairs, float in_g,
              float in_p, float out_g, float out_p, float in_wave_g, float in_wave_p, float out_wave_g,
              float out_wave_p, int measure, double* __restrict__ partials)
{
    g += (size_t)slots[blockIdx.y] * pairs;
    support += (size_t)slots[blockIdx.y] * pairs;
    wave += (size_t)blockIdx.y * pairs;
    const float least = flip ? bars[blockIdx.y] : 0;
    float inside = 0, total = 0;
    for (int i = FIRST; i < pairs; i += STRIDE) {
        const float4 o = g[i], p = wave[i];
        const uchar2 s = support[i];
        const float first = power_of(p.x, p.y), second = power_of(p.z, p.w);
        const bool chosen = flip ? first >= least : s.x, also = flip ? second >= least : s.y;
        const float a = chosen ? in_g : out_g, b = chosen ? in_p : out_p;
        const float c = also ? in_g : out_g, d = also ? in_p : out_p;
        g[i] = make_float4(a * o.x + b * p.x, a * o.y + b * p.y, c * o.z + d * p.z, c * o.w + d * p.w);
        const float e = chosen ? in_wave_g : out_wave_g, f = chosen ? in_wave_p : out_wave_p;
        const float h = also ? in_wave_g : out_wave_g, k = also ? in_wave_p : out_wave_p;
        wave[i] = make_float4(e * o.x + f * p.x, e * o.y + f * p.y, h * o.z + k * p.z, h * o.w + k * p.w);
        inside += (s.x ? first : 0) + (s.y ? second : 0);
        total += first + second;
    }
    if (measure) {
        leave(partials, 2, inside);
        leave(partials, 3, total);
    }
}

// Adds up what the blocks left: totals[run][row], one block a row; of row `largest` the largest part.
KERNEL totals(const double* __restrict__ partials, int blocks, int largest, double* __restrict__ sums)
{
    const int row = blockIdx.x, place = blockIdx.y * ROWS + row;
    const double* parts = partials + place * (size_t)blocks;
    double mine = 0;
    for (int i = threadIdx.x; i < blocks; i += blockDim.x) {
        mine = row == largest ? larger(mine, parts[i]) : mine + parts[i];
    }
    const double all = gathered(mine, row == largest);
    if (threadIdx.x == 0) sums[place] = all;
}
