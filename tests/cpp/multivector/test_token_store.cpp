// The token store: Chamfer similarity with each codec, and corrupt files.
#include <limits>

#include "codec/codec_fixture.h"
#include "io/io_fixture.h"
#include "multivector/token_codec.h"
#include "multivector/token_store.h"

namespace {

using namespace fewbits;
using io_fixture::Folder;
using io_fixture::Outcome;

constexpr std::uint32_t dim = 20;

// The parts of a codec of the fixture, as in a token store.
Parts token_parts(const Parts& codec, bool rotated = false) {
    Parts parts;
    for (const auto& [name, value] : codec.params) parts.params["tokens." + name.substr(6)] = value;
    for (const auto& [name, array] : codec.arrays) parts.arrays["tokens." + name.substr(6)] = array;
    parts.params["tokens.dim"] = dim;
    parts.params["tokens.on_disk"] = 0;
    if (!rotated) return parts;
    parts.params["tokens.transform.kind"] = 2;
    parts.params["tokens.transform.seed"] = 5;
    parts.params["tokens.transform.rounds"] = 3;
    parts.params["tokens.transform.out_dim"] = dim;
    return parts;
}

// Sets of 1, 2, ... tokens, so that some have short blocks and some several blocks.
struct Sets {
    explicit Sets(std::size_t n, std::uint64_t seed, std::size_t step = 1) {
        for (std::size_t i = 0; i < n; ++i) offsets.push_back(offsets.back() + static_cast<std::int64_t>(1 + i * step));
        tokens = fixture::normal(static_cast<std::size_t>(offsets.back()) * dim, seed);
    }
    SetsView view() const { return {{tokens.data(), tokens.size() / dim, dim}, offsets}; }

