// Tokens of an index: Chamfer similarities by each codec, and tokens that stay with their rows through all changes,
// also from a file of format 1.
#include <limits>
#include <map>
#include <set>

#include "codec/codec_fixture.h"
#include "codec/token_codec.h"
#include "index/models.h"
#include "io/io_fixture.h"
#include "multivector/chamfer.h"
#include "multivector/coding.h"
#include "multivector/fde.h"
#include "multivector/search.h"

namespace {

using namespace fewbits;
using io_fixture::Folder;

constexpr std::uint32_t dim = 20;     // dimension of tokens
constexpr std::uint32_t encoded = 6;  // dimension of the vectors that find documents

// The fixture's parts of a codec, as parts of the codec for tokens.
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

// Sets of 1, 2, ... tokens, so that some have short blocks and some several.
struct Sets {
    explicit Sets(std::size_t n, std::uint64_t seed, std::size_t step = 1) {
        for (std::size_t i = 0; i < n; ++i) offsets.push_back(offsets.back() + static_cast<std::int64_t>(1 + i * step));
        tokens = fixture::normal(static_cast<std::size_t>(offsets.back()) * dim, seed);
    }
    SetsView view() const { return {{tokens.data(), tokens.size() / dim, dim}, offsets}; }
    Sets part(std::size_t first, std::size_t n) const {
        Sets some(0, 0);
        const std::int64_t begin = offsets[first];
        for (std::size_t i = first; i < first + n; ++i) some.offsets.push_back(offsets[i + 1] - begin);
        some.tokens.assign(tokens.begin() + begin * dim, tokens.begin() + offsets[first + n] * dim);
        return some;
    }

