#include "index/search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "blocks/top_k.h"
#include "index/probe.h"
#include "io/advise.h"

namespace fewbits {
namespace {

constexpr std::size_t group_queries = 1024;    // queries that share a pass over the lists, at most
constexpr std::size_t worth_sharing = 64;      // queries; groups are not made smaller only so that threads end together
constexpr std::uint32_t chunk_vectors = 2048;  // vectors scanned before thresholds are raised
constexpr std::uint32_t first_chunk = 64;      // the same at the start of a query's nearest lists, then twice as many
constexpr double worker_bytes = 1 << 20;       // codes read per worker that make it worth starting one (about 50 us)

std::size_t candidates(const Snapshot& snapshot, const SearchParams& params) {
    const std::size_t wanted =
        snapshot.model->rerank && params.rerank > 0 ? std::max(params.rerank, params.k) : params.k;
    return std::min<std::size_t>(wanted, snapshot.n());
}

const Packed* packed_or_null(const Snapshot& snapshot, std::size_t n_queries, const SearchParams& params) {
    if (!params.filter) return nullptr;
    const RowFilter& filter = *params.filter;
    if (!snapshot.model->relative && scans_packed(snapshot, filter, params.nprobe))
        return &filter.joined(snapshot, params.threads);
    if (packs_lists(snapshot, filter, params.nprobe, filter.count(n_queries)))
        return &filter.by_list(snapshot, params.threads);
    return nullptr;
}

// What one worker needs for a group of queries, and the steps of the pipeline over it.
class GroupSearch {
public:
    // packed: what the filter allows, if nothing else is to be scanned.
    GroupSearch(const Snapshot& snapshot, const Packed* packed, MatrixView queries, const SearchParams& params)
        : snapshot_(snapshot),
          packed_(packed),
          scanned_(packed_ ? *packed_->snapshot : snapshot),
          model_(*snapshot.model),
          queries_(queries),
          params_(params),
          capacity_(candidates(snapshot, params)),
          staged_(model_.codec->layout().rest_bytes > 0),
          reranks_(model_.rerank && params.rerank > 0) {
        if (model_.metric == Metric::cosine) params_.least = std::min(params_.least, 1 - cosine_rounding(model_.dim));
    }

    // Scans the share of (list, chunk) work that falls to `slice` of `slices`.
    void scan(std::size_t slice, std::size_t slices) {
        slice_ = slice;
        slices_ = slices;
        prepare();
        probe();
        // A query's nearest lists come first, so that it has a threshold before the many others are scanned.
        const std::size_t near = near_probes();
        scan_probes(0, near, first_chunk);
        scan_probes(near, probes_.width, chunk_vectors);
    }

    void absorb(GroupSearch& other);
    // The hits, once all slices scanned, as rows of the snapshot and by their final scores.
    void finish();

    TopHits& hits(std::size_t query) { return hits_[query]; }

private:
    void rerank();
    void restore(std::span<Hit> hits, std::vector<Hit>& exceeding) const;
    void prepare();
    void enter_queries();
    void prepare_query(const float* query, std::size_t i);
    void prepare_relative(std::uint32_t list, std::span<const std::uint32_t> pairs);
    void probe();
    std::size_t near_probes() const;
    void scan_probes(std::size_t begin, std::size_t end, std::uint32_t first_step);
    void sort_by_list(std::vector<std::uint32_t>& pairs) const;
    void scan_list(std::uint32_t list, std::span<std::uint32_t> pairs, std::uint32_t first_step);
    void scan_chunk(const kernels::Scan& chunk, const RowCodes& rest, std::span<const std::uint32_t> pairs, bool wide,
                    std::uint32_t first_row);
    bool joined() const { return packed_ && !packed_->lists.empty(); }
    bool adds_lists() const { return joined() && model_.residual; }
    bool adds_coarse() const { return model_.residual && !model_.relative; }
    float of_list(std::uint32_t row, std::size_t i, float score, const kernels::Scan& chunk) const;
    void add_lists(kernels::ScanQuery& query, std::size_t i, const kernels::Scan& chunk,
                   std::span<Hit> exceeding) const;
    bool is_wide(std::uint32_t pair) const { return !wide_[pair / probes_.width].empty(); }
    MatrixView input() const { return {entered_.data(), queries_.rows, model_.dim}; }

