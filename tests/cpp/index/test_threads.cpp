// One index, many threads: searches, filters, reconstruction and saving, concurrent with adding, replacing, removing
// and compacting. Every change affects a hundred vectors at once, so that a partial change would be noticed.
#include <atomic>
#include <numeric>
#include <thread>

#include "check.h"
#include "index/filter.h"
#include "index/models.h"

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
        builder->append(x.block(200, 100), numbers(200 + 100 * turn, 100).data(), 2);
        engine.publish(*builder);
        const auto again = engine.builder(100, "");
        again->append(x.block(300, 100), numbers(100, 100).data(), 1);
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

}  // namespace
