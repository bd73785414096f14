#include "codec/scalar/lloyd_max.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace fewbits {
namespace {

// Sorted data with prefix sums, so that the mean of any interval takes two look-ups.
struct Sorted {
    explicit Sorted(std::span<const float> x) : values(x.begin(), x.end()), sums(x.size() + 1) {
        std::sort(values.begin(), values.end());
        for (std::size_t i = 0; i < values.size(); ++i) sums[i + 1] = sums[i] + values[i];
    }
    std::size_t below(double edge) const {
        return static_cast<std::size_t>(std::lower_bound(values.begin(), values.end(), edge) - values.begin());
    }
    double mean(std::size_t first, std::size_t last) const {
        return (sums[last] - sums[first]) / static_cast<double>(last - first);
    }
    std::vector<float> values;
    std::vector<double> sums;
};

// Halfway between quantiles of the data and equal steps over its range without the outermost values. The optimal
// density of levels, which is the cube root of the data's density, also lies in between.
std::vector<double> starting_levels(const Sorted& data, std::uint32_t count) {
    const auto quantile = [&](double share) {
        const auto last = static_cast<double>(data.values.size() - 1);
        return double{data.values[static_cast<std::size_t>(share * last + 0.5)]};
    };
    const double low = quantile(0.005), high = quantile(0.995);
    std::vector<double> levels;
    for (std::uint32_t i = 0; i < count; ++i) {
        const double share = (i + 0.5) / count;
        levels.push_back((quantile(share) + low + share * (high - low)) / 2);
    }
    return levels;
}

}  // namespace

std::vector<float> lloyd_max(std::span<const float> x, std::uint32_t count, std::uint32_t iterations) {
    require(!x.empty(), "lloyd_max: got no data, expected at least one value");
    require(count >= 1 && count <= 4096, "lloyd_max: the number of levels must be in 1..4096");
    for (const float value : x) require(std::isfinite(value), "lloyd_max: got a value that is not finite");

    const Sorted data(x);
    std::vector<double> levels = starting_levels(data, count);
    bool moved = true;
    for (std::uint32_t iteration = 0; iteration < iterations && moved; ++iteration) {
        moved = false;
        std::size_t first = 0;
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::size_t last =
                i + 1 == count ? data.values.size() : std::max(first, data.below((levels[i] + levels[i + 1]) / 2));
            if (last > first) {
                const double mean = data.mean(first, last);
                moved = moved || mean != levels[i];
                levels[i] = mean;
            }
            first = last;
        }
    }
    return {levels.begin(), levels.end()};
}

}  // namespace fewbits
