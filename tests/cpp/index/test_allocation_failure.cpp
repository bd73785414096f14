// Memory may run out at any moment: the result is std::bad_alloc (MemoryError), no leak, and an unchanged index. Every
// allocation of every operation fails once, for an index of every kind.
#include <algorithm>
#include <cerrno>
#include <functional>
#include <new>

#include "allocations.h"
#include "golden.h"
#include "index/any_rows.h"
#include "index/filter.h"
#include "index/models.h"
#include "multivector/search.h"
#include "sparse/engine.h"

using namespace fewbits;
using namespace fewbits::test;

namespace {

constexpr std::size_t most_allocations = 200'000;

// Runs `work` with its nth allocation failing, for every n until none fails; after each failure `unchanged` must hold.
// Returns the number of failures. A failure may go unnoticed only if the library has a fallback.
std::size_t sweep(const std::function<void()>& work, const std::function<bool()>& unchanged) {
    for (std::size_t nth = 0; nth < most_allocations; ++nth) {
        bool threw = false, happened;
        {
            const allocations::Failing failing(nth);
            try {
                work();
            } catch (const std::bad_alloc&) {
                threw = true;
            } catch (const Error& error) {  // a file that cannot be mapped
                threw = error.error_number() == ENOMEM;
                if (!threw) throw;
            }
            happened = failing.happened();
        }
        if (!happened) return nth;
        CHECK(!threw || unchanged());
        if (!threw) return nth;
    }
    CHECK(false);
    return most_allocations;
}

bool always() {
    return true;
}

std::unique_ptr<Engine> opened(const golden::File& file) {
    return Engine::from_bytes(golden::bytes_of(file));
}

void add_rows(Engine& engine, MatrixView x, const std::int64_t* ids, OnConflict on_conflict, unsigned threads) {
    const auto builder = engine.builder(x.rows, "");
    append_rows(*builder, x, ids, threads, engine.snapshot()->has_labels());
    engine.publish(*builder, on_conflict, threads);
}

}  // namespace

TEST("allocation failure: every allocation of every operation, on an index of every kind") {
    std::size_t failed = 0;
    for (const golden::File& file : golden::files()) {
        if (file.name.starts_with("sparse")) continue;
        const auto engine = opened(file);
        const std::size_t dim = engine->model().dim;
        const std::vector<float> floats = random_floats(40 * dim, 5);
        const MatrixView x{floats.data(), 40, dim};
        std::vector<std::int64_t> old_ids(20);
        for (std::uint32_t i = 0; i < old_ids.size(); ++i) old_ids[i] = engine->snapshot()->id(30 + i);
        std::ranges::sort(old_ids);

        std::vector<std::byte> before;
        const auto unchanged = [&] { return engine->to_bytes("") == before; };
        // Operations that change the index: after each success, the next one starts from there.
        const auto changing = [&](const std::function<void()>& work) {
            before = engine->to_bytes("");
            failed += sweep(work, unchanged);
            CHECK(!unchanged());
        };
        changing([&] { add_rows(*engine, x, nullptr, OnConflict::error, 1); });
        changing([&] { engine->remove(old_ids); });
        changing([&] { add_rows(*engine, x.block(0, 20), old_ids.data(), OnConflict::replace, 2); });
        changing([&] { add_rows(*engine, x.block(20, 20), old_ids.data(), OnConflict::replace, 1); });

        before = engine->to_bytes("");
        SearchParams params{.k = 5, .nprobe = 3, .rerank = engine->model().rerank ? 20u : 0u, .threads = 1};
        const std::uint32_t other_dim = engine->model().rerank_input.dim;
        const std::vector<float> others = random_floats(engine->model().two_inputs ? 40 * other_dim : 0, 6);
        if (engine->model().two_inputs) params.rerank_queries = {others.data(), 40, other_dim};
        const Found expected = find(*engine, x, params);
        Found found;
        failed += sweep([&] { found = find(*engine, x, params); }, always);
        CHECK(found == expected);
        failed += sweep(
            [&] {
                const auto filter = Filter::of_ids(old_ids, true);
                const auto snapshot = engine->snapshot();
                const auto rows = filter->rows(snapshot, 1);
                SearchParams filtered = params;
                filtered.filter = rows.get();
                found = find(*engine, x, filtered);
                CHECK(std::ranges::all_of(found.ids,
                                          [&](std::int64_t id) { return std::ranges::binary_search(old_ids, id); }));
            },
            unchanged);
        if (engine->model().tokens) {
            const SomeSets sets(40, engine->model().tokens->dim());
            const auto search = [&](std::size_t candidates) {
                SetSearchParams by_tokens;
                by_tokens.k = 5;
                by_tokens.candidates = candidates;
                by_tokens.threads = 1;
                Found best{std::vector<std::int64_t>(40 * 5), std::vector<float>(40 * 5)};
                search_sets(engine->snapshot(), x, sets.view(), by_tokens, {}, best.ids.data(), best.scores.data());
                return best;
            };
            for (const std::size_t candidates : {9u, 0u}) {
                const Found right = search(candidates);
                failed += sweep([&] { CHECK(search(candidates) == right); }, unchanged);
            }
            failed += sweep([&] { decode_documents(*engine->snapshot(), old_ids, 1); }, unchanged);
        }
        std::vector<float> decoded(old_ids.size() * dim);
        failed += sweep([&] { engine->reconstruct(old_ids, decoded.data()); }, unchanged);
        failed += sweep([&] { CHECK(engine->to_bytes("") == before); }, unchanged);
        failed += sweep([&] { CHECK(Engine::from_bytes(before)->to_bytes("") == before); }, unchanged);
        const auto other = Engine::from_bytes(before);
        const Engine* const both[] = {engine.get(), other.get()};
        failed += sweep([&] { Engine::join(both, OnConflict::replace); }, unchanged);
        failed += sweep([&] { engine->compact(2); }, unchanged);
    }
    CHECK(failed > 5000);
    std::printf("allocations that failed: %zu\n", failed);
}

