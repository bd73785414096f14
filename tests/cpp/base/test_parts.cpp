// Every failing lookup in Parts, and its message.
#include <cmath>
#include <limits>

#include "io/io_fixture.h"

namespace {

using namespace io_fixture;

TEST("sections: params") {
    const Parts parts = small_parts();
    CHECK_EQ(parts.param("dim"), 7u);
    CHECK_EQ(parts.param("dim", 7, 7), 7u);
    CHECK_EQ(parts.param_or("dim", 3), 7u);
    CHECK_EQ(parts.param_or("absent", 3), 3u);
    CHECK_THROWS(parts.param("absent"), "param 'absent' is missing");
    CHECK_THROWS(parts.param("dim", 8, 9), "param 'dim' is 7, expected 8..9");
    CHECK_THROWS(parts.param("dim", 1, 6), "param 'dim' is 7, expected 1..6");
}

TEST("sections: arrays") {
    const Parts parts = small_parts();
    CHECK_EQ(parts.array<float>("codec.mean", 7)[6], 7.0f);
    CHECK_EQ(parts.array_f16("partition.centroids", 21)[0], 1u);
    CHECK_EQ(parts.count<std::int64_t>("seg0.ids"), 5u);
    CHECK_EQ(parts.array<float>("seg0.a", 0).size(), 0u);
    CHECK_EQ(parts.array<float>("absent", 0).size(), 0u);
    CHECK(parts.has("z") && !parts.has("absent"));
    CHECK_THROWS(parts.array<float>("absent", 1), "array 'absent' is missing");
    CHECK_THROWS(parts.count<float>("absent"), "array 'absent' is missing");
    CHECK_THROWS(parts.array<float>("partition.centroids", 21), "is f16, expected f32");
    CHECK_THROWS(parts.count<float>("words"), "is u32, expected f32");
    CHECK_THROWS(parts.array<float>("codec.mean", 8), "has 28 bytes, expected 8 of f32");
    CHECK_THROWS(parts.array<float>("codec.mean", (std::size_t{1} << 62) + 7),
                 "has 28 bytes");  // 4 * count wraps to 28
}

TEST("sections: what is under a prefix, and nothing that only begins like it") {
    Parts parts = small_parts();
    parts.params = {{"seg.n", 1}, {"seg1.n", 2}, {"seg1.a.b", 3}, {"seg10.n", 4}, {"seg1", 5}};
    CHECK((parts.under("seg1").params == std::map<std::string, std::uint64_t>{{"a.b", 3}, {"n", 2}}));
    CHECK_EQ(parts.under("seg0").count<std::int64_t>("ids"), 5u);
    CHECK(parts.under("codec").has("mean") && !parts.under("codec").has("z"));
    CHECK(parts.under("absent").arrays.empty());
}

TEST("sections: arrays that cannot be read as their dtype") {
    Parts parts = small_parts();
    Array& mean = parts.arrays["codec.mean"];
    mean.bytes = mean.bytes.subspan(1, 24);
    CHECK_THROWS(parts.array<float>("codec.mean", 6), "not aligned");
    mean.bytes = mean.bytes.first(23);
    CHECK_THROWS(parts.count<float>("codec.mean"), "has 23 bytes");
}

TEST("sections: finite") {
    Parts parts;
    for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
        parts.arrays["x"] =
            make_array(DType::f32, std::vector<float>{0, -0.0f, std::numeric_limits<float>::max(), bad});
        CHECK_THROWS(parts.finite("x", 4), "array 'x' is not finite at element 3");
        parts.arrays["x"].bytes = parts.arrays["x"].bytes.first(12);
        CHECK_EQ(parts.finite("x", 3).size(), 3u);
    }
}

TEST("sections: dtypes") {
    const std::size_t widths[] = {1, 1, 2, 2, 4, 4, 8, 8};
    for (std::uint32_t i = 0; i < 8; ++i) {
        CHECK_EQ(dtype_bytes(static_cast<DType>(i + 1)), widths[i]);
        CHECK_EQ(dtype_name(static_cast<DType>(i + 1))[1] == '8', widths[i] == 1);
    }
    CHECK_THROWS(dtype_bytes(static_cast<DType>(9)), "unknown dtype 9");
    CHECK_THROWS(dtype_name(static_cast<DType>(0)), "unknown dtype 0");
}

}  // namespace
