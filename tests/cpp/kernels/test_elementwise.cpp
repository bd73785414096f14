// Conversions, encoders and the Hadamard transform: f16 exhaustively, and compared with rules that share no code with
// the specification.
#include "check.h"
#include "kernels/float_cases.h"

using namespace fewbits::kernels;
using cases::Guarded;
using cases::infinity;
using cases::nan_value;
using cases::random_floats;
using cases::same_bits;

namespace {

std::vector<std::uint16_t> every_half() {
    std::vector<std::uint16_t> all(65536);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
    return all;
}

std::uint16_t narrow(float x) {
    std::uint16_t out;
    cases::scalar().f32_to_f16(&x, 1, &out);
    return out;
}

TEST("f16: every half widens to its value and comes back") {
    const auto all = every_half();
    std::vector<float> wide(all.size());
    cases::scalar().f16_to_f32(all.data(), all.size(), wide.data());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const int exponent = static_cast<int>(i >> 10 & 31), mantissa = static_cast<int>(i & 1023);
        const float sign = i & 0x8000 ? -1.0f : 1.0f;
        if (exponent == 31 && mantissa) {
            CHECK(std::isnan(wide[i]));
            CHECK_EQ(narrow(wide[i]), i | 0x200);  // quiet, payload kept
            continue;
        }
        float value =
            std::ldexp(static_cast<float>(exponent ? mantissa + 1024 : mantissa), (exponent ? exponent : 1) - 25);
        if (exponent == 31) value = infinity;
        CHECK(same_bits(wide[i], sign * value));
        CHECK_EQ(narrow(wide[i]), i);
    }
}

TEST("f16: to nearest, ties to even, at every boundary between two halves") {
    for (std::uint16_t low = 0; low < 0x7c00; ++low) {
        float at[2];
        const std::uint16_t pair[2] = {low, static_cast<std::uint16_t>(low + 1)};
        cases::scalar().f16_to_f32(pair, 2, at);
        if (low == 0x7bff) at[1] = 65536;          // the value that infinity represents in rounding
        const float middle = (at[0] + at[1]) / 2;  // exact: floats are finer than halves everywhere
        const std::uint16_t even = low % 2 ? pair[1] : pair[0];
        CHECK_EQ(narrow(middle), even);
        CHECK_EQ(narrow(std::nextafter(middle, 0.0f)), low);
        CHECK_EQ(narrow(std::nextafter(middle, infinity)), pair[1]);
        CHECK_EQ(narrow(-middle), even | 0x8000);
    }
    CHECK_EQ(narrow(1e30f), 0x7c00);
    CHECK_EQ(narrow(-infinity), 0xfc00);
    CHECK_EQ(narrow(1e-40f), 0);
    CHECK_EQ(narrow(-0.0f), 0x8000);
}

TEST("f16: every set converts with the same bits, NaN included") {
    const Guarded<std::uint16_t> all(every_half());
    std::vector<float> patterns(1 << 20);  // bit patterns, so every exponent and many NaNs
    for (std::size_t i = 0; i < patterns.size(); ++i) {
        patterns[i] = std::bit_cast<float>(static_cast<std::uint32_t>(fewbits::random_bits(5, i)));
    }
    const Guarded<float> x(patterns);
    Guarded<float> wide(all.size()), got_wide(all.size());
    Guarded<std::uint16_t> half(x.size()), got_half(x.size());
    cases::scalar().f16_to_f32(all.data(), all.size(), wide.data());
    cases::scalar().f32_to_f16(x.data(), x.size(), half.data());
    for (const Kernels* set : cases::fast_sets()) {
        set->f16_to_f32(all.data(), all.size(), got_wide.data());
        set->f32_to_f16(x.data(), x.size(), got_half.data());
        CHECK(std::memcmp(wide.data(), got_wide.data(), 4 * all.size()) == 0);
        CHECK(std::memcmp(half.data(), got_half.data(), 2 * x.size()) == 0);
    }
}