    std::vector<std::int64_t> offsets{0};
    std::vector<float> tokens;
};

// Chamfer similarity with decoded tokens.
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

// The parts of an index of documents.
Parts index_parts(const Parts& tokens, std::uint32_t nlist = 0, bool on_disk = false) {
    static const std::vector<float> sample = test::random_floats(200 * encoded, 9);
    Parts parts = test::make_parts({Metric::ip, nlist, "float32", false, ""}, {sample.data(), 200, encoded});
    parts.params.insert(tokens.params.begin(), tokens.params.end());
    parts.arrays.insert(tokens.arrays.begin(), tokens.arrays.end());
    parts.params["tokens.on_disk"] = on_disk;
    return parts;
}

// The vector of a document, which depends only on its id.
std::vector<float> vectors_of(std::span<const std::int64_t> ids) {
    std::vector<float> x;
    for (const std::int64_t id : ids) {
        const std::vector<float> own = test::random_floats(encoded, 1000 + static_cast<std::uint64_t>(id));
        x.insert(x.end(), own.begin(), own.end());
    }
    return x;
}

void add(Engine& engine, const Sets& documents, std::span<const std::int64_t> ids,
         OnConflict on_conflict = OnConflict::error) {
    const auto builder = engine.builder(ids.size(), "");
    const std::vector<float> x = vectors_of(ids);
    const CodeSets sets = encode_sets(*engine.model().tokens, documents.view(), 2);
    builder->append({x.data(), ids.size(), encoded}, ids.data(), 2, &sets);
    engine.publish(*builder, on_conflict);
}

std::vector<std::int64_t> counted(std::size_t n, std::int64_t first = 0) {
    std::vector<std::int64_t> ids(n);
    std::iota(ids.begin(), ids.end(), first);
    return ids;
}

using Found = test::Found;

Found ranked(const Engine& engine, const Sets& queries, std::size_t k) {
    Found found{std::vector<std::int64_t>(queries.view().size() * k), std::vector<float>(queries.view().size() * k)};
    rank_all(*engine.snapshot(), queries.view(), k, 2, found.ids.data(), found.scores.data());
    return found;
}

Found searched(const Engine& engine, const Sets& queries, const SetSearchParams& params) {
    const std::size_t n = queries.view().size();
    const std::vector<float> x = vectors_of(counted(n));
    Found found{std::vector<std::int64_t>(n * params.k), std::vector<float>(n * params.k)};
    search_sets(engine.snapshot(), {x.data(), n, encoded}, queries.view(), params, {}, found.ids.data(),
                found.scores.data());
    return found;
}

TEST("tokens: scores are Chamfer similarities of the tokens as coded") {
    const Sets documents(75, 1), queries(6, 2, 3);
    const auto ids = counted(75);
    for (const Parts& parts : all_codecs()) {
        Engine engine(index_parts(parts));
        add(engine, documents, ids);
        const Found found = ranked(engine, queries, 75);
        const auto codec = make_token_codec(parts);
        for (std::size_t q = 0; q < 6; ++q) {
            const MatrixView query = queries.view()[q];
            for (std::size_t i = 0; i < 75; i += 7) {
                const auto document = static_cast<std::size_t>(found.ids[q * 75 + i]);
                const double right = expected(*codec, query, documents.view()[document]);
                // Tables and queries have 8 bits, and the first stage of staged codes may limit the score.
                CHECK(std::abs(found.scores[q * 75 + i] - right) <= 0.25 * static_cast<double>(query.rows));
            }
        }
    }
}

TEST("tokens: decoding gives what the codec keeps") {
    const Sets documents(40, 1);
    const std::vector<std::int64_t> wanted = {39, 0, 32};
    for (const Parts& parts : all_codecs()) {
        Engine engine(index_parts(parts, 3));
        add(engine, documents, counted(40));
        const OwnedSets sets = decode_documents(*engine.snapshot(), wanted, 2);
        const auto codec = make_token_codec(parts);
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            const MatrixView own = documents.view()[static_cast<std::size_t>(wanted[i])];
            CHECK_EQ(static_cast<std::size_t>(sets.offsets[i + 1] - sets.offsets[i]), own.rows);
            std::vector<std::uint8_t> rows(own.rows * codec->layout().row_bytes());
            std::vector<float> a(own.rows), right(own.size());
            float* const factors = codec->layout().has_a ? a.data() : nullptr;
            codec->encode(own, nullptr, rows.data(), {factors, nullptr, nullptr});
            codec->decode(rows.data(), {factors, nullptr, nullptr}, nullptr, own.rows, right.data());
            CHECK(std::equal(right.begin(), right.end(),
                             sets.tokens.begin() + static_cast<std::ptrdiff_t>(sets.offsets[i]) * dim));
        }
    }
    Engine engine(index_parts(all_codecs()[0]));
    CHECK_THROWS(decode_documents(*engine.snapshot(), wanted, 1), "39 is not in the index");
}

TEST("tokens: a search ranks the candidates that vectors find") {
    const Sets documents(120, 1), queries(5, 2, 3);
    Engine engine(index_parts(all_codecs()[1], 4));
    add(engine, documents, counted(120));
    SetSearchParams params{.k = 7, .nprobe = 4, .candidates = 120, .threads = 1};
    CHECK(searched(engine, queries, params) == ranked(engine, queries, 7));
    params.candidates = 20;
    params.threads = 3;
    const Found some = searched(engine, queries, params);
    const Found all = ranked(engine, queries, 120);
    const std::vector<float> x = vectors_of(counted(5));
    const Found near = test::find(engine, {x.data(), 5, encoded}, {.k = 20, .nprobe = 4});
    for (std::size_t q = 0; q < 5; ++q) {
        const std::set<std::int64_t> candidates(near.ids.begin() + static_cast<std::ptrdiff_t>(20 * q),
                                                near.ids.begin() + static_cast<std::ptrdiff_t>(20 * q + 20));
        std::size_t at = 7 * q;
        for (std::size_t i = 120 * q; i < 120 * (q + 1) && at < 7 * (q + 1); ++i)
            if (candidates.contains(all.ids[i])) {
                CHECK_EQ(some.ids[at], all.ids[i]);
                CHECK_EQ(some.scores[at++], all.scores[i]);
            }
    }
    params.candidates = 0;
    params.scale = 4;
    params.min_score = near.scores[2] / 4;
    const Found estimates = searched(engine, queries, params);
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK_EQ(estimates.ids[i], i < 3 ? near.ids[i] : -1);
        CHECK_EQ(estimates.scores[i], i < 3 ? near.scores[i] / 4 : -std::numeric_limits<float>::infinity());
    }
}

