// One index, many threads: searches, filters, reconstruction, copies, other encoders, saving and syncing, concurrent
// with adding, replacing, removing and compacting. Every change affects a hundred vectors at once, so that a partial
// change would be noticed.
#include <algorithm>
#include <atomic>
#include <functional>
#include <numeric>
#include <thread>

#include "check.h"
#include "index/any_rows.h"
#include "index/filter.h"
#include "index/models.h"
#include "index/search_call.h"
#include "io/io_fixture.h"
#include "multivector/search.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::uint32_t d = 9;
constexpr int turns = 12;

std::vector<std::int64_t> numbers(std::int64_t first, std::size_t n) {
    std::vector<std::int64_t> ids(n);
    std::iota(ids.begin(), ids.end(), first);
    return ids;
}

void change(Engine& engine, MatrixView x, std::atomic<bool>& stop) {
    for (int turn = 0; turn < turns; ++turn) {
        engine.remove(numbers(turn == 0 ? 0 : 100 + 100 * turn, 100));
        const auto builder = engine.builder(100, "");
        append_rows(*builder, x.block(200, 100), numbers(200 + 100 * turn, 100).data(), 2);
        engine.publish(*builder);
        const auto again = engine.builder(100, "");
        append_rows(*again, x.block(300, 100), numbers(100, 100).data(), 1);
        engine.publish(*again, OnConflict::replace);
        if (turn % 3 == 0) engine.compact(2);
    }
    stop = true;
}

TEST("threads: every search, filter and file sees one state, whatever changes meanwhile") {
    const std::vector<float> floats = random_floats(400 * d, 3);
    const MatrixView x{floats.data(), 400, d}, q = x.block(0, 3);
    for (const Choice& choice :
         {Choice{Metric::l2, 5, "pq4", true, "scalar8"}, Choice{Metric::ip, 0, "staged", false, ""}}) {
        Engine engine(make_parts(choice, x));
        add(engine, x.block(0, 200));
        const auto even = Filter::of_mask([] {
            std::vector<std::uint8_t> mask(5000);
            for (std::size_t i = 0; i < mask.size(); i += 2) mask[i] = 1;
            return mask;
        }());
        std::atomic<bool> stop = false;
        std::atomic<std::size_t> wrong = 0, looks = 0;
        const auto looking = [&](unsigned threads) {
            const std::size_t k = 500;
            std::vector<std::int64_t> ids(q.rows * k);
            std::vector<float> scores(ids.size());
            do {
                const auto snapshot = engine.snapshot();
                const auto allowed = even->rows(snapshot, 1);
                for (const RowFilter* filter : {static_cast<const RowFilter*>(nullptr), allowed.get()}) {
                    const SearchParams params{.k = k,
                                              .nprobe = 100,
                                              .rerank = engine.model().rerank ? k : 0,
                                              .threads = threads,
                                              .filter = filter};
                    search(*snapshot, q, params, ids.data(), scores.data());
                    const auto found = ids.begin() + static_cast<std::ptrdiff_t>(k);
                    const auto n = static_cast<std::size_t>(found - std::find(ids.begin(), found, -1));
                    const std::size_t held = (k - n) * (filter ? 2 : 1);
                    wrong += held != 100 && held != 200 && held != 300;
                }
                std::vector<float> decoded(100 * d);
                try {
                    engine.reconstruct(numbers(100, 100), decoded.data());
                } catch (const Error&) {
                    ++wrong;
                }
                wrong += Engine::from_bytes(engine.to_bytes("made of one state"))->snapshot()->n() % 100 != 0;
                engine.set_default("default.nprobe", 1 + looks % 5);
                Engine::bytes(*snapshot);
                ++looks;
            } while (!stop);
        };
        {
            std::vector<std::jthread> threads;
            for (const unsigned each : {1u, 1u, 2u}) threads.emplace_back(looking, each);
            change(engine, x, stop);
        }
        CHECK_EQ(wrong.load(), 0u);
        CHECK(looks >= 3);
        CHECK_EQ(engine.snapshot()->n(), 200u);
    }
}

// Runs `look` in three threads until all changes are made; each call says how many of its results are wrong.
void beside_changes(Engine& engine, MatrixView x, const std::function<std::size_t(std::size_t thread)>& look) {
    const auto builder = engine.builder(200, "");
    append_rows(*builder, x.block(0, 200), nullptr, 1);
    engine.publish(*builder);
    std::atomic<bool> stop = false;
    std::atomic<std::size_t> wrong = 0, looks = 0;
    {
        std::vector<std::jthread> threads;
        for (std::size_t thread = 0; thread < 3; ++thread)
            threads.emplace_back([&, thread] {
                do {
                    wrong += look(thread);
                    ++looks;
                } while (!stop);
            });
        change(engine, x, stop);
    }
    CHECK_EQ(wrong.load(), 0u);
    CHECK(looks >= 3);
    CHECK_EQ(engine.snapshot()->n(), 200u);
}