TEST("f16: any length, nothing read or written outside") {
    for (const Kernels* set : cases::fast_sets()) {
        for (std::size_t n = 0; n <= 40; ++n) {
            const Guarded<float> x(random_floats(n, n));
            Guarded<std::uint16_t> half(n), got_half(n);
            Guarded<float> back(n), got_back(n);
            cases::scalar().f32_to_f16(x.data(), n, half.data());
            set->f32_to_f16(x.data(), n, got_half.data());
            cases::scalar().f16_to_f32(half.data(), n, back.data());
            set->f16_to_f32(half.data(), n, got_back.data());
            for (std::size_t i = 0; i < n; ++i) CHECK(half[i] == got_half[i] && back[i] == got_back[i]);
        }
    }
}

TEST("encode_uniform: nearest even, clamped, NaN to the lowest code") {
    const std::vector<float> x = {-9,    -2.25f, -1.75f, -1.25f,   -0.25f,    0.25f,
                                  0.75f, 1.25f,  9,      infinity, -infinity, nan_value};
    const std::vector<int> codes = {0, 0, 0, 2, 4, 4, 6, 6, 7, 7, 0, 0};  // round(2 x) in -4..3, plus 4
    for (const Kernels* set : cases::all_sets()) {
        Guarded<std::uint8_t> out(x.size());
        set->encode_uniform(Guarded<float>(x).data(), x.size(), 2, -4, 3, out.data());
        for (std::size_t i = 0; i < x.size(); ++i) CHECK_EQ(int{out[i]}, codes[i]);
    }
    for (const Kernels* set : cases::fast_sets()) {
        for (std::size_t n = 0; n <= 70; ++n) {
            const Guarded<float> values(random_floats(n, n));
            Guarded<std::uint8_t> expected(n), got(n);
            for (const float scale : {0.3f, 127.0f, 300.0f}) {
                cases::scalar().encode_uniform(values.data(), n, scale, -128, 127, expected.data());
                set->encode_uniform(values.data(), n, scale, -128, 127, got.data());
                for (std::size_t i = 0; i < n; ++i) CHECK_EQ(int{got[i]}, int{expected[i]});
            }
        }
    }
}

TEST("encode_levels: how many edges are reached") {
    for (const Kernels* set : cases::all_sets()) {
        for (std::uint32_t n_edges = 0; n_edges <= 15; ++n_edges) {
            Guarded<float> edges(n_edges);
            for (std::uint32_t e = 0; e < n_edges; ++e) edges[e] = static_cast<float>(e) / 8 - 1;
            for (std::size_t n = 0; n <= 40; ++n) {
                auto values = random_floats(n + n_edges, n);
                for (std::size_t i = 0; i < n; i += 3) values[i] = std::round(values[i] * 8) / 8;  // exactly on an edge
                if (n > 5) values[4] = nan_value;
                const Guarded<float> x(values);
                Guarded<std::uint8_t> out(n);
                set->encode_levels(x.data(), n, edges.data(), n_edges, out.data());
                for (std::size_t i = 0; i < n; ++i) {
                    const auto reached =
                        std::count_if(edges.data(), edges.data() + n_edges, [&](float edge) { return x[i] >= edge; });
                    CHECK_EQ(int{out[i]}, static_cast<int>(reached));
                }
            }
        }
    }
}

TEST("hadamard: the matrix of signs, and its own inverse up to n") {
    for (const Kernels* set : cases::all_sets()) {
        for (std::size_t n = 1; n <= 4096; n *= 2) {
            Guarded<float> x(n);
            for (std::size_t i = 0; i < n; ++i) x[i] = static_cast<float>(fewbits::random_below(n, i, 201)) - 100;
            const std::vector<float> before(x.data(), x.data() + n);
            set->hadamard(x.data(), n);  // integers: every sum is exact
            for (std::size_t row = 0; row < n; row += 1 + n / 64) {
                float sum = 0;
                for (std::size_t i = 0; i < n; ++i) sum += std::popcount(row & i) % 2 ? -before[i] : before[i];
                CHECK_EQ(x[row], sum);
            }
            set->hadamard(x.data(), n);
            for (std::size_t i = 0; i < n; ++i) CHECK_EQ(x[i], before[i] * static_cast<float>(n));
        }
    }
}

