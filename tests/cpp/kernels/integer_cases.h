// The integer scans defined on row-form codes: the oracle that every instruction set must match, including the scalar
// one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "kernel_cases.h"

namespace integer_cases {

using fewbits::kernels::Hit;
using fewbits::kernels::Kernels;
using fewbits::kernels::Scan;
using fewbits::kernels::ScanQuery;
using kernel_cases::Guarded;
using kernel_cases::Random;

using Kernel = void (*)(const Scan&);

// A kind of scan: elements are looked up or multiplied or, for dot_bits, are parts of the codes of a quad.
struct Kind {
    const char* name;
    Kernel (*kernel)(const Kernels&);
    std::uint32_t element_bits;
    std::uint32_t table_bytes;  // per element
    std::uint32_t levels;       // number of levels that the kernel reads
    bool is_table;
    std::uint32_t bits = 0;  // for dot_bits
    bool digits = false;     // levels say where sums are multiplied by 4

    // m rounded up to a number of elements that the kernel accepts.
    std::uint32_t elements(std::uint32_t m) const { return bits > 0 ? (m + bits - 1) / bits * bits : m; }
    std::size_t table_size(std::uint32_t m) const { return bits > 0 ? m / bits * 4 : std::size_t{m} * table_bytes; }
};

template <std::uint32_t bits>
constexpr Kind dot_bits(const char* name) {
    return {name, [](const Kernels& k) { return k.dot_bits[bits]; }, 4, 0, 0, false, bits};
}

inline constexpr Kind kinds[] = {
    {"scan4", [](const Kernels& k) { return k.scan4; }, 4, 16, 0, true},
    {"scan8", [](const Kernels& k) { return k.scan8; }, 8, 256, 0, true},
    {"dot4", [](const Kernels& k) { return k.dot4; }, 4, 1, 16, false},
    {"dot8", [](const Kernels& k) { return k.dot8; }, 8, 1, 0, false},
    dot_bits<1>("dot_bits[1]"),
    dot_bits<2>("dot_bits[2]"),
    dot_bits<3>("dot_bits[3]"),
    dot_bits<4>("dot_bits[4]"),
    dot_bits<5>("dot_bits[5]"),
    dot_bits<6>("dot_bits[6]"),
    dot_bits<7>("dot_bits[7]"),
    {"dot_digits", [](const Kernels& k) { return k.dot_digits; }, 4, 0, 0, false, 2, true},
};

// small: random codes and queries for which two quads fit a word (kernels.h), and tables of which two entries fit a
// byte; full: the largest such, and one more.
enum class Fill { random, zero, largest, smallest, small, full };

// The code of dimension j of the quad whose first element is at `quad`.
inline int code_of(std::uint32_t bits, const std::uint8_t* quad, std::uint32_t j) {
    int code = 0;
    if (bits >= 4) {
        code = quad[j];
        quad += 4;
    }
    if (bits % 4 >= 2) {
        code = 4 * code + quad[j / 2] / (j % 2 ? 4 : 1) % 4;
        quad += 2;
    }
    return bits % 2 ? 2 * code + (*quad >> j) % 2 : code;
}

// The sum over a row of m elements.
inline std::int64_t sum_of(const Kind& kind, const std::uint8_t* table, const std::uint8_t* levels,
                           const std::uint8_t* codes, std::uint32_t m) {
    std::int64_t sum = 0;
    const auto query = [table](std::size_t j) { return static_cast<std::int8_t>(table[j]); };
    for (std::uint32_t s = 0; s < m; ++s) {
        if (kind.bits > 0) {
            if (s % kind.bits > 0) continue;
            if (kind.digits && levels[s / 2] != 0) sum *= 4;
            for (std::uint32_t j = 0; j < 4; ++j)
                sum += query(s / kind.bits * 4 + j) * code_of(kind.bits, codes + s, j);
        } else if (kind.is_table) {
            sum += table[std::size_t{s} * kind.table_bytes + codes[s]];
        } else {
            sum += query(s) * (kind.levels > 0 ? levels[codes[s]] : codes[s]);
        }
    }
    return sum;
}

// Rows of codes (one byte per element) as a list of blocks.
inline std::vector<std::uint8_t> pack_blocks(std::uint32_t bits, const std::vector<std::uint8_t>& codes,
                                             std::uint32_t n, std::uint32_t m) {
    std::vector<std::uint8_t> out;
    for (std::uint32_t first = 0; first < n; first += 32) {
        const std::uint32_t vectors = std::min(32u, n - first);
        for (std::uint32_t s = 0; s < m; ++s) {
            for (std::uint32_t v = 0; v < vectors; ++v) {
                const std::uint8_t code = codes[std::size_t{first + v} * m + s];
                if (bits == 4 && v % 2 == 1)
                    out.back() = static_cast<std::uint8_t>(out.back() | code << 4);
                else
                    out.push_back(code);
            }
        }
    }
    return out;
}

// A list and its queries, with every buffer ending at a guard page.
class List {
public:
    List(const Kind& what, std::uint32_t vectors, std::uint32_t elements, std::uint32_t n_queries, Fill fill,
         std::uint64_t seed)
        : kind(what), n(vectors), m(what.elements(elements)), random(seed), codes_(std::size_t{n} * m) {
        for (std::uint8_t& code : codes_) code = fill_byte(fill, kind.element_bits == 8 ? 255 : 15);
        blocks_ = std::make_unique<Guarded<std::uint8_t>>(pack_blocks(kind.element_bits, codes_, n, m));
        levels_ = std::make_unique<Guarded<std::uint8_t>>(kind.digits ? m / 2 : kind.levels);
        for (std::uint32_t i = 0; i < kind.levels; ++i) (*levels_)[i] = fill_byte(fill, 127);
        for (std::uint32_t i = 0; kind.digits && i < m / 2; ++i)  // few: sums fit int32
            (*levels_)[i] = i == 0 || i == 1 || i == m / 4 || i + 1 == m / 2 ? static_cast<std::uint8_t>(1 + i % 7) : 0;
        for (std::uint32_t q = 0; q < n_queries; ++q) {
            tables_.push_back(std::make_unique<Guarded<std::uint8_t>>(kind.table_size(m)));
            hits_.push_back(std::make_unique<Guarded<Hit>>(n));
            for (std::size_t i = 0; i < tables_[q]->size(); ++i) (*tables_[q])[i] = table_byte(fill, q);
            queries.push_back({tables_[q]->data(), 0.37f, -1.5f, 0.25f, -std::numeric_limits<float>::infinity(),
                               hits_[q]->data(), 0, 0.7f - static_cast<float>(q)});
            std::vector<std::int64_t> of_query(n);
            for (std::uint32_t v = 0; v < n; ++v)
                of_query[v] = sum_of(kind, tables_[q]->data(), levels_->data(), codes_.data() + std::size_t{v} * m, m);
            sums.push_back(of_query);
        }
        scan = {blocks_->data(), n, m, 0, nullptr, nullptr, nullptr, levels_->data(), queries.data(), n_queries};
    }