TEST("allocation failure: training, saving and opening") {
    const std::vector<float> floats = random_floats(300 * 9, 3);
    const MatrixView x{floats.data(), 300, 9};
    for (const Choice& choice :
         {Choice{Metric::l2, 7, "pq4", true, "scalar8"}, Choice{Metric::ip, 0, "pq8", false, ""}}) {
        const io_fixture::Folder folder;
        const std::string path = folder.file("a");
        std::unique_ptr<Engine> engine;
        CHECK(sweep([&] { engine = std::make_unique<Engine>(make_parts(choice, x)); }, always) > 50);
        add(*engine, x);
        const std::vector<std::byte> whole = engine->to_bytes("");
        CHECK(sweep([&] { test::save(*engine, path, ""); }, [&] { return folder.entries() == 0; }) > 50);
        for (const bool mapped : {true, false}) {
            const auto open = [&] { CHECK(test::opened(path, mapped)->to_bytes("") == whole); };
            CHECK(sweep(open, always) > 50);
        }
        engine->remove(std::vector<std::int64_t>{1, 7});
        const std::vector<std::byte> changed = engine->to_bytes("");
        const auto sync = [&] {
            const auto file = IndexFile::open(path);
            const auto old = Engine::open(*file, true, Verify::trusted);
            file->sync(engine->as_parts(""));
        };
        const auto either = [&] {
            const auto found = test::opened(path, true)->to_bytes("");
            return found == whole || found == changed;
        };
        CHECK(sweep(sync, either) > 100);
        CHECK(test::opened(path, true)->to_bytes("") == changed);
    }
}

TEST("allocation failure: every operation of a sparse index, which leaves it as it was") {
    std::size_t failed = 0;
    for (const golden::File& file : golden::files()) {
        if (!file.name.starts_with("sparse")) continue;
        const auto index = sparse::Engine::of_parts(read_bytes(golden::bytes_of(file)));
        const std::vector<std::byte> before = write_bytes(index->as_parts(""));
        const auto unchanged = [&] { return write_bytes(index->as_parts("")) == before; };
        const std::vector<std::int64_t> offsets = {0, 2, 3}, own = {1000, 5};
        const std::vector<std::uint32_t> terms = {5, 20, 63};
        const std::vector<float> values = {1.0f, 3.0f, 2.0f};
        const sparse::CsrView x{offsets, terms, values};
        failed += sweep([&] { index->added(x, own, true); }, unchanged);
        failed += sweep([&] { index->removed(own); }, unchanged);
        failed += sweep([&] { index->compacted(); }, unchanged);
        failed += sweep([&] { CHECK(unchanged()); }, always);
        failed += sweep([&] { sparse::Engine::of_parts(read_bytes(before)); }, always);
        Found found{std::vector<std::int64_t>(2 * 5), std::vector<float>(2 * 5)}, right = found;
        index->search(x, {.k = 5, .threads = 1}, {}, right.ids.data(), right.scores.data());
        const auto search = [&](double mass) {
            return [&, mass] {
                index->search(x, {.k = 5, .mass = mass, .rerank = 9, .threads = 1}, {}, found.ids.data(),
                              found.scores.data());
            };
        };
        failed += sweep(search(0.5), unchanged);
        failed += sweep(search(1), unchanged);
        CHECK(found == right);
    }
    CHECK(failed > 100);
}