TEST("hadamard: every set rounds as the specification") {
    for (std::size_t n = 1; n <= 4096; n *= 2) {
        const auto values = random_floats(n, n);
        Guarded<float> expected(values);
        cases::scalar().hadamard(expected.data(), n);
        for (const Kernels* set : cases::fast_sets()) {
            Guarded<float> got(values);
            set->hadamard(got.data(), n);
            for (std::size_t i = 0; i < n; ++i) CHECK(same_bits(got[i], expected[i]));
        }
    }
}

TEST("signed_hadamard: every set rounds as the specification, in place too") {
    for (const std::size_t dim : {1u, 2u, 7u, 8u, 9u, 16u, 31u, 48u, 100u, 128u}) {
        for (const std::size_t first : {1u, 2u, 3u, 7u, 8u, 9u, 16u, 24u, 33u}) {
            std::size_t size = first;
            while (size < dim) size *= 2;
            const std::size_t n = 1 + dim % 3, stride = dim + first % 2, out_stride = size + dim % 2;
            const auto values = random_floats(dim, n * stride);
            const Guarded<float> x(values);
            auto drawn = random_floats(first, size);
            for (float& sign : drawn) sign = sign < 0 ? -1.0f : 1.0f;
            const Guarded<float> signs(drawn);
            std::vector<float> expected(n * out_stride, 0.5f);
            for (std::size_t i = 0; i < n; ++i) {
                float* out = expected.data() + i * out_stride;
                for (std::size_t j = 0; j < size; ++j) out[j] = j < dim ? drawn[j] * values[i * stride + j] : 0.0f;
                for (std::size_t half = first; half < size; half *= 2) {
                    for (std::size_t j = 0; j < size; ++j) {
                        if (j / half % 2) continue;
                        const float low = out[j], high = out[j + half];
                        out[j] = low + high;
                        out[j + half] = low - high;
                    }
                }
            }
            for (const Kernels* set : cases::all_sets()) {
                Guarded<float> out(std::vector<float>(n * out_stride, 0.5f));
                set->signed_hadamard({x.data(), n, stride, dim, signs.data(), size, first, out.data(), out_stride});
                for (std::size_t i = 0; i < expected.size(); ++i) CHECK(same_bits(out[i], expected[i]));
                if (dim != size || stride != dim) continue;
                Guarded<float> in_place(values);
                set->signed_hadamard({in_place.data(), n, dim, dim, signs.data(), dim, first, in_place.data(), dim});
                for (std::size_t i = 0; i < n * dim; ++i)
                    CHECK(same_bits(in_place[i], expected[i / dim * out_stride + i % dim]));
            }
        }
    }
}

TEST("add_to_buckets: every set returns the specification's sums, which are sums in order") {
    constexpr std::uint32_t count = 5;
    for (const std::size_t dim : {1u, 7u, 8u, 16u, 19u, 64u, 131u}) {
        for (const std::size_t n : {0u, 1u, 2u, 40u}) {
            const std::size_t stride = dim + n % 3;
            const Guarded<float> x(random_floats(dim + n, n * stride));
            std::vector<std::uint32_t> numbers;
            for (std::uint32_t i = 0; i < n; ++i) numbers.push_back((i * 7 + i / 3) % (count - 1));
            const Guarded<std::uint32_t> bucket(numbers);
            const auto before = random_floats(dim, count * dim);
            for (const Kernels* set : cases::all_sets()) {
                Guarded<float> out(before);
                set->add_to_buckets({x.data(), n, stride, dim, bucket.data(), out.data()});
                for (std::uint32_t b = 0; b < count; ++b) {
                    for (std::size_t j = 0; j < dim; ++j) {
                        float sum = before[b * dim + j];
                        for (std::size_t i = 0; i < n; ++i)
                            if (numbers[i] == b) sum += x[i * stride + j];
                        CHECK(same_bits(out[b * dim + j], sum));
                    }
                }
            }
        }
    }
}

}  // namespace
