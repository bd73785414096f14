// The C side of bench/google_fde.py: encodes sets of vectors with Google's encoder, one by one.
#include <algorithm>

#include "sketching/point_cloud/fixed_dimensional_encoding.h"

extern "C" bool encode(const float* tokens, const std::int64_t* offsets, std::int64_t n, std::int32_t dim,
                       std::int32_t repetitions, std::int32_t bits, std::int32_t projected, bool is_document,
                       float* out) {
    const graph_mining::FixedDimensionalEncodingConfig config{dim, repetitions, bits, projected, is_document};
    for (std::int64_t i = 0; i < n; ++i) {
        const std::vector<float> points(tokens + offsets[i] * dim, tokens + offsets[i + 1] * dim);
        const auto encoded = graph_mining::GenerateFixedDimensionalEncoding(points, config);
        if (!encoded.ok) return false;
        out = std::copy(encoded.value.begin(), encoded.value.end(), out);
    }
    return true;
}
