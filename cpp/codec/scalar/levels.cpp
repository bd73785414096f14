#include "codec/scalar/levels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fewbits::codec {
namespace {

double normal_density(double x) {
    return std::exp(-0.5 * x * x) * 0.3989422804014327;
}
double normal_below(double x) {
    return 0.5 * std::erfc(-x * 0.7071067811865476);
}

// The probability that `deviation` times a standard normal variable has a level, and the integral of the variable over
// that interval.
struct Share {
    double mass;
    double moment;
};

Share share_of(const LevelModel& model, std::size_t level, double deviation) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double low = level == 0 ? -infinity : model.edges[level - 1] / deviation;
    const double high = level + 1 == model.values.size() ? infinity : model.edges[level] / deviation;
    return {normal_below(high) - normal_below(low), normal_density(low) - normal_density(high)};
}

// Squared correlation of the variable with its level: the share of its variance that codes with a fitted scale retain.
double correlation(const LevelModel& model, double deviation) {
    double product = 0, squares = 0;
    for (std::size_t i = 0; i < model.values.size(); ++i) {
        const Share share = share_of(model, i, deviation);
        product += share.moment * model.values[i];
        squares += share.mass * model.values[i] * model.values[i];
    }
    return squares > 0 ? product * product / squares : 0;
}

}  // namespace

LevelModel model_levels(std::span<const float> values) {
    LevelModel model{};
    model.values.assign(values.begin(), values.end());
    for (std::size_t i = 0; i + 1 < values.size(); ++i) model.edges.push_back((values[i] + values[i + 1]) / 2);

    // A grid instead of a minimiser: the last bits of erfc and exp differ between libraries, but codes must not.
    double best = -1;
    for (float deviation = 1; deviation <= outermost_level; deviation += 0.25f) {
        const double value = correlation(model, deviation);
        if (value > best + 1e-9) {
            best = value;
            model.deviation = deviation;
        }
    }

    double magnitude = 0, squares = 0;
    for (std::size_t i = values.size() / 2; i < values.size(); ++i) {
        const double mass = 2 * share_of(model, i, model.deviation).mass;
        magnitude += mass * model.values[i];
        squares += mass * model.values[i] * model.values[i];
    }
    const double half = squares / magnitude;
    model.half = static_cast<float>(half);
    model.half_deviation = static_cast<float>(std::sqrt(std::max(0.0, half * half - squares)));
    return model;
}

std::vector<float> uniform_values(std::uint32_t bits) {
    const auto last = static_cast<float>((1u << bits) - 1);
    std::vector<float> values;
    for (std::uint32_t i = 0; i < 1u << bits; ++i)
        values.push_back((2 * static_cast<float>(i) - last) * (outermost_level / last));
    return values;
}

}  // namespace fewbits::codec
