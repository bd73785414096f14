#include "codec/tables.h"

#include "codec/range.h"

namespace fewbits::codec {

QueryTerms quantize_tables(float* tables, std::size_t m, std::size_t k, std::uint8_t* out, float limit, int largest) {
    float widest = 0;
    double lowest = 0;
    for (std::size_t s = 0; s < m; ++s) {
        float* table = tables + s * k;
        Range range = range_of(table, k);
        if (range.high - range.low > limit) range.low = range.high - limit;
        widest = std::max(widest, range.high - range.low);
        lowest += range.low;
        for (std::size_t i = 0; i < k; ++i) table[i] -= range.low;
    }
    const auto top = static_cast<float>(largest);
    const bool constant = !(widest >= top * std::numeric_limits<float>::min());
    kernels::active().encode_uniform(tables, m * k, constant ? 0.0f : top / widest, 0, top, out);
    return {constant ? 1.0f : widest / top, static_cast<float>(lowest), 0, 1};
}

}  // namespace fewbits::codec
