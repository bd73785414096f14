// Codes of digits: with as many bits in every dimension they are RaBitQ's own, and more bits are closer.
#include "codec/scalar/levels.h"
#include "codec_fixture.h"

namespace {

using namespace fixture;

TEST("digits: with as many bits in every dimension, codes and scores of scans are those of equal bits") {
    constexpr std::uint32_t dim = 50;
    for (std::uint32_t digits = 1; digits <= 4; ++digits) {
        const std::uint32_t bits = 2 * digits;
        const auto plain = make_codec(rabitq_parts(bits, dim), "codec", dim, Metric::ip, false);
        const float center = static_cast<float>((1u << bits) - 1) / 2;
        const codec::LevelModel model = codec::model_levels(codec::uniform_values(bits));
        Parts parts = digits_parts(1, dim);
        set_array(parts, "codec.digits", std::vector<std::uint8_t>((dim + 3) / 4, static_cast<std::uint8_t>(digits)));
        set_array(parts, "codec.step", std::vector<float>(dim, codec::outermost_level / (model.deviation * center)));
        set_array(parts, "codec.value", std::vector<float>(dim, 1.0f));
        const auto own = make_codec(parts, "codec", dim, Metric::ip, false);
        CHECK_EQ(own->layout().row_bytes(), std::size_t{(dim + 3) / 4} * digits);
        const Coded one(*plain, normal(200 * dim, 5), {}), other(*own, one.x, {});
        const std::vector<float> query = normal(dim, 6);
        const auto hits = one.by_scan(query.data(), -INFINITY), others = other.by_scan(query.data(), -INFINITY);
        const std::vector<float> rows = one.by_rows(query.data()), other_rows = other.by_rows(query.data());
        std::size_t same = 0;
        for (std::size_t i = 0; i < one.n; ++i) {
            if (one.a[i] != other.a[i]) continue;  // a coordinate on the edge of two points, rounded differently
            ++same;
            CHECK_EQ(hits[i].score, others[i].score);
            CHECK(std::fabs(rows[i] - other_rows[i]) < 2e-4f);  // levels have other offsets, whose sums are rounded
            for (std::uint32_t j = 0; j < dim; ++j) CHECK_EQ(one.decoded[i * dim + j], other.decoded[i * dim + j]);
        }
        CHECK(same >= one.n - 4);
    }
}

TEST("digits: what has no code is decoded as the mean, and does not score") {
    constexpr std::uint32_t dim = 24;
    Parts parts = digits_parts(3, dim);
    set_array(parts, "codec.digits", std::vector<std::uint8_t>{3, 1, 1, 0, 0, 0});
    const auto codec = make_codec(parts, "codec", dim, Metric::ip, false);
    CHECK_EQ(codec->layout().row_bytes(), 5u);
    const Coded coded(*codec, normal(40 * dim, 7), {});
    const std::vector<float> mean = normal(dim, 71);
    for (std::size_t i = 0; i < coded.n; ++i)
        for (std::uint32_t j = 12; j < dim; ++j) CHECK_EQ(coded.decoded[i * dim + j], mean[j]);
    std::vector<float> query(dim, 0.0f);
    std::fill(query.begin() + 12, query.end(), 1.0f);
    const auto hits = coded.by_scan(query.data(), -INFINITY);
    for (const kernels::Hit& hit : hits) CHECK_EQ(hit.score, hits.front().score);
}

}  // namespace
