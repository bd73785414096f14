// Integer rows and nibble extraction: the same integers as a naive int64 sum, on every instruction set.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "check.h"
#include "integer_cases.h"

using namespace integer_cases;
using fewbits::kernels::Rows;
using kernel_cases::available;

namespace {

constexpr std::uint32_t dimension_counts[] = {1,  2,  3,  7,  8,  9,  15,  16,  17,  31,  32,  33,
                                              63, 64, 65, 95, 96, 97, 100, 127, 128, 129, 384, 1031};

// `listed` rows of codes, one byte per dimension, and an int16 query; extreme ones have all values at their limits.
struct Case {
    Case(std::uint32_t n_dimensions, std::uint32_t bits, bool extreme, std::uint64_t seed)
        : dim(n_dimensions), random(seed), levels(std::size_t{1} << bits), query(dim), codes(std::size_t{total} * dim) {
        for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = extreme ? std::uint8_t{255} : random.byte();
        for (std::uint32_t j = 0; j < dim; ++j)
            query[j] = static_cast<std::int16_t>(extreme ? -2047 : static_cast<int>(random.below(4095)) - 2047);
        for (auto& code : codes)
            code = static_cast<std::uint8_t>(extreme ? levels.size() - 1 : random.byte() % levels.size());
    }

    std::int32_t expected(std::uint32_t row, bool by_level) const {
        std::int64_t sum = 0;
        for (std::uint32_t j = 0; j < dim; ++j) {
            const std::uint8_t code = codes[std::size_t{row} * dim + j];
            sum += std::int64_t{query[j]} * (by_level ? levels[code] : code);
        }
        return static_cast<std::int32_t>(sum);
    }

    static constexpr std::uint32_t total = 11;
    std::uint32_t dim;
    Random random;
    Guarded<std::uint8_t> levels;
    Guarded<std::int16_t> query;
    std::vector<std::uint8_t> codes;
};

const std::vector<std::uint32_t> picked = {10, 3, 0, 7, 7, 2, 10, 9, 1};

// Calls run(kernels, rows, listed) for the selected rows and for all rows in order.
template <class Run>
void check_rows(const Case& test, const Guarded<std::uint8_t>& base, std::size_t stride, bool by_level, Run run) {
    std::vector<std::uint32_t> all(Case::total);
    std::iota(all.begin(), all.end(), 0u);
    for (const bool list : {false, true}) {
        const std::vector<std::uint32_t>& listed = list ? picked : all;
        const Guarded<std::uint32_t> numbers(listed);
        for (const Kernels* kernels : available()) {
            Guarded<std::int32_t> out(listed.size());
            const Rows rows{base.data(),
                            stride,
                            list ? numbers.data() : nullptr,
                            static_cast<std::uint32_t>(listed.size()),
                            test.dim,
                            test.levels.data(),
                            test.query.data(),
                            out.data()};
            run(*kernels, rows, listed);
            for (std::size_t i = 0; i < listed.size(); ++i) CHECK_EQ(out[i], test.expected(listed[i], by_level));
        }
    }
}

}  // namespace

TEST("rows_dot8 equals the naive sum") {
    for (const std::uint32_t dim : dimension_counts) {
        for (const std::size_t gap : {0u, 5u}) {
            const Case test(dim, 8, gap != 0, dim);
            const std::size_t stride = dim + gap;
            Guarded<std::uint8_t> base(stride * (Case::total - 1) + dim);
            for (std::uint32_t r = 0; r < Case::total; ++r)
                std::copy_n(&test.codes[std::size_t{r} * dim], dim, &base[r * stride]);
            check_rows(test, base, stride, false,
                       [](const Kernels& kernels, const Rows& rows, const auto&) { kernels.rows_dot8(rows); });
        }
    }
}

TEST("rows_dot4 equals the naive sum") {
    for (const std::uint32_t dim : dimension_counts) {
        for (const std::size_t gap : {0u, 3u}) {
            const Case test(dim, 4, gap != 0, dim);
            const std::size_t stride = (dim + 1) / 2 + gap;
            Guarded<std::uint8_t> base(stride * (Case::total - 1) + (dim + 1) / 2);
            for (std::uint32_t r = 0; r < Case::total; ++r)
                for (std::uint32_t j = 0; j < dim; ++j)
                    base[r * stride + j / 2] = static_cast<std::uint8_t>(
                        base[r * stride + j / 2] | test.codes[std::size_t{r} * dim + j] << (j % 2 * 4));
            check_rows(test, base, stride, true,
                       [](const Kernels& kernels, const Rows& rows, const auto&) { kernels.rows_dot4(rows); });
        }
    }
}

TEST("rows_planes equals the naive sum, for every number of bits") {
    for (std::uint32_t bits = 2; bits <= 8; ++bits) {
        for (const std::uint32_t dim : dimension_counts) {
            for (const std::size_t gap : {0u, 3u}) {
                const Case test(dim, bits, gap != 0, dim * 10 + bits);
                const std::size_t plane = (dim + 7) / 8, row = plane * (bits - 1);
                const std::size_t stride = row + gap, high_stride = plane + gap;
                Guarded<std::uint8_t> base(stride * (Case::total - 1) + row);
                const auto set_bit = [&](std::uint8_t* at, std::uint32_t r, std::uint32_t j, std::uint32_t bit) {
                    const int is_set = test.codes[std::size_t{r} * dim + j] >> bit & 1;
                    at[j / 8] = static_cast<std::uint8_t>(at[j / 8] | is_set << (j % 8));
                };
                for (std::uint32_t r = 0; r < Case::total; ++r)
                    for (std::uint32_t j = 0; j < dim; ++j)
                        for (std::uint32_t p = 1; p < bits; ++p)
                            set_bit(&base[r * stride + (p - 1) * plane], r, j, bits - 1 - p);
                check_rows(test, base, stride, true, [&](const Kernels& kernels, const Rows& rows, const auto& listed) {
                    Guarded<std::uint8_t> high(high_stride * (listed.size() - 1) + plane);
                    for (std::size_t i = 0; i < listed.size(); ++i)
                        for (std::uint32_t j = 0; j < dim; ++j) set_bit(&high[i * high_stride], listed[i], j, bits - 1);
                    kernels.rows_planes(rows, high.data(), high_stride, bits);
                });
            }
        }
    }
}

TEST("extract4 gives each vector its nibbles back") {
    for (std::uint32_t vectors = 1; vectors <= 32; ++vectors) {
        for (const std::uint32_t m : {1u, 2u, 3u, 7u, 8u, 16u, 31u, 32u, 33u, 64u, 65u, 257u}) {
            Random random(vectors * 1000 + m);
            std::vector<std::uint8_t> codes(std::size_t{vectors} * m);
            for (auto& code : codes) code = static_cast<std::uint8_t>(random.byte() & 15);
            const Guarded<std::uint8_t> block(pack_blocks(4, codes, vectors, m));
            for (const Kernels* kernels : available()) {
                for (std::uint32_t v = 0; v < vectors; ++v) {
                    Guarded<std::uint8_t> out((m + 1) / 2);
                    std::fill_n(out.data(), out.size(), std::uint8_t{0xAA});
                    kernels->extract4(block.data(), vectors, m, v, out.data());
                    for (std::uint32_t s = 0; s < (m + 1) / 2 * 2; ++s)
                        CHECK_EQ(out[s / 2] >> (s % 2 * 4) & 15, s < m ? codes[std::size_t{v} * m + s] : 0);
                }
            }
        }
    }
}
