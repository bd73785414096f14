#include "sparse/engine.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "sparse/allowed.h"
#include "sparse/scan.h"

namespace fewbits::sparse {
namespace {

constexpr std::uint64_t max_segments = 1u << 20;
constexpr std::uint64_t max_next_id = std::uint64_t{1} << 62;
constexpr float infinity = std::numeric_limits<float>::infinity();

std::string segment_name(std::size_t i) {
    return "seg" + std::to_string(i);
}

// The rows alive of the segments from `first` on, as one segment in the place of these.
Snapshot merged(const Snapshot& of, std::size_t first) {
    RowsBuilder builder;
    std::vector<std::int64_t> ids;
    for (std::size_t s = first; s < of.segments.size(); ++s)
        of.alive.for_each(of.first_rows[s], of.first_rows[s + 1], [&](std::size_t row) {
            const std::size_t own = row - of.first_rows[s];
            builder.append(of.segments[s]->rows(), own);
            ids.push_back(of.segments[s]->ids()[own]);
        });
    Snapshot next;
    next.scales = of.scales;
    next.next_id = of.next_id;
    for (std::size_t s = 0; s < first; ++s) {
        Bitmap alive;
        alive.append(of.alive, of.first_rows[s], of.first_rows[s + 1]);
        next.append(of.segments[s], alive);
    }
    const std::size_t n = ids.size();
    if (n > 0)
        next.append(std::make_shared<const Segment>(Rows(builder.finish(), *next.scales), std::move(ids)),
                    Bitmap(n, true));
    return next;
}

// The first of the last segments that are to be one: each holds no more rows than those after it.
std::size_t first_to_merge(const Snapshot& snapshot) {
    std::size_t first = snapshot.segments.size() - 1;
    std::uint64_t rows = snapshot.segments[first]->n();
    while (first > 0 && snapshot.segments[first - 1]->n() <= rows) rows += snapshot.segments[--first]->n();
    return first;
}

std::vector<std::uint32_t> rows_of(const Snapshot& snapshot, std::span<const std::int64_t> ids) {
    std::vector<std::uint32_t> rows;
    for (const std::int64_t id : ids) {
        const std::int64_t row = snapshot.row_of(id);
        if (row < 0) fail("ids: " + std::to_string(id) + " is not in the index");
        rows.push_back(static_cast<std::uint32_t>(row));
    }
    return rows;
}

// Candidates by the heaviest terms of the query alone, with the sums of the whole query.
void approximate(const Snapshot& snapshot, const Query& query, const Params& params, const Bitmap& allowed,
                 Scan::Scratch& scratch, TopSums& top) {
    TopSums candidates(std::min<std::size_t>(std::max(params.rerank, params.k), snapshot.n), 0);
    const Query part = query.leading(params.mass);
    Scan(snapshot, part, allowed, scratch).run(candidates);
    for (const std::uint64_t key : candidates.sorted()) {
        const std::uint32_t row = TopSums::row(key);
        const std::size_t s = snapshot.segment_of(row);
        poll(256);
        top.push(snapshot.segments[s]->rows().dot(row - snapshot.first_rows[s], query.weights), row);
    }
}

}  // namespace

std::unique_ptr<Engine> Engine::of_parts(const Parts& parts) {
    parts.param("sparse.kind", 1, 1);
    Snapshot snapshot;
    const auto scales = parts.finite("scales", parts.count<float>("scales"));
    if (scales.size() > max_terms || std::any_of(scales.begin(), scales.end(), [](float scale) { return scale < 0; }))
        throw Error(ErrorKind::corrupt, "array 'scales': expected at most 2^24 numbers >= 0");
    snapshot.scales = std::make_shared<const Scales>(scales.begin(), scales.end());
    for (std::size_t i = 0; i < parts.param("segments", 0, max_segments); ++i) {
        const Parts own = parts.under(segment_name(i));
        Parts rows;
        for (const char* name : {"rows", "terms", "codes"})
            if (own.has(name)) rows.arrays[name] = own.arrays.at(name);
        Rows made(rows, *snapshot.scales);
        const auto ids = own.array<std::int64_t>("ids", made.n());
        if (std::any_of(ids.begin(), ids.end(), [](std::int64_t id) { return id < 0 || id >= std::int64_t{1} << 62; }))
            throw Error(ErrorKind::corrupt, "array 'ids': expected ids of 0 to 2^62 - 1");
        Bitmap alive(made.n(), true);
        const auto removed =
            own.array<std::uint32_t>("removed", own.has("removed") ? own.count<std::uint32_t>("removed") : 0);
        for (const std::uint32_t row : removed) {
            if (row >= made.n()) throw Error(ErrorKind::corrupt, "array 'removed': expected rows of the segment");
            alive.clear(row);
        }
        std::shared_ptr<const Segment> segment;
        try {
            segment = std::make_shared<const Segment>(std::move(made), std::vector(ids.begin(), ids.end()));
        } catch (const Error& error) {
            throw Error(ErrorKind::corrupt, error.what());
        }
        snapshot.append(std::move(segment), alive);
    }
    const auto sorted = snapshot.sorted_ids();
    if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
        throw Error(ErrorKind::corrupt, "array 'ids': expected ids of which none is there twice");
    snapshot.next_id = std::max(snapshot.next_id, static_cast<std::int64_t>(parts.param("next_id", 0, max_next_id)));
    std::string meta;
    if (const auto found = parts.arrays.find("meta"); found != parts.arrays.end())
        meta.assign(reinterpret_cast<const char*>(found->second.bytes.data()), found->second.bytes.size());
    return std::unique_ptr<Engine>(new Engine(std::move(snapshot), std::move(meta)));
}

std::unique_ptr<Engine> Engine::added(const CsrView& x, std::span<const std::int64_t> ids, bool replace) const {
    const Csr own(x, "x");
    Snapshot next = *snapshot_;
    if (own.rows() == 0) return std::unique_ptr<Engine>(new Engine(std::move(next), meta_));
    Scales scales = *next.scales;
    learn_scales(own, scales);
    next.scales = std::make_shared<const Scales>(std::move(scales));
    std::vector<std::int64_t> numbers(ids.begin(), ids.end());
    if (numbers.empty()) {
        numbers.resize(own.rows());
        std::iota(numbers.begin(), numbers.end(), next.next_id);
    }
    require(numbers.size() == own.rows(), "ids: expected one per vector");
    for (const std::int64_t id : numbers) {
        if (id < 0 || id >= static_cast<std::int64_t>(max_next_id))
            fail("ids: expected 0 to 2^62 - 1, got " + std::to_string(id));
        const std::int64_t row = ids.empty() ? -1 : next.row_of(id);
        if (row < 0) continue;
        if (!replace) fail("ids: " + std::to_string(id) + " is in the index already");
        next.alive.clear(static_cast<std::size_t>(row));
        --next.n;
    }
    RowsBuilder builder;
    builder.append(own, *next.scales);
    next.append(std::make_shared<const Segment>(Rows(builder.finish(), *next.scales), std::move(numbers)),
                Bitmap(own.rows(), true));
    if (const std::size_t first = first_to_merge(next); first + 1 < next.segments.size()) next = merged(next, first);
    return std::unique_ptr<Engine>(new Engine(std::move(next), meta_));
}

std::unique_ptr<Engine> Engine::removed(std::span<const std::int64_t> ids) const {
    Snapshot next = *snapshot_;
    for (const std::int64_t id : ids) {
        const std::int64_t row = next.row_of(id);
        if (row < 0) continue;
        next.alive.clear(static_cast<std::size_t>(row));
        --next.n;
    }
    return std::unique_ptr<Engine>(new Engine(std::move(next), meta_));
}

std::unique_ptr<Engine> Engine::compacted() const {
    return std::unique_ptr<Engine>(new Engine(merged(*snapshot_, 0), meta_));
}

void Engine::search(const CsrView& queries, const Params& params, const Filters& filters, std::int64_t* ids,
                    float* scores) const {
    const Snapshot& snapshot = *snapshot_;
    const Csr own(queries, "queries");
    if (!filters.of_query.empty() && filters.of_query.size() != own.rows())
        fail("filters: got " + std::to_string(filters.of_query.size()) + ", expected one per query");
    std::vector<Bitmap> allowed;
    for (const Filter* filter : filters.filters) allowed.push_back(allowed_rows(snapshot, *filter));
    const unsigned threads = resolve_threads(params.threads);
    std::vector<Scan::Scratch> scratch(threads);
    const std::size_t k = std::min<std::size_t>(params.k, snapshot.n);
    parallel_for(own.rows(), threads, [&](std::size_t i, unsigned worker) {
        const std::size_t of = filters.of_query.empty() ? 0 : filters.of_query[i];
        require(allowed.empty() || of < allowed.size(), "filters: a query has the number of no filter");
        const Query query(own, i, *snapshot.scales);
        const Bitmap& rows = allowed.empty() ? snapshot.alive : allowed[of];
        TopSums top(k, query.min_sum(params.min_score));
        if (k > 0 && !query.terms.empty()) {
            if (params.mass < 1)
                approximate(snapshot, query, params, rows, scratch[worker], top);
            else
                Scan(snapshot, query, rows, scratch[worker]).run(top);
        }
        const auto best = top.sorted();
        for (std::size_t j = 0; j < params.k; ++j) {
            const bool found = j < best.size();
            ids[i * params.k + j] = found ? snapshot.id(TopSums::row(best[j])) : -1;
            scores[i * params.k + j] = found ? query.score(TopSums::sum(best[j])) : -infinity;
        }
    });
}

void Engine::score(const CsrView& queries, Matrix<const std::int64_t> ids, unsigned threads, float* scores) const {
    const Snapshot& snapshot = *snapshot_;
    const Csr own(queries, "queries");
    if (ids.rows != 1 && ids.rows != own.rows())
        fail("ids: got " + std::to_string(ids.rows) + " rows, expected one per query");
    parallel_for(own.rows(), resolve_threads(threads), [&](std::size_t i, unsigned) {
        const Query query(own, i, *snapshot.scales);
        const std::int64_t* wanted = ids.row(ids.rows == 1 ? 0 : i);
        for (std::size_t j = 0; j < ids.cols; ++j) {
            float& score = scores[i * ids.cols + j];
            score = -infinity;
            if (wanted[j] == -1) continue;
            const std::uint32_t row = rows_of(snapshot, {wanted + j, 1})[0];
            const std::size_t s = snapshot.segment_of(row);
            score = query.score(snapshot.segments[s]->rows().dot(row - snapshot.first_rows[s], query.weights));
            poll(1024);
        }
    });
}

void Engine::reconstruct(std::span<const std::int64_t> ids, std::vector<std::int64_t>& offsets,
                         std::vector<std::uint32_t>& terms, std::vector<float>& values) const {
    offsets.assign(1, 0);
    for (const std::uint32_t row : rows_of(*snapshot_, ids)) {
        const std::size_t s = snapshot_->segment_of(row), own = row - snapshot_->first_rows[s];
        const Rows& rows = snapshot_->segments[s]->rows();
        for (std::size_t i = rows.begin(own); i < rows.end(own); ++i) {
            terms.push_back(rows.term(i));
            values.push_back((*snapshot_->scales)[rows.term(i)] * static_cast<float>(rows.code(i)));
        }
        offsets.push_back(static_cast<std::int64_t>(terms.size()));
    }
}

Parts Engine::as_parts(const std::string& meta) const {
    const Snapshot& snapshot = *snapshot_;
    Parts parts;
    parts.params["sparse.kind"] = 1;
    parts.params["segments"] = snapshot.segments.size();
    parts.params["next_id"] = static_cast<std::uint64_t>(snapshot.next_id);
    parts.arrays["scales"] = {DType::f32, std::as_bytes(std::span(*snapshot.scales)), snapshot.scales};
    parts.arrays["meta"] = {DType::u8, std::as_bytes(std::span(meta.data(), meta.size())), nullptr};
    for (std::size_t s = 0; s < snapshot.segments.size(); ++s) {
        const auto& segment = snapshot.segments[s];
        const std::string name = segment_name(s) + ".";
        for (const auto& [own, array] : segment->rows().parts().arrays) parts.arrays[name + own] = array;
        parts.arrays[name + "ids"] = {DType::i64, std::as_bytes(segment->ids()), segment};
        std::vector<std::uint32_t> removed;
        for (std::uint32_t row = 0; row < segment->n(); ++row)
            if (!snapshot.alive.test(snapshot.first_rows[s] + row)) removed.push_back(row);
        if (!removed.empty()) parts.arrays[name + "removed"] = owned_array(std::move(removed));
    }
    return parts;
}

}  // namespace fewbits::sparse
