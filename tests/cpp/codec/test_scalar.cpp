// Scalar codes: error bounds of encoding, constant dimensions, Lloyd-Max levels.
#include <algorithm>

#include "codec/scalar/levels.h"
#include "codec/scalar/lloyd_max.h"
#include "codec_fixture.h"

namespace {

using namespace fixture;

TEST("scalar: 8 bits err by no more than half a level in all, 4 bits by what levels allow") {
    for (const std::uint32_t dim : odd_dims) {
        for (const std::uint32_t bits : {4u, 8u}) {
            const Parts parts = scalar_parts(bits, dim);
            const auto codec = make_codec(parts, "codec", dim, Metric::l2, false);
            const Coded coded(*codec, normal(100 * dim, 61), {});
            double errors = 0, squares = 0, of_row = 0, half_levels = 0;
            for (std::size_t i = 0; i < coded.x.size(); ++i) {
                const std::size_t j = i % dim;
                const float step = 0.5f + 0.1f * static_cast<float>(j % 7);
                const float error = std::fabs(coded.x[i] - coded.decoded[i]);
                of_row += double{error} * double{error};
                half_levels += std::pow(0.51 * double{step} * double{coded.a[i / dim]}, 2);
                if (j + 1 == dim) {
                    if (bits == 8) CHECK(of_row <= half_levels + 1e-10);
                    of_row = half_levels = 0;
                }
                errors += double{error} * double{error};
                squares += std::pow(double{coded.x[i]} - double{normal(dim, 71)[j]}, 2);
            }
            CHECK(errors < (bits == 8 ? 1e-4 : 0.025) * squares);
        }
    }
}

TEST("scalar: a decoded vector encodes to the same code") {
    for (const std::uint32_t bits : {4u, 8u}) {
        const auto codec = make_codec(scalar_parts(bits, 100), "codec", 100, Metric::ip, false);
        const Coded once(*codec, normal(50 * 100, 62), {});
        const Coded twice(*codec, once.decoded, {});
        double error = 0;
        for (std::size_t i = 0; i < once.x.size(); ++i)
            error = std::max(error, double{std::fabs(once.decoded[i] - twice.decoded[i])});
        CHECK(error < (bits == 8 ? 0.02 : 0.7));
    }
}

TEST("scalar: a step of zero codes a constant dimension") {
    Parts parts = scalar_parts(4, 5);
    set_array(parts, "codec.step", std::vector<float>{1, 0, 1, 1, 0});
    const auto codec = make_codec(parts, "codec", 5, Metric::ip, false);
    const Coded coded(*codec, normal(20 * 5, 63), {});
    const std::vector<float> mean = normal(5, 71);
    for (std::size_t i = 0; i < coded.n; ++i)
        CHECK(coded.decoded[5 * i + 1] == mean[1] && coded.decoded[5 * i + 4] == mean[4]);
}

TEST("levels: the model of uniform levels is the known optimum for a normal distribution") {
    const codec::LevelModel model = codec::model_levels(codec::uniform_values(4));
    CHECK(std::fabs(8.467f / model.deviation - 0.335f) < 0.01f);  // the optimal uniform step for 16 levels
    // E l^2 / E |l| of the levels, and the root of its square minus E l^2 (values from an independent computation).
    CHECK(std::fabs(model.half / model.deviation - 1.231f) < 0.004f);
    CHECK(std::fabs(model.half_deviation / model.deviation - 0.726f) < 0.004f);
}

TEST("lloyd_max: the number of levels is 1 to 4096, of finite values") {
    const std::vector<float> x = {1, 2, 3}, infinite = {1, INFINITY};
    CHECK_EQ(lloyd_max(x, 1, 5).size(), 1u);
    CHECK_EQ(lloyd_max(x, 4096, 1).size(), 4096u);
    for (const std::uint32_t count : {0u, 4097u}) CHECK_THROWS(lloyd_max(x, count, 5), "1..4096");
    CHECK_THROWS(lloyd_max(infinite, 2, 5), "not finite");
    CHECK_THROWS(lloyd_max({}, 2, 5), "no data");
}

TEST("lloyd_max: levels of a normal distribution, of few values, of one") {
    const std::vector<float> x = normal(200000, 64);
    const std::vector<float> four = lloyd_max(x, 4, 200);
    const float expected[] = {-1.510f, -0.4528f, 0.4528f, 1.510f};  // Max 1960
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::fabs(four[i] - expected[i]) < 0.02f);
    const std::vector<float> sixteen = lloyd_max(x, 16, 50);
    CHECK(std::is_sorted(sixteen.begin(), sixteen.end()));
    double error = 0;
    for (const float value : x) {
        float nearest = INFINITY;
        for (const float level : sixteen) nearest = std::min(nearest, std::fabs(value - level));
        error += double{nearest} * double{nearest};
    }
    CHECK(error / static_cast<double>(x.size()) < 0.0097);  // 0.00954 is the optimum
    const std::vector<float> values{3, 1, 1, 2};
    const std::vector<float> levels = lloyd_max(values, 4, 50);
    for (const float value : values) CHECK(std::find(levels.begin(), levels.end(), value) != levels.end());
    CHECK(lloyd_max(std::vector<float>{5}, 1, 1) == std::vector<float>{5});
    CHECK_THROWS(lloyd_max(std::vector<float>{}, 4, 1), "no data");
    CHECK_THROWS(lloyd_max(std::vector<float>{NAN}, 4, 1), "not finite");
}

}  // namespace
