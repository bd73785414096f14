// The largest 16-bit products of points with tokens: the same as naive sums on every instruction set.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "check.h"
#include "integer_cases.h"

using namespace integer_cases;
using fewbits::kernels::MaxProducts;
using kernel_cases::available;

namespace {

struct Case {
    Case(std::uint32_t n_points, std::uint32_t n_dimensions, std::uint32_t n_groups, bool extreme, std::uint64_t seed)
        : n(n_points),
          dim(n_dimensions),
          groups(n_groups),
          points(std::size_t{n} * dim),
          bias(n),
          start(n),
          tokens(std::size_t{groups} * 8 * dim) {
        Random random(seed);
        for (std::size_t i = 0; i < points.size(); ++i)
            points[i] = static_cast<std::int8_t>(extreme ? -127 : static_cast<int>(random.below(255)) - 127);
        for (std::uint32_t i = 0; i < n; ++i) {
            bias[i] = static_cast<std::int16_t>(random.next());
            start[i] = i % 3 == 0 ? std::numeric_limits<std::int16_t>::min() : static_cast<std::int16_t>(random.next());
        }
        for (std::size_t i = 0; i < tokens.size(); ++i)
            tokens[i] = static_cast<std::uint8_t>(extreme ? 127 : random.below(128));
    }

    std::int16_t expected(std::uint32_t i) const {
        std::int16_t best = start[i];
        for (std::uint32_t t = 0; t < 8 * groups; ++t) {
            std::int64_t sum = bias[i];
            for (std::uint32_t j = 0; j < dim; ++j)
                sum += std::int64_t{points[std::size_t{i} * dim + j]}
                       * tokens[std::size_t{t / 8} * 8 * dim + j / 4 * 32 + t % 8 * 4 + j % 4];
            best = std::max(best, static_cast<std::int16_t>(static_cast<std::uint64_t>(sum) & 0xffff));
        }
        return best;
    }

    std::uint32_t n, dim, groups;
    Guarded<std::int8_t> points;
    Guarded<std::int16_t> bias;
    std::vector<std::int16_t> start;
    Guarded<std::uint8_t> tokens;
};

TEST("max_products: naive sums modulo 2^16, nothing read outside, maxima only raised") {
    for (const bool extreme : {false, true}) {
        for (const std::uint32_t dim : {4u, 8u, 20u, 128u}) {
            for (const std::uint32_t n : {1u, 2u, 7u}) {
                for (const std::uint32_t groups : {1u, 3u, 4u, 6u, 9u}) {
                    const Case test(n, dim, groups, extreme, dim + n + groups);
                    for (const Kernels* kernels : available()) {
                        Guarded<std::int16_t> out(test.start);
                        kernels->max_products(
                            {test.points.data(), n, dim, test.bias.data(), test.tokens.data(), groups, out.data()});
                        for (std::uint32_t i = 0; i < n; ++i) CHECK_EQ(int{out[i]}, int{test.expected(i)});
                    }
                }
            }
        }
    }
}

}  // namespace