    std::vector<std::int64_t> offsets{0};
    std::vector<float> tokens;
};

std::vector<std::int64_t> counted(std::size_t n) {
    std::vector<std::int64_t> ids(n);
    for (std::size_t i = 0; i < n; ++i) ids[i] = static_cast<std::int64_t>(i);
    return ids;
}

void fill(TokenStore& store, const Sets& documents) {
    const auto ids = counted(documents.view().size());
    const auto builder = store.builder("");
    builder->append(documents.view(), ids.data(), 1);
    store.publish(*builder);
}

// The Chamfer similarity of the decoded tokens.
double expected(const Codec& codec, MatrixView query, MatrixView document) {
    std::vector<std::uint8_t> rows(document.rows * codec.layout().row_bytes());
    std::vector<float> a(document.rows), decoded(document.size());
    float* const factors = codec.layout().has_a ? a.data() : nullptr;
    codec.encode(document, nullptr, rows.data(), {factors, nullptr, nullptr});
    codec.decode(rows.data(), {factors, nullptr, nullptr}, nullptr, document.rows, decoded.data());
    double sum = 0;
    for (std::size_t q = 0; q < query.rows; ++q) {
        double best = -std::numeric_limits<double>::infinity();
        for (std::size_t t = 0; t < document.rows; ++t) {
            double dot = 0;
            for (std::size_t j = 0; j < dim; ++j) dot += double{query.row(q)[j]} * decoded[t * dim + j];
            best = std::max(best, dot);
        }
        sum += best;
    }
    return sum;
}

std::vector<Parts> all_codecs() {
    std::vector<Parts> all;
    for (const std::uint32_t bits : {16u, 32u}) all.push_back(token_parts(fixture::float_parts(bits)));
    for (const std::uint32_t bits : {4u, 8u}) all.push_back(token_parts(fixture::scalar_parts(bits, dim)));
    all.push_back(token_parts(fixture::scalar_parts(4, dim, true)));
    for (const std::uint32_t bits : {4u, 8u}) all.push_back(token_parts(fixture::pq_parts(bits, 10, dim)));
    for (const std::uint32_t bits : {1u, 2u, 5u}) all.push_back(token_parts(fixture::rabitq_parts(bits, dim), true));
    return all;
}

TEST("token store: scores are Chamfer similarities of the tokens as coded") {
    const Sets documents(75, 1), queries(6, 2, 3);
    const auto ids = counted(75);
    std::vector<std::int64_t> candidates;
    for (std::size_t q = 0; q < 6; ++q) candidates.insert(candidates.end(), ids.begin(), ids.end());
    for (const Parts& parts : all_codecs()) {
        TokenStore store(parts);
        fill(store, documents);
        std::vector<std::int64_t> found(candidates.size());
        std::vector<float> scores(found.size());
        store.rerank(queries.view(), candidates.data(), 75, 75, found.data(), scores.data(), 1);
        const auto codec = make_token_codec(parts, dim);
        for (std::size_t q = 0; q < 6; ++q) {
            const MatrixView query = queries.view()[q];
            for (std::size_t i = 0; i < 75; i += 7) {
                const auto document = static_cast<std::size_t>(found[q * 75 + i]);
                const double right = expected(*codec, query, documents.view()[document]);
                // For eight bits of tables and queries; with staged codes the first stage may cap the second.
                CHECK(std::abs(scores[q * 75 + i] - right) <= 0.25 * static_cast<double>(query.rows));
            }
        }
    }
}

TEST("token store: a file that lies is refused, or searched within bounds") {
    const Folder folder;
    const Sets documents(40, 3), queries(3, 4, 5);
    const auto ids = counted(40);
    std::vector<std::int64_t> candidates;
    for (std::size_t q = 0; q < 3; ++q) candidates.insert(candidates.end(), ids.begin(), ids.end());
    std::size_t tried = 0, opened = 0;
    const auto attempt = [&](const Parts& parts) {
        ++tried;
        const auto written = write_bytes(parts);
        const auto* begin = reinterpret_cast<const unsigned char*>(written.data());
        io_fixture::dump(folder.file("a"), {begin, begin + written.size()});
        for (const bool mapped : {true, false}) {
            const Outcome what = io_fixture::outcome([&] {
                const auto store = TokenStore::open(folder.file("a"), mapped);
                std::vector<std::int64_t> found(3 * 10);
                std::vector<float> scores(3 * 10);
                store->rerank(queries.view(), candidates.data(), 40, 10, found.data(), scores.data(), 1);
                opened += store->ids().size() <= store->size();
            });
            CHECK(what == Outcome::ok || what == Outcome::corrupt || what == Outcome::other);
        }
    };
    constexpr std::uint64_t extremes[] = {0, 1, 2, 39, 41, 255, 0xffffffffu, std::uint64_t{1} << 40, ~std::uint64_t{0}};
    const std::vector<Parts> codecs = all_codecs();
    for (const std::size_t i : {0u, 2u, 4u, 5u, 8u}) {
        TokenStore store(codecs[i]);
        fill(store, documents);
        const Parts good = store.parts();
        for (const auto& [name, value] : good.params) {
            for (const std::uint64_t extreme : extremes) {
                Parts bad = good;
                bad.params[name] = extreme;
                attempt(bad);
            }
            Parts bad = good;
            bad.params.erase(name);
            attempt(bad);
        }
        for (const auto& [name, array] : good.arrays) {
            Parts bad = good;
            bad.arrays.erase(name);
            attempt(bad);
            for (const int byte : {0x00, 0x7f, 0x80, 0xff}) {
                for (const std::size_t count : {array.bytes.size(), std::size_t{8}}) {  // all bytes, or the last ones
                    std::vector<std::uint8_t> bytes(array.bytes.size());
                    std::memcpy(bytes.data(), array.bytes.data(), bytes.size());
                    std::fill_n(bytes.rbegin(), std::min(count, bytes.size()), static_cast<std::uint8_t>(byte));
                    bad.arrays[name] = io_fixture::make_array(DType::u8, std::move(bytes));
                    bad.arrays[name].dtype = array.dtype;
                    attempt(bad);
                }
            }
            bad.arrays[name] = array;
            bad.arrays[name].bytes = array.bytes.first(array.bytes.size() / 16 * 8);
            attempt(bad);
        }
    }
    CHECK(tried > 500 && opened > 100);
}

}  // namespace