    const Snapshot& snapshot_;
    const Packed* packed_;
    const Snapshot& scanned_;  // it, or the snapshot
    const Model& model_;
    MatrixView queries_;
    SearchParams params_;
    std::size_t capacity_;
    bool staged_, reranks_;
    std::size_t slice_ = 0, slices_ = 1, work_ = 0;
    std::vector<float> entered_;  // queries as the parts see them, in input space
    std::vector<float> transformed_;
    std::vector<std::vector<float>> wide_;     // weights of the queries that are wide
    std::vector<std::vector<Hit>> exceeding_;  // of staged codes: see Codec::refine
    std::vector<std::uint8_t> tables_, row_queries_;
    std::vector<QueryTerms> terms_;
    std::vector<TopHits> hits_;
    Probes probes_;
    std::vector<float> list_scores_;  // of every list, for packed residual codes: queries x nlist
    std::vector<kernels::ScanQuery> scan_queries_;
};

void GroupSearch::prepare() {
    const std::size_t nq = queries_.rows;
    entered_.resize(queries_.size());
    enter_queries();
    const std::uint32_t d = model_.transform->out_dim();
    transformed_.resize(nq * d);
    model_.transform->apply_to_queries(input(), transformed_.data());
    tables_.resize(nq * model_.codec->table_bytes());
    terms_.resize(nq);
    wide_.assign(nq, {});
    exceeding_.assign(staged_ ? nq : 0, {});
    row_queries_.resize(staged_ ? nq * model_.codec->row_query_bytes() : 0);
    hits_.resize(nq);
    for (std::size_t i = 0; i < nq; ++i) {
        poll(model_.codec->table_bytes());
        if (!model_.relative) prepare_query(transformed_.data() + i * d, i);
        // Codes that are reranked are compared with one another only: their scores are not the final ones.
        hits_[i].reset(capacity_, reranks_ ? -std::numeric_limits<float>::infinity() : params_.least);
    }
}

// Query maps are of the space of input; centers are subtracted from what they give.
void GroupSearch::enter_queries() {
    if (!model_.query_map) return model_.enter(queries_, entered_.data());
    std::vector<float> mapped(queries_.data, queries_.data + queries_.size());
    if (model_.metric == Metric::cosine) normalize_rows(queries_, mapped.data());
    model_.query_map->apply({mapped.data(), queries_.rows, queries_.cols}, entered_.data());
    if (model_.center.empty()) return;
    model_.enter({entered_.data(), queries_.rows, queries_.cols}, mapped.data());
    entered_ = std::move(mapped);
}

void GroupSearch::prepare_query(const float* query, std::size_t i) {
    const Codec& codec = *model_.codec;
    if (codec.is_wide(query)) {
        wide_[i].resize(codec.wide_floats());
        terms_[i] = codec.prepare_wide(query, wide_[i].data());
    } else {
        wide_[i].clear();
        terms_[i] = codec.prepare(query, tables_.data() + i * codec.table_bytes());
    }
    if (staged_) codec.prepare_rows(query, row_queries_.data() + i * codec.row_query_bytes());
}

// Every query of the pairs as it is seen from the list: what its tables hold then differs from list to list.
void GroupSearch::prepare_relative(std::uint32_t list, std::span<const std::uint32_t> pairs) {
    const std::uint32_t d = model_.transform->out_dim();
    const float* centroid = model_.partition->centroids().row(list);
    std::vector<float> difference(d);
    for (const std::uint32_t pair : pairs) {
        const std::size_t i = pair / probes_.width;
        for (std::uint32_t j = 0; j < d; ++j) difference[j] = transformed_[i * d + j] - centroid[j];
        prepare_query(difference.data(), i);
    }
}

void GroupSearch::probe() {
    const MatrixView queries{transformed_.data(), queries_.rows, model_.transform->out_dim()};
    const std::uint32_t nprobe = std::clamp(params_.nprobe, 1u, model_.partition->nlist());
    if (joined()) {
        probes_ = choose_lists(*scanned_.model, queries, 1);
        list_scores_.resize(model_.residual ? queries.rows * model_.partition->nlist() : 0);
        if (model_.residual) model_.partition->scores(queries, list_scores_.data());
    } else if (params_.filter)
        probes_ = choose_lists(snapshot_, queries, nprobe, *params_.filter, capacity_);
    else
        probes_ = choose_lists(model_, queries, nprobe);
}

std::size_t GroupSearch::near_probes() const {
    const auto n = static_cast<std::size_t>(params_.filter ? params_.filter->expected() : snapshot_.n());
    const std::size_t list_size = std::max<std::size_t>(1, n / model_.partition->nlist());
    return std::min(probes_.width, std::max<std::size_t>(1, (2 * capacity_ + list_size - 1) / list_size));
}

// Probes begin..end of every query, list by list. A pair is the index of a (query, probe) in probes_.
void GroupSearch::scan_probes(std::size_t begin, std::size_t end, std::uint32_t first_step) {
    std::vector<std::uint32_t> pairs;
    pairs.reserve(queries_.rows * (end - begin));
    for (std::size_t i = 0; i < queries_.rows; ++i)
        for (std::size_t j = i * probes_.width + begin; j < i * probes_.width + end; ++j)
            if (probes_.lists[j].list != Probes::none) pairs.push_back(static_cast<std::uint32_t>(j));
    if (queries_.rows > 1) sort_by_list(pairs);
    for (std::size_t first = 0, last; first < pairs.size(); first = last) {
        const std::uint32_t list = probes_.lists[pairs[first]].list;
        for (last = first + 1; last < pairs.size() && probes_.lists[pairs[last]].list == list;) ++last;
        scan_list(list, {pairs.data() + first, last - first}, first_step);
    }
}

// Stable, in one pass.
void GroupSearch::sort_by_list(std::vector<std::uint32_t>& pairs) const {
    std::vector<std::uint32_t> next(model_.partition->nlist() + 1), sorted(pairs.size());
    for (const std::uint32_t pair : pairs) ++next[probes_.lists[pair].list + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (const std::uint32_t pair : pairs) sorted[next[probes_.lists[pair].list]++] = pair;
    pairs = std::move(sorted);
}

// Chunks depend on nothing but the list, so that all slices of the work agree on them.
void GroupSearch::scan_list(std::uint32_t list, std::span<std::uint32_t> pairs, std::uint32_t first_step) {
    if (model_.relative) prepare_relative(list, pairs);
    const auto narrow = static_cast<std::size_t>(
        std::stable_partition(pairs.begin(), pairs.end(), [&](std::uint32_t pair) { return !is_wide(pair); })
        - pairs.begin());
    const CodeLayout layout = model_.codec->layout();
    const bool filtered = params_.filter && !packed_;
    const Bitmap& allow = filtered ? params_.filter->list(snapshot_, list).allowed : scanned_.alive;
    std::uint32_t in_list = 0;  // rows of earlier segments: a filter's answer numbers the rows of a list
    for (std::size_t s = 0; s < scanned_.segments.size(); ++s) {
        const Segment& segment = *scanned_.segments[s];
        const std::uint32_t n = segment.list_size(list), row = segment.first_row(list);
        for (std::uint32_t begin = 0, step = first_step; begin < n;
             begin += step, step = std::min(2 * step, chunk_vectors)) {
            if (work_++ % slices_ != slice_) continue;
            poll(step * pairs.size() * layout.row_bytes());
            kernels::Scan chunk{};
            chunk.codes = segment.list_codes(list) + kernels::blocks_bytes(layout.element_bits, layout.elements, begin);
            chunk.n = std::min(step, n - begin);
            chunk.m = layout.elements;
            const std::uint32_t first_row = scanned_.first_rows[s] + row + begin;
            chunk.first_row = filtered ? in_list + begin : first_row;
            const StoredFactors factors = segment.factors().from(row + begin);
            chunk.a = factors.stage ? factors.stage : factors.a;
            chunk.b = factors.b;
            chunk.allow = allow.size() > 0 ? allow.data() : nullptr;
            chunk.levels = model_.codec->levels();
            const RowCodes rest = segment.rest(layout.rest_bytes, row + begin);
            scan_chunk(chunk, rest, pairs.first(narrow), false, first_row);
            scan_chunk(chunk, rest, pairs.subspan(narrow), true, first_row);
        }
        in_list += n;
    }
}

// first_row: of the chunk; hits are to have such rows, whatever the scan's own are.
void GroupSearch::scan_chunk(const kernels::Scan& chunk, const RowCodes& rest, std::span<const std::uint32_t> pairs,
                             bool wide, std::uint32_t first_row) {
    if (pairs.empty()) return;
    scan_queries_.resize(pairs.size());
    for (std::size_t p = 0; p < pairs.size(); ++p) {
        const std::size_t i = pairs[p] / probes_.width;
        const QueryTerms& terms = terms_[i];
        const Partition::Probe& probe = probes_.lists[pairs[p]];
        const void* table =
            wide ? static_cast<const void*>(wide_[i].data()) : tables_.data() + i * model_.codec->table_bytes();
        scan_queries_[p] = {table,
                            terms.scale,
                            terms.offset,
                            terms.constant + (adds_coarse() ? probe.coarse : 0.0f),
                            hits_[i].threshold(),
                            hits_[i].tail(chunk.n),
                            0,
                            model_.b_scale(terms, probe)};
        if (adds_lists()) {
            scan_queries_[p].constant = 0;
            scan_queries_[p].threshold = -std::numeric_limits<float>::infinity();
        }
    }
    kernels::Scan scan = chunk;
    scan.queries = scan_queries_.data();
    scan.n_queries = static_cast<std::uint32_t>(pairs.size());
    if (adds_lists()) scan.b = nullptr;
    if (wide)
        model_.codec->scan_wide(scan);
    else
        model_.codec->scan_kernel()(scan);
    for (std::size_t p = 0; p < pairs.size(); ++p) {
        const std::size_t i = pairs[p] / probes_.width;
        std::vector<Hit> exceeding;
        if (staged_ && scan_queries_[p].count > 0)
            model_.codec->refine(scan, rest, row_queries_.data() + i * model_.codec->row_query_bytes(),
                                 scan_queries_[p], 0, &exceeding);
        if (adds_lists()) add_lists(scan_queries_[p], i, chunk, exceeding);
        const auto number = [&](Hit& hit) {
            const std::uint32_t row = hit.row + (first_row - chunk.first_row);
            hit.row = packed_ ? packed_->rows[row] : row;
        };
        for (Hit& hit : std::span(scan_queries_[p].hits, scan_queries_[p].count)) number(hit);
        for (Hit& hit : exceeding) number(hit);
        if (staged_) exceeding_[i].insert(exceeding_[i].end(), exceeding.begin(), exceeding.end());
        hits_[i].added(scan_queries_[p].count);
    }
}

// Packed residual codes lie in one list, whatever theirs was: what their scores owe to it is added here.
float GroupSearch::of_list(std::uint32_t row, std::size_t i, float score, const kernels::Scan& chunk) const {
    const std::uint32_t list = packed_->lists[row];
    const float own = list_scores_[i * model_.partition->nlist() + list];
    const Partition::Probe probe{list, model_.partition->coarse({list, own})};
    if (chunk.b) score += model_.b_scale(terms_[i], probe) * chunk.b[row - chunk.first_row];
    return score + (terms_[i].constant + probe.coarse);
}

void GroupSearch::add_lists(kernels::ScanQuery& query, std::size_t i, const kernels::Scan& chunk,
                            std::span<Hit> exceeding) const {
    const float threshold = hits_[i].threshold();
    std::size_t kept = 0;
    for (Hit hit : std::span(query.hits, query.count)) {
        hit.score = of_list(hit.row, i, hit.score, chunk);
        if (hit.score >= threshold) query.hits[kept++] = hit;
    }
    query.count = kept;
    for (Hit& hit : exceeding) hit.score = of_list(hit.row, i, hit.score, chunk);
}

void GroupSearch::finish() {
    if (reranks_) return rerank();
    for (std::size_t i = 0; i < exceeding_.size(); ++i) restore(hits_[i].kept(), exceeding_[i]);
}

// Staged codes that score more than their first stage promised were selected by the promise.
void GroupSearch::restore(std::span<Hit> hits, std::vector<Hit>& exceeding) const {
    const auto by_row = [](const Hit& x, const Hit& y) { return x.row < y.row; };
    std::sort(exceeding.begin(), exceeding.end(), by_row);
    for (Hit& hit : hits) {
        const auto found = std::lower_bound(exceeding.begin(), exceeding.end(), hit, by_row);
        if (found != exceeding.end() && found->row == hit.row) hit.score = found->score;
    }
}

// The hits of another slice of the same work.
void GroupSearch::absorb(GroupSearch& other) {
    for (std::size_t i = 0; i < queries_.rows; ++i)
        for (const Hit& hit : other.hits_[i].kept()) hits_[i].push(hit);
    for (std::size_t i = 0; i < exceeding_.size(); ++i)
        exceeding_[i].insert(exceeding_[i].end(), other.exceeding_[i].begin(), other.exceeding_[i].end());
}

// Replaces the hits of each query by their k best under the rerank codec.
void GroupSearch::rerank() {
    const Codec& codec = *model_.rerank;
    if (model_.rerank_on_disk) {
        // All candidates of the group are asked for before the first is read, in the order in which they lie.
        for (std::size_t s = 0; s < snapshot_.segments.size(); ++s) {
            const RowCodes& codes = snapshot_.segments[s]->rerank();
            std::vector<std::uint32_t> rows;
            for (TopHits& top : hits_)
                for (const Hit& hit : top.kept())
                    if (hit.row >= snapshot_.first_rows[s] && hit.row < snapshot_.first_rows[s + 1])
                        rows.push_back(hit.row - snapshot_.first_rows[s]);
            std::sort(rows.begin(), rows.end());
            io::advise_rows(codes.base, codes.stride, rows);
        }
    }
    std::vector<std::uint8_t> prepared(codec.row_query_bytes());
    std::vector<std::uint32_t> rows;
    std::vector<float> scores;
    for (std::size_t i = 0; i < queries_.rows; ++i) {
        std::span<Hit> kept = hits_[i].kept();
        rows.clear();
        for (const Hit& hit : kept) rows.push_back(hit.row);
        std::sort(rows.begin(), rows.end());
        scores.resize(rows.size());
        poll(rows.size() * codec.layout().row_bytes());
        codec.prepare_rows(input().row(i), prepared.data());
        for (std::size_t first = 0, last; first < rows.size(); first = last) {
            const std::size_t s = snapshot_.segment_of(rows[first]);
            const std::uint32_t base = snapshot_.first_rows[s];
            for (last = first; last < rows.size() && rows[last] < snapshot_.first_rows[s + 1]; ++last)
                rows[last] -= base;
            codec.score_rows(prepared.data(), snapshot_.segments[s]->rerank(), rows.data() + first, last - first,
                             scores.data() + first);
            for (std::size_t r = first; r < last; ++r) rows[r] += base;
        }
        hits_[i].reset(std::min<std::size_t>(params_.k, snapshot_.n()), params_.least);
        for (std::size_t r = 0; r < rows.size(); ++r)
            if (scores[r] >= params_.least) hits_[i].push({rows[r], scores[r]});
    }
}

}  // namespace

float cosine_rounding(std::size_t dim) {
    return std::ldexp(1 + std::sqrt(static_cast<float>(dim)), -23);
}

void write_results(std::span<const Hit> hits, std::size_t k, Metric metric, std::size_t dim, std::int64_t* ids,
                   float* scores, const std::function<std::int64_t(std::uint32_t)>& id) {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    const float unit = 1 - cosine_rounding(dim);
    const auto score_of = [&](float score) {
        if (metric == Metric::l2) return std::max(0.0f, -score);
        if (metric == Metric::ip) return score;
        return score >= unit ? 1.0f : std::max(-1.0f, score);
    };
    for (std::size_t j = 0; j < k; ++j) {
        ids[j] = j < hits.size() ? id(hits[j].row) : -1;
        scores[j] = j < hits.size() ? score_of(hits[j].score) : metric == Metric::l2 ? infinity : -infinity;
    }
}

namespace {

unsigned useful_threads(const Snapshot& snapshot, std::size_t n_queries, const SearchParams& params) {
    const Model& model = *snapshot.model;
    const double share = std::min(1.0, double{1.0} * params.nprobe / model.partition->nlist());
    const double bytes = static_cast<double>(n_queries) * snapshot.rows() * share
                         * static_cast<double>(model.codec->layout().row_bytes());
    return static_cast<unsigned>(
        std::clamp(bytes / worker_bytes, 1.0, static_cast<double>(resolve_threads(params.threads))));
}

// Several groups a thread, so that none waits long for the others; each shares its scans.
std::size_t queries_a_group(std::size_t n_queries, unsigned threads) {
    const auto share = [&](std::size_t parts) { return std::max<std::size_t>(1, (n_queries + parts - 1) / parts); };
    const std::size_t group =
        threads == 1 ? n_queries : std::max(share(4 * threads), std::min(share(threads), worth_sharing));
    return std::clamp<std::size_t>(group, 1, group_queries);
}

}  // namespace

void search(const Snapshot& snapshot, MatrixView queries, const SearchParams& params, std::int64_t* ids,
            float* scores) {
    const unsigned threads = useful_threads(snapshot, queries.rows, params);
    const Packed* packed = packed_or_null(snapshot, queries.rows, params);
    const std::size_t group = queries_a_group(queries.rows, threads);
    const std::size_t groups = (queries.rows + group - 1) / group;
    // Fewer queries than threads: several workers scan for one query, and their hits are merged.
    const std::size_t slices = groups == 0 ? 1 : std::max<std::size_t>(1, threads / groups);
    const auto group_of = [&](std::size_t g) {
        return queries.block(g * group, std::min(group, queries.rows - g * group));
    };
    const auto finish = [&](GroupSearch& work, std::size_t g) {
        work.finish();
        for (std::size_t i = 0; i < group_of(g).rows; ++i) {
            const std::size_t at = (g * group + i) * params.k;
            write_results(work.hits(i).sorted(), params.k, snapshot.model->metric, snapshot.model->dim, ids + at,
                          scores + at,
                          [&](std::uint32_t row) { return params.as_rows ? std::int64_t{row} : snapshot.id(row); });
        }
    };
    if (slices == 1) {
        parallel_for(groups, threads, [&](std::size_t g, unsigned) {
            GroupSearch work(snapshot, packed, group_of(g), params);
            work.scan(0, 1);
            finish(work, g);
        });
        return;
    }
    std::vector<std::unique_ptr<GroupSearch>> works(groups * slices);
    parallel_for(works.size(), threads, [&](std::size_t task, unsigned) {
        works[task] = std::make_unique<GroupSearch>(snapshot, packed, group_of(task / slices), params);
        works[task]->scan(task % slices, slices);
    });
    parallel_for(groups, threads, [&](std::size_t g, unsigned) {
        GroupSearch& merged = *works[g * slices];
        for (std::size_t slice = 1; slice < slices; ++slice) merged.absorb(*works[g * slices + slice]);
        finish(merged, g);
    });
}

}  // namespace fewbits
