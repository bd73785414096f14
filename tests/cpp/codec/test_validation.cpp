// Constructors reject everything that a hostile file may contain, and name it.
#include <cmath>
#include <functional>
#include <limits>

#include "codec_fixture.h"

namespace {

using namespace fixture;

void refused(Parts parts, const std::function<void(Parts&)>& damage, const char* text) {
    CHECK(make_codec(parts, "codec", 8, Metric::ip, false) != nullptr);
    damage(parts);
    try {
        make_codec(parts, "codec", 8, Metric::ip, false);
        check::report(__FILE__, __LINE__, std::string("accepted: ") + text);
    } catch (const Error& error) {
        CHECK(error.kind() == ErrorKind::corrupt);
        if (!std::strstr(error.what(), text)) check::report(__FILE__, __LINE__, error.what());
    }
}

auto param(const char* name, std::uint64_t value) {
    return [name, value](Parts& parts) { parts.params[name] = value; };
}
auto without(const char* name) {
    return [name](Parts& parts) {
        parts.params.erase(name);
        parts.arrays.erase(name);
    };
}
template <class T>
auto array(const char* name, std::vector<T> values) {
    return [name, values](Parts& parts) { set_array(parts, name, values); };
}

TEST("codec: damaged params and arrays are refused by name") {
    for (const Parts& parts : {float_parts(32), scalar_parts(4, 8), pq_parts(4, 4, 8)}) {
        refused(parts, param("codec.kind", 6), "codec.kind");
        refused(parts, param("codec.kind", 0), "codec.kind");
        refused(parts, without("codec.kind"), "codec.kind");
        refused(parts, param("codec.bits", 5), "codec.bits");
        refused(parts, param("codec.bits", 1ull << 40), "codec.bits");
        refused(parts, without("codec.bits"), "codec.bits");
    }
    refused(float_parts(32), param("codec.bits", 24), "codec.bits");

    const Parts scalar = scalar_parts(4, 8);
    refused(scalar, array("codec.mean", std::vector<float>(7)), "codec.mean");
    refused(scalar, array("codec.mean", std::vector<float>(8, NAN)), "codec.mean");
    refused(scalar, without("codec.step"), "codec.step");
    refused(scalar, array("codec.step", std::vector<float>(8, -1.0f)), "codec.step");
    refused(scalar, array("codec.step", std::vector<float>(8, 1e-40f)), "codec.step");
    refused(scalar, array("codec.step", std::vector<float>(8, INFINITY)), "codec.step");
    refused(scalar, array("codec.step", std::vector<std::uint8_t>(32)), "codec.step");
    refused(scalar, without("codec.levels"), "codec.levels");
    auto twice = uniform_levels();
    twice[1] = 0;
    twice[14] = 127;
    refused(scalar, array("codec.levels", twice), "ascending");
    refused(scalar, param("codec.staged", 3), "codec.staged");
    auto levels = uniform_levels();
    levels[15] = 128;
    refused(scalar, array("codec.levels", levels), "at most 127");
    levels = uniform_levels();
    levels[3] += 1;
    refused(scalar, array("codec.levels", levels), "symmetry");
    refused(scalar_parts(8, 8), param("codec.staged", 1), "codec.staged");

    const Parts rabitq = rabitq_parts(2, 8);
    refused(rabitq, param("codec.bits", 0), "codec.bits");
    refused(rabitq, param("codec.bits", 9), "codec.bits");
    refused(rabitq, param("codec.staged", 3), "codec.staged");
    refused(rabitq, without("codec.mean"), "codec.mean");
    refused(rabitq, array("codec.mean", std::vector<float>(8, NAN)), "codec.mean");

    using Digits = std::vector<std::uint8_t>;
    const Parts digits = digits_parts(3, 8);
    refused(digits, array("codec.digits", Digits{1, 2}), "ascend");
    refused(digits, array("codec.digits", Digits{0, 0}), "codec.digits");
    refused(digits, array("codec.digits", Digits{5, 1}), "codec.digits");
    refused(digits, array("codec.digits", Digits{2}), "codec.digits");
    refused(digits, array("codec.digits", std::vector<float>(2, 1.0f)), "codec.digits");
    refused(digits, param("codec.bits", 2), "codec.digits");
    refused(digits, param("codec.staged", 0), "codec.digits");
    for (const char* name : {"codec.step", "codec.value"}) {
        refused(digits, without(name), name);
        for (const float bad : {0.0f, -1.0f, 1e-40f, NAN, INFINITY})
            refused(digits, array(name, std::vector<float>(8, bad)), name);
        refused(digits, array(name, std::vector<float>(7, 1.0f)), name);
    }
    refused(digits, without("codec.mean"), "codec.mean");

    const Parts pq = pq_parts(4, 4, 8);
    refused(pq, param("codec.m", 0), "codec.m");
    refused(pq, param("codec.m", 9), "codec.m");
    refused(pq, param("codec.m", 3), "codec.codebook");
    refused(pq, param("codec.bits", 8), "codec.codebook");
    refused(pq, without("codec.codebook"), "codec.codebook");
    refused(pq, array("codec.codebook", std::vector<float>(128, INFINITY)), "codec.codebook");
    refused(pq, array("codec.scoring", std::vector<float>(127)), "codec.scoring");
    refused(pq, array("codec.eta", std::vector<float>{0.5f}), "codec.eta");
    refused(pq, array("codec.eta", std::vector<float>{NAN}), "codec.eta");
    refused(pq, array("codec.eta", std::vector<float>{2, 2}), "codec.eta");
}

// What lies exactly on a bound is accepted, and the next number is not.
void bounded(Parts parts, const char* name, float accepted, float beyond, std::uint32_t dim = 8) {
    const auto one = [&](float value) {
        set_array(parts, name, std::vector<float>(parts.arrays.at(name).bytes.size() / sizeof(float), value));
        return make_codec(parts, "codec", dim, Metric::ip, false) != nullptr;
    };
    CHECK(one(accepted));
    CHECK_THROWS(one(beyond), name + sizeof "codec");
}

TEST("codec: numbers on the bounds of what is accepted, and just beyond") {
    constexpr float least = std::numeric_limits<float>::min();
    const float below = std::nextafter(least, 0.0f);
    bounded(scalar_parts(4, 8), "codec.step", least, below);
    bounded(scalar_parts(4, 8), "codec.step", 0, below);
    for (const char* name : {"codec.step", "codec.value"}) bounded(digits_parts(1, 8), name, least, below);
    Parts pq = pq_parts(4, 4, 8);
    set_array(pq, "codec.eta", std::vector<float>(1));
    bounded(pq, "codec.eta", 1, std::nextafter(1.0f, 0.0f));
    bounded(pq, "codec.eta", 1e6f, std::nextafter(1e6f, 2e6f));
    Parts binary;
    binary.params = {{"codec.kind", 5}, {"codec.bits", 2}, {"codec.symmetric", 0}, {"codec.m", 8}};
    set_array(binary, "codec.weight", std::vector<float>(1));
    bounded(binary, "codec.weight", 1 / 1000.0f, std::nextafter(1 / 1000.0f, 0.0f));
    bounded(binary, "codec.weight", 1000, std::nextafter(1000.0f, 2000.0f));
    binary.arrays.erase("codec.weight");
    refused(binary, param("codec.m", 9), "codec.m");
    for (std::uint32_t most = 1; most <= 4; ++most)
        CHECK(make_codec(digits_parts(most, 8), "codec", 8, Metric::ip, false) != nullptr);

    Parts direction = float_parts(32);
    set_array(direction, "codec.direction", std::vector<float>(1));
    bounded(direction, "codec.direction", 1 + 0x1p-10f, 1 + 0x1.01p-10f, 1);
    bounded(direction, "codec.direction", 1 - 0x1p-10f, 1 - 0x1.01p-10f, 1);
    CHECK_THROWS(make_codec(direction, "codec", 1, Metric::l2, false), "got one under metric l2");
}

TEST("codec: dimensions 1 to 65535, metrics l2 and ip") {
    for (const std::uint32_t dim : {1u, 65535u})
        CHECK_EQ(make_codec(float_parts(32), "codec", dim, Metric::l2, false)->dim(), dim);
    for (const std::uint32_t dim : {0u, 65536u})
        CHECK_THROWS(make_codec(float_parts(32), "codec", dim, Metric::l2, false), "1..65535");
    CHECK_THROWS(make_codec(float_parts(32), "codec", 8, Metric::cosine, false), "l2 or ip");
}

TEST("float16: a value that it can not hold is refused") {
    const auto codec = make_codec(float_parts(16), "codec", 2, Metric::ip, false);
    const float held[] = {65504.0f, -65504.0f}, not_held[] = {1.0f, -70000.0f};
    std::vector<std::uint8_t> row(4);
    codec->encode({held, 1, 2}, nullptr, row.data(), {});
    CHECK_THROWS(codec->encode({not_held, 1, 2}, nullptr, row.data(), {}), "65504");
    const float rounded_down[] = {std::nextafter(65520.0f, 0.0f), 1.0f}, rounded_up[] = {65520.0f, 1.0f};
    codec->encode({rounded_down, 1, 2}, nullptr, row.data(), {});
    CHECK_THROWS(codec->encode({rounded_up, 1, 2}, nullptr, row.data(), {}), "65504");
}

TEST("codec: levels are not decoded without the lengths that scale them") {
    Parts binary;
    binary.params = {{"codec.kind", 5}, {"codec.bits", 2}, {"codec.symmetric", 0}, {"codec.m", 8}};
    for (const Parts& parts :
         {scalar_parts(4, 8), scalar_parts(8, 8), rabitq_parts(2, 8), rabitq_parts(1, 8), digits_parts(2, 8), binary}) {
        const auto codec = make_codec(parts, "codec", 8, Metric::ip, false);
        REQUIRE(codec->layout().has_a);
        const std::vector<std::uint8_t> row(codec->layout().row_bytes());
        std::vector<float> x(8);
        CHECK_THROWS(codec->decode(row.data(), {}, nullptr, 1, x.data()), "factors a");
    }
}

}  // namespace