bool is_whole(std::size_t n) {
    return n == 100 || n == 200 || n == 300;
}

std::size_t counted(std::span<const std::int64_t> ids) {
    return static_cast<std::size_t>(std::ranges::find(ids, -1) - ids.begin());
}

TEST("threads: lists of filters, copies, saved and synced files") {
    const std::vector<float> floats = random_floats(400 * d, 3);
    const MatrixView x{floats.data(), 400, d}, q = x.block(0, 4);
    const io_fixture::Folder folder;
    Engine engine(make_parts({Metric::l2, 5, "pq4", true, "scalar8"}, x));
    const auto even = Filter::of_ids(
        [] {
            std::vector<std::int64_t> ids;
            for (std::int64_t id = 0; id < 5000; id += 2) ids.push_back(id);
            return ids;
        }(),
        true);
    const auto odd = Filter::of_predicate([](std::int64_t id) { return id % 2 == 1; });
    const std::vector<const Filter*> filters{even.get(), odd.get()};
    IndexFile shared(folder.file("shared"));
    beside_changes(engine, x, [&](std::size_t thread) {
        constexpr std::size_t k = 500;
        std::vector<std::int64_t> ids(q.rows * k);
        std::vector<float> scores(ids.size());
        const std::vector<std::uint32_t> of_query{0, 1, 1, 0};
        search_call(engine.snapshot(), q, {.k = k, .nprobe = 100, .rerank = k, .threads = 1}, {filters, of_query},
                    ids.data(), scores.data());
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < q.rows; ++i) {
            const auto own = std::span(ids).subspan(i * k, k);
            wrong += counted(own) != counted(std::span(ids).first(k)) || !is_whole(2 * counted(own));
        }
        const auto copy = engine.copy();
        copy->remove(numbers(100, 50));
        wrong += !is_whole(copy->snapshot()->n() + 50);
        shared.sync(engine.as_parts(""));
        const std::string path = folder.file(std::to_string(thread));
        IndexFile(path).save(engine.as_parts(""));
        for (const std::string& each : {path, folder.file("shared")})
            wrong += !is_whole(Engine::open(*IndexFile::open(each), true, Verify::trusted)->snapshot()->n());
        return wrong;
    });
}

TEST("threads: an encoder for another input, beside changes") {
    const std::vector<float> floats = random_floats(400 * d, 3);
    const MatrixView x{floats.data(), 400, d};
    Engine engine(make_parts({Metric::cosine, 0, "binary", false, ""}, x));
    Parts encoder;
    for (const auto& [name, value] : engine.model().parts.params)
        if (name.starts_with("codec.")) encoder.params[name] = value;
    beside_changes(engine, x, [&](std::size_t) {
        const auto other = engine.with_encoder(encoder);
        const SearchParams params{.k = 500, .threads = 1};
        return std::size_t{!is_whole(counted(find(*other, x.block(0, 1), params).ids))};
    });
}

TEST("threads: documents are found, ranked, scored and decoded by one state") {
    const std::vector<float> floats = random_floats(400 * d, 3);
    const MatrixView x{floats.data(), 400, d};
    constexpr std::size_t dim = 6, k = 500;
    const SomeSets queries(3, dim);
    for (const bool on_disk : {false, true}) {
        Parts parts = make_parts({Metric::ip, 5, "float32", false, ""}, x);
        parts.params.insert(
            {{"tokens.kind", 1}, {"tokens.bits", 32}, {"tokens.dim", dim}, {"tokens.on_disk", on_disk}});
        Engine engine(parts);
        beside_changes(engine, x, [&](std::size_t) {
            const auto snapshot = engine.snapshot();
            std::vector<std::int64_t> ids(3 * k);
            std::vector<float> scores(3 * k);
            SetSearchParams params;
            params.k = params.candidates = k;
            params.nprobe = 100;
            params.threads = 1;
            search_sets(snapshot, x.block(0, 3), queries.view(), params, {}, ids.data(), scores.data());
            std::size_t wrong = !is_whole(counted(std::span(ids).first(k)));
            const std::vector<std::int64_t> always = numbers(100, 100);
            score_sets(*snapshot, queries.view(), {always.data(), 1, 100}, 1, scores.data());
            return wrong + (decode_documents(*snapshot, always, 1).offsets.size() != 101);
        });
    }
}

}  // namespace
