#include "codec/pq/train.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "base/random.h"
#include "partition/kmeans.h"

namespace fewbits {
namespace {

// Columns [begin, begin + width) of x, row by row.
std::vector<float> columns(MatrixView x, std::size_t begin, std::size_t width) {
    std::vector<float> out(x.rows * width);
    for (std::size_t i = 0; i < x.rows; ++i) std::copy_n(x.row(i) + begin, width, out.data() + i * width);
    return out;
}

}  // namespace

std::vector<float> pq_train(MatrixView x, std::uint32_t m, std::uint32_t bits, std::uint32_t iterations,
                            std::uint64_t seed, unsigned threads, const float* initial, const Progress& progress) {
    require(x.rows > 0, "pq_train: got no vectors, expected at least one");
    require(x.cols >= 1 && x.cols <= 65535, "pq_train: the dimension must be in 1..65535");
    if (m < 1 || m > x.cols)
        fail("pq_train: m: got " + std::to_string(m) + ", expected 1.." + std::to_string(x.cols) + " (the dimension)");
    if (bits != 4 && bits != 8) fail("pq_train: bits: got " + std::to_string(bits) + ", expected 4 or 8");

    const auto dim = static_cast<std::uint32_t>(x.cols);
    const std::uint32_t k = 1u << bits;
    const std::size_t padded = pq_width(m, dim);
    std::vector<float> codebook(std::size_t{m} * k * padded);
    std::atomic<std::uint32_t> done{0};
    parallel_for(m, threads, [&](std::size_t task, unsigned worker) {
        const auto s = static_cast<std::uint32_t>(task);
        const std::size_t begin = pq_begin(s, m, dim), width = pq_begin(s + 1, m, dim) - begin;
        const std::vector<float> points = columns(x, begin, width);
        float* words = codebook.data() + s * k * padded;
        KMeansOptions options;
        options.k = k;
        options.iterations = iterations;
        options.seed = random_bits(seed, s);
        options.threads = 1;
        const MatrixView vectors{points.data(), x.rows, width};
        // kmeans does only its last iterations over all points, which is enough for lists. Codebooks benefit from
        // more: a second run, started from the result of the first, does all of its iterations over all points.
        const std::vector<float> start =
            initial ? columns({initial + s * k * padded, k, padded}, 0, width) : kmeans(vectors, options);
        options.initial = {start.data(), k, width};
        const std::vector<float> centroids = kmeans(vectors, options);
        for (std::size_t code = 0; code < k; ++code)
            std::copy_n(centroids.data() + code * width, width, words + code * padded);
        ++done;
        if (progress && worker == 0) progress(static_cast<double>(done) / m);
    });
    if (progress) progress(1);  // the calling thread may have had no task
    return codebook;
}

}  // namespace fewbits