TEST("tokens: every row keeps its own through changes, merges and files") {
    const Folder folder;
    const Sets documents(200, 3), others(200, 4, 2), queries(4, 5, 3);
    const std::vector<Parts> codecs = all_codecs();
    for (const std::size_t kind : {0u, 2u, 4u, 8u})
        for (const std::uint32_t nlist : {0u, 3u})
            for (const bool on_disk : {false, true}) {
                const Parts parts = index_parts(codecs[kind], nlist, on_disk);
                Engine grown(parts);
                for (std::int64_t i = 0; i < 200; ++i) {
                    const Sets one = documents.part(static_cast<std::size_t>(i), 1);
                    const std::vector<std::int64_t> id = {i};
                    add(grown, one, id);
                }
                add(grown, others.part(50, 20), counted(20, 50), OnConflict::replace);
                const std::vector<std::int64_t> removed = {3, 60, 199};
                CHECK_EQ(grown.remove(removed), 3u);

                Engine fresh(parts);
                add(fresh, documents, counted(200));
                add(fresh, others.part(50, 20), counted(20, 50), OnConflict::replace);
                fresh.remove(removed);
                CHECK(ranked(grown, queries, 197) == ranked(fresh, queries, 197));
                test::save(grown, folder.file("a"), "");
                CHECK(ranked(*test::opened(folder.file("a"), true), queries, 197) == ranked(fresh, queries, 197));
                const auto copy = Engine::from_bytes(grown.to_bytes(""));
                const std::vector<std::int64_t> later = {1000};
                add(*copy, documents.part(9, 1), later);
                copy->remove(counted(1000));
                const Engine* const both[] = {&grown, copy.get()};
                const auto joined = Engine::join(both, OnConflict::error);
                CHECK_EQ(ranked(*joined, documents.part(9, 1), 2).ids[1], 1000);  // ties by id: after 9
                grown.compact(2);
                fresh.compact(1);
                CHECK(grown.to_bytes("") == fresh.to_bytes(""));
                CHECK(ranked(grown, queries, 197) == ranked(fresh, queries, 197));
            }
}

// The parts of a file of format 1: tokens are in separate segments, and later ones take precedence.
Parts old_layout(const Parts& now, const CodeLayout& layout) {
    Parts old = now;
    std::erase_if(old.params, [](const auto& item) { return item.first == "format"; });
    std::erase_if(old.arrays, [](const auto& item) { return item.first.starts_with("seg0.tokens."); });
    const auto n = static_cast<std::size_t>(now.param("seg0.n"));
    const Parts own = now.under("seg0").under("tokens");
    const TokenColumn column(layout, own, n);
    const auto ids = now.array<std::int64_t>("seg0.ids", n);
    const auto put = [&](const std::string& name, const std::vector<std::size_t>& rows, std::size_t shift) {
        const Progress silent;
        ProgressCounter steps(silent, rows.size());
        const Parts some = gathered_tokens(layout, "", rows.size(), steps,
                                           [&](std::size_t i) { return column[(rows[i] + shift) % n]; });
        std::vector<std::int64_t> numbers;
        for (const std::size_t row : rows) numbers.push_back(ids[row]);
        for (const auto& [part, array] : some.arrays) old.arrays[name + "." + part] = array;
        old.arrays[name + ".ids"] = owned_array(std::move(numbers));
        old.params[name + ".n"] = rows.size();
    };
    std::vector<std::size_t> backwards, some;
    for (std::size_t row = n; row-- > 0;) (row % 3 == 0 ? some : backwards).push_back(row);
    std::vector<std::size_t> all = backwards;
    all.insert(all.end(), some.begin(), some.end());
    put("tokens0", some, 1);  // replaced by tokens1
    put("tokens1", all, 0);
    old.params["tokens.segments"] = 2;
    old.params["tokens.next_id"] = 5000;
    return old;
}

