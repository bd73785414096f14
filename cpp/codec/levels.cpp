#include "codec/levels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fewbits::codec {
namespace {

constexpr float center = 63.5f;

double normal_density(double x) {
    return std::exp(-0.5 * x * x) * 0.3989422804014327;
}
double normal_below(double x) {
    return 0.5 * std::erfc(-x * 0.7071067811865476);
}

// A level's share of a standard normal variable times `deviation`, and that variable's integral over it.
struct Share {
    double mass;
    double moment;
};

Share share_of(const LevelModel& model, std::uint32_t level, double deviation) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const double low = level == 0 ? -infinity : model.edges[level - 1] / deviation;
    const double high = level == level_count - 1 ? infinity : model.edges[level] / deviation;
    return {normal_below(high) - normal_below(low), normal_density(low) - normal_density(high)};
}

// Squared correlation of the variable with its level: what encoding with a fitted scale keeps of it.
double correlation(const LevelModel& model, double deviation) {
    double product = 0, squares = 0;
    for (std::uint32_t i = 0; i < level_count; ++i) {
        const Share share = share_of(model, i, deviation);
        product += share.moment * model.values[i];
        squares += share.mass * model.values[i] * model.values[i];
    }
    return squares > 0 ? product * product / squares : 0;
}

}  // namespace

LevelModel model_levels(std::span<const std::uint8_t> levels) {
    LevelModel model{};
    for (std::uint32_t i = 0; i < level_count; ++i) model.values[i] = static_cast<float>(levels[i]) - center;
    for (std::uint32_t i = 0; i + 1 < level_count; ++i) model.edges[i] = (model.values[i] + model.values[i + 1]) / 2;

    // A grid, not a minimiser: libraries differ in the last bits of erfc and exp, and codes must not.
    double best = -1;
    for (float deviation = 1; deviation <= center; deviation += 0.25f) {
        const double value = correlation(model, deviation);
        if (value > best + 1e-9) {
            best = value;
            model.deviation = deviation;
        }
    }

    double magnitude = 0, squares = 0;
    for (std::uint32_t i = level_count / 2; i < level_count; ++i) {
        const double mass = 2 * share_of(model, i, model.deviation).mass;
        magnitude += mass * model.values[i];
        squares += mass * model.values[i] * model.values[i];
    }
    const double half = squares / magnitude;
    model.half = static_cast<float>(half);
    model.half_deviation = static_cast<float>(std::sqrt(std::max(0.0, half * half - squares)));
    return model;
}

}  // namespace fewbits::codec