    void set_factors(bool with_a, bool with_b) {
        a_ = std::make_unique<Guarded<float>>(n);
        b_ = std::make_unique<Guarded<float>>(n);
        for (std::uint32_t v = 0; v < n; ++v) {
            (*a_)[v] = random.uniform(-2, 2);
            (*b_)[v] = random.uniform(-100, 100);
        }
        scan.a = with_a ? a_->data() : nullptr;
        scan.b = with_b ? b_->data() : nullptr;
    }
    Guarded<float>& a() { return *a_; }
    Guarded<float>& b() { return *b_; }

    void set_allow(std::uint32_t first_row) {
        scan.first_row = first_row;
        const std::size_t bytes = (std::size_t{first_row} + n + 7) / 8;
        allow_ = std::make_unique<Guarded<std::uint8_t>>(bytes + 8);
        for (std::size_t i = 0; i < bytes + 8; ++i) (*allow_)[i] = random.byte();
        for (std::size_t i = 0; i < std::min<std::size_t>(bytes, 9); ++i) (*allow_)[i] = 0;  // blocks with no bit set
        scan.allow = allow_->data();
    }

    float score(const ScanQuery& query, std::uint32_t q, std::uint32_t v) const {
        float score = static_cast<float>(sums[q][v]) * query.scale;
        score += query.offset;
        if (scan.a) score *= scan.a[v];
        if (scan.b) score += query.b_scale * scan.b[v];
        return score + query.constant;
    }

    // The expected hits of query q.
    std::vector<Hit> expected(std::uint32_t q) const {
        std::vector<Hit> hits;
        for (std::uint32_t v = 0; v < n; ++v) {
            const std::size_t row = std::size_t{scan.first_row} + v;
            const float of_v = score(queries[q], q, v);
            if (of_v >= queries[q].threshold && (!scan.allow || (scan.allow[row / 8] >> (row % 8) & 1)))
                hits.push_back({scan.first_row + v, of_v});
        }
        return hits;
    }

    const Kind& kind;
    std::uint32_t n, m;
    Random random;
    std::vector<ScanQuery> queries;
    std::vector<std::vector<std::int64_t>> sums;
    Scan scan;

private:
    std::uint8_t fill_byte(Fill fill, int largest) {
        if (fill == Fill::random || fill == Fill::small)
            return static_cast<std::uint8_t>(random.byte() % (largest + 1));
        return static_cast<std::uint8_t>(fill == Fill::zero ? 0 : largest);
    }
    std::uint8_t table_byte(Fill fill, std::uint32_t q) {
        if (kind.is_table && fill == Fill::full) return static_cast<std::uint8_t>(127 + (q == 2));
        if (kind.is_table)
            return fill == Fill::smallest ? std::uint8_t{0} : fill_byte(fill, fill == Fill::small ? 127 : 255);
        int value = static_cast<int>(random.below(255)) - 127;
        if (fill == Fill::zero) value = 0;
        if (fill == Fill::largest) value = q % 2 == 0 ? 127 : -127;
        if (fill == Fill::smallest) value = -127;
        const int most = kind.element_bits == 8 ? 32 : 64;
        if (fill == Fill::small) value = random.byte() % (2 * most + 1) - most;
        if (fill == Fill::full) value = (q % 2 == 0 ? 1 : -1) * (most + (q == 2));
        return static_cast<std::uint8_t>(static_cast<std::int8_t>(value));
    }

    std::vector<std::uint8_t> codes_;
    std::unique_ptr<Guarded<std::uint8_t>> blocks_, levels_, allow_;
    std::unique_ptr<Guarded<float>> a_, b_;
    std::vector<std::unique_ptr<Guarded<std::uint8_t>>> tables_;
    std::vector<std::unique_ptr<Guarded<Hit>>> hits_;
};

}  // namespace integer_cases