TEST("tokens: files of format 1 have them by id") {
    const Folder folder;
    const Sets documents(90, 3), queries(4, 5, 3);
    const std::vector<Parts> codecs = all_codecs();
    for (const std::size_t kind : {0u, 2u, 4u, 8u})
        for (const bool on_disk : {false, true}) {
            Engine engine(index_parts(codecs[kind], 3, on_disk));
            add(engine, documents, counted(90, 7));
            const Parts now = read_bytes(engine.to_bytes(""));
            write_file(folder.file("a"), old_layout(now, engine.model().tokens->layout()));
            for (const bool mapped : {true, false}) {
                const auto old = test::opened(folder.file("a"), mapped);
                CHECK(ranked(*old, queries, 90) == ranked(engine, queries, 90));
                CHECK_EQ(old->snapshot()->next_id, 5000);
                CHECK_EQ(Engine::bytes(*old->snapshot()).tokens, Engine::bytes(*engine.snapshot()).tokens);
                Parts saved = read_bytes(old->to_bytes(""));
                saved.params["next_id"] = now.param("next_id");
                CHECK(write_bytes(saved) == engine.to_bytes(""));
                const std::vector<std::int64_t> gone = {8};
                old->remove(gone);
                const auto less = Engine::from_bytes(old->to_bytes(""));
                CHECK(ranked(*less, queries, 89) == ranked(*old, queries, 89));
                old->compact();
                CHECK(ranked(*less, queries, 89) == ranked(*old, queries, 89));
            }
        }
}

TEST("tokens: what is missing or does not fit is refused") {
    const Sets documents(4, 1);
    const auto ids = counted(4);
    const std::vector<float> x = vectors_of(ids);
    const MatrixView rows{x.data(), 4, encoded};
    Engine engine(index_parts(all_codecs()[2]));
    const CodeSets sets = encode_sets(*engine.model().tokens, documents.view(), 1);
    CHECK_THROWS(engine.builder(4, "")->append(rows, nullptr, 1), "tokens: got none");
    CHECK_THROWS(engine.builder(4, "")->append(rows.block(0, 3), nullptr, 1, &sets), "got 4 sets, expected 3");
    Engine plain(test::make_parts({Metric::ip, 0, "float32", false, ""}, rows));
    CHECK_THROWS(plain.builder(4, "")->append(rows, nullptr, 1, &sets), "this index has none");
    CHECK_THROWS(ranked(plain, documents, 1), "this index has no tokens");

    CodedRows coded;
    const std::vector<std::uint8_t> codes(engine.model().codec->layout().row_bytes());
    coded.n = 1;
    coded.rows = codes;
    CHECK_THROWS(engine.builder(1, "")->append(coded, nullptr), "this index has tokens");
    plain.builder(1, "")->append(coded, nullptr);

    const Sets narrow(4, 1);
    const SetsView other{{narrow.tokens.data(), narrow.tokens.size() / dim, dim - 1}, narrow.offsets};
    CHECK_THROWS(encode_sets(*engine.model().tokens, other, 1), "documents: got 19 dimensions, expected 20");
    std::vector<float> products(16);
    CHECK_THROWS(chamfer(documents.view(), other, products.data(), 1), "queries: got 20 dimensions");
    const Fde encoder({.dim = dim, .projection_dim = dim});
    std::vector<float> encodings(4 * encoder.dims());
    encoder.encode_documents(documents.view(), encodings.data(), 1);
    CHECK_THROWS(encoder.encode_documents(other, encodings.data(), 1), "documents: got 19 dimensions, expected 20");
    CHECK_THROWS(encoder.encode_queries(other, encodings.data(), 1), "queries: got 19 dimensions, expected 20");
    add(engine, documents, ids);
    std::vector<std::int64_t> found(16);
    const auto find = [&](MatrixView vectors, std::span<const float> shared) {
        SetSearchParams params;
        params.k = 4;
        params.shared = shared;
        search_sets(engine.snapshot(), vectors, documents.view(), params, {}, found.data(), products.data());
    };
    find(rows, {});
    find(rows, std::span(x).first(4));
    CHECK_THROWS(find(rows, std::span(x).first(3)), "shared: got 3 numbers");
    CHECK_THROWS(find(rows.block(0, 3), {}), "queries: got 4 sets, expected 3");
    const auto score = [&](std::size_t n_rows, std::vector<std::int64_t> of) {
        score_sets(*engine.snapshot(), documents.view(), {of.data(), n_rows, of.size() / n_rows}, 1, products.data());
    };
    score(1, {0, 1, 2, 3});
    score(4, {0, 1, 2, 3});
    CHECK_THROWS(score(2, {0, 1, 2, 3}), "ids: got 2 rows");
    CHECK_THROWS(score(1, {0, 4}), "4 is not in the index");

    const std::int64_t offsets[] = {0, 1, 3}, none[] = {0, 1, 1, 3}, late[] = {1, 3}, few[] = {0, 1, 2};
    const MatrixView three{documents.tokens.data(), 3, dim};
    check_sets({three, offsets}, "sets");
    CHECK_THROWS(check_sets({three, none}, "sets"), "sets: expected at least 1 token per set, got 0 in set 1");
    CHECK_THROWS(check_sets({three, late}, "sets"), "start with 0");
    CHECK_THROWS(check_sets({three, few}, "sets"), "the number of tokens, 3, got 2");
}

TEST("tokens: a column whose lists do not ascend from 0, or with codes of another size, is refused") {
    const CodeLayout layout = make_token_codec(all_codecs()[3])->layout();
    const auto column = [&](std::vector<std::uint64_t> lists, std::size_t tokens) {
        Parts parts;
        parts.arrays["lists"] = test::array_of(lists);
        parts.arrays["codes"] = test::array_of(std::vector<std::uint8_t>(tokens * code_set_bytes(layout, 1)));
        parts.arrays["a"] = test::array_of(std::vector<float>(layout.has_a ? tokens : 0));
        return TokenColumn(layout, parts, lists.size() - 1)[lists.size() - 2].n;
    };
    CHECK_EQ(column({0, 0, 1, 2}, 2), 1u);  // a row may have none
    CHECK_THROWS(column({1, 2}, 2), "start with 0");
    CHECK_THROWS(column({0, 2, 1}, 1), "ascending token numbers, got another in row 1");
    CHECK_THROWS(column({0, 0xffffffff}, 1), "2^32 - 2");
    CHECK_THROWS(column({0, 1}, 2), "codes");
}

TEST("tokens: codecs that cannot code them are refused") {
    Parts binary;
    binary.params = {{"codec.kind", 5}, {"codec.bits", 1}, {"codec.symmetric", 0}, {"codec.m", dim}};
    CHECK_THROWS(make_token_codec(token_parts(binary)), "expected a codec that can code tokens");
    CHECK_THROWS(make_token_codec(token_parts(fixture::rabitq_parts(5, dim, 2))), "factor of the first stage");
    Parts direction = fixture::float_parts(32);
    std::vector<float> first(dim);
    first[0] = 1;
    fixture::set_array(direction, "codec.direction", first);
    CHECK_THROWS(make_token_codec(token_parts(direction)), "factor b");
}

TEST("tokens: queries of other dimensions are refused") {
    const Sets documents(5, 1);
    Engine engine(index_parts(all_codecs()[0]));
    add(engine, documents, counted(5));
    const std::vector<float> narrow(2 * (dim - 1));
    const std::vector<std::int64_t> offsets = {0, 2};
    std::vector<std::int64_t> ids(1);
    std::vector<float> scores(1);
    const SetsView queries{{narrow.data(), 2, dim - 1}, offsets};
    CHECK_THROWS(rank_all(*engine.snapshot(), queries, 1, 1, ids.data(), scores.data()), "19 dimensions, expected 20");
}

}  // namespace
