#include "index/group_search.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/interrupt.h"
#include "index/rerank.h"
#include "index/results.h"

namespace fewbits {
namespace {

constexpr std::uint32_t chunk_vectors = 2048;  // vectors scanned before thresholds are raised
constexpr std::uint32_t first_chunk = 64;      // the same at the start of a query's nearest lists; doubled per step
constexpr std::size_t most_promising = 16;     // or k: staged hits that are scored in full before the scan has ended
constexpr std::size_t most_waiting = 4096;     // staged hits of a query that wait, which bounds their memory
constexpr float infinity = std::numeric_limits<float>::infinity();

std::size_t candidates(const Snapshot& snapshot, const SearchParams& params) {
    const std::size_t wanted =
        snapshot.model->rerank && params.rerank > 0 ? std::max(params.rerank, params.k) : params.k;
    return std::min<std::size_t>(wanted, snapshot.n());
}

bool by_row(const Hit& x, const Hit& y) {
    return x.row < y.row;
}

// Queries whose tables, and what is found for them, stay in a cache of the second level, in whole passes of the
// kernels.
std::size_t queries_in_cache(const Codec& codec) {
    constexpr std::size_t cache = 384 << 10, found = 1 << 10, pass = 32;
    const std::size_t rows = codec.layout().rest_bytes > 0 ? codec.row_query_bytes() : 0;
    return std::max<std::size_t>(1, cache / (codec.table_bytes() + rows + found) / pass) * pass;
}

// Sets the full scores of staged codes that were selected by a smaller score of the first stage.
void restore(std::span<Hit> hits, std::vector<Hit>& exceeding) {
    std::sort(exceeding.begin(), exceeding.end(), by_row);
    for (Hit& hit : hits) {
        const auto found = std::lower_bound(exceeding.begin(), exceeding.end(), hit, by_row);
        if (found != exceeding.end() && found->row == hit.row) hit.score = found->score;
    }
}

}  // namespace

// The entries of a list in one segment: those in their first list, which are rows, or those in their second list.
struct GroupSearch::Source {
    const CodeLists& entries;
    std::size_t segment;
    std::uint32_t scan_row;     // what the scan calls the first entry: its bit in `allow`
    std::uint32_t first_row;    // row of the first entry; of the segment's first row if `rows` is not null
    const std::uint32_t* rows;  // null: consecutive
    const Bitmap* allow;        // or null
    std::uint32_t begin, end;   // the entries to scan, in whole blocks: the others are not allowed

    // Leaves out what is before the first allowed entry, and behind the last.
    void trim() {
        const auto [first, last] = allow->hull(scan_row, std::size_t{scan_row} + end);
        const auto blocks = [](std::size_t n) { return static_cast<std::uint32_t>(n / kernels::block_size); };
        begin = blocks(first - scan_row) * kernels::block_size;
        end = first == last ? begin
                            : std::min(end, blocks(last - scan_row + kernels::block_size - 1) * kernels::block_size);
    }
};

GroupSearch::GroupSearch(const Snapshot& snapshot, const Reading& reading, MatrixView queries, std::size_t first_query,
                         const SearchParams& params, std::size_t slice, std::size_t slices)
    : snapshot_(snapshot),
      packed_(reading.packed),
      reads_all_(reading.all),
      scanned_(packed_ ? *packed_->snapshot : snapshot),
      model_(*snapshot.model),
      params_(params),
      capacity_(candidates(snapshot, params)),
      first_query_(first_query),
      order_(snapshot),
      staged_(model_.codec->layout().rest_bytes > 0),
      reranks_(model_.rerank && params.rerank > 0),
      slice_(slice),
      slices_(slices),
      queries_(model_, queries),
      stopped_(queries.rows),
      entries_read_(params.entries_read ? queries.rows : 0),
      hits_(queries.rows),
      exceeding_(staged_ ? queries.rows : 0),
      promises_(exceeding_.size()) {
    if (model_.metric == Metric::cosine)
        params_.min_score = std::min(params_.min_score, 1 - cosine_rounding(model_.scored_dim(reranks_)));
    // Codes that are reranked are compared with one another only: their scores are not the final ones.
    for (TopHits& top : hits_) {
        top.break_ties_by(order_.ids());
        top.reset(capacity_, reranks_ ? -infinity : params_.min_score);
    }
    for (Promises& promises : promises_) promises.reset(std::max(capacity_, most_promising));
}

void GroupSearch::scan() {
    probe();
    in_rounds_ = params_.patience > 0 && params_.patience < probes_.width && !reads_all_;
    // If all lists are read, every vector is scored in its first list.
    const bool chosen = params_.filter || params_.probes;  // then a query may have fewer probes than others
    const bool may_read_fewer = in_rounds_ || chosen || probes_.width < model_.partition->nlist();
    second_ = scanned_.has_second() && !reads_all_ && may_read_fewer;
    if (second_) read_ = Bitmap(queries_.size() * model_.partition->nlist());
    if (in_rounds_) return scan_in_rounds();
    mark_read(0, probes_.width);
    // The nearest lists of a query are scanned first, so that there is a threshold before the many others are scanned.
    const std::size_t near = std::min(probes_.width, near_lists());
    scan_probes(0, near, first_chunk);
    scan_probes(near, probes_.width, chunk_vectors);
    for (std::size_t i = 0; i < promises_.size(); ++i) refine_waiting(i);
}

void GroupSearch::probe() {
    const MatrixView queries = queries_.transformed();
    const std::uint32_t nprobe = std::clamp(params_.nprobe, 1u, model_.partition->nlist());
    if (params_.probes) {
        take_given_probes();
    } else if (joined()) {
        probes_ = choose_lists(*scanned_.model, queries, 1);
        prepare_list_terms();
    } else if (reads_all_)
        probes_ = all_lists(snapshot_, queries, *params_.filter, near_lists());
    else if (params_.filter)
        probes_ = choose_lists(snapshot_, queries, nprobe, *params_.filter, capacity_);
    else
        probes_ = choose_lists(model_, queries, nprobe);
}

void GroupSearch::take_given_probes() {
    const auto first =
        params_.probes->lists.begin() + static_cast<std::ptrdiff_t>(first_query_ * params_.probes->width);
    probes_.width = params_.probes->width;
    probes_.lists.assign(first, first + static_cast<std::ptrdiff_t>(queries_.size() * probes_.width));
}

// What the lists of packed residual codes contribute to scores.
void GroupSearch::prepare_list_terms() {
    if (!model_.residual) return;
    const std::uint32_t nlist = model_.partition->nlist();
    list_coarse_.resize(queries_.size() * nlist);
    model_.partition->scores(queries_.transformed(), list_coarse_.data());
    std::vector<std::uint32_t> lists(packed_->lists);
    lists.erase(std::unique(lists.begin(), lists.end()), lists.end());
    for (std::size_t i = 0; i < queries_.size(); ++i)
        for (const std::uint32_t list : lists) {
            float& own = list_coarse_[i * nlist + list];
            own = model_.partition->coarse({list, own});
        }
}

// About how many lists hold enough to raise thresholds.
std::size_t GroupSearch::near_lists() const {
    const auto n = static_cast<std::size_t>(params_.filter ? params_.filter->expected() : snapshot_.n());
    const std::size_t list_size = std::max<std::size_t>(1, n / model_.partition->nlist());
    return std::max<std::size_t>(1, (2 * capacity_ + list_size - 1) / list_size);
}

void GroupSearch::scan_in_rounds() {
    const std::size_t near = std::min(probes_.width, near_lists());
    rounds_ = Rounds(queries_.size(), params_.patience, std::min(params_.k, capacity_), order_.ids());
    bool reading = true;
    for (std::size_t begin = 0, end; reading && begin < probes_.width; begin = end) {
        end = std::min(begin + rounds_.lists(), probes_.width);
        mark_read(begin, end);
        scan_probes(begin, end, begin < near ? first_chunk : chunk_vectors);
        reading = false;
        for (std::size_t i = 0; i < queries_.size(); ++i) {
            if (stopped_[i]) continue;
            const std::span<const Hit> kept = hits_[i].kept();
            if (second_) rounds_.settle(i, hits_[i].threshold(), [&](std::uint32_t list) { return reads(i, list); });
            stopped_[i] = rounds_.stops(i, end - begin, kept);
            reading = reading || !stopped_[i];
        }
    }
    for (std::size_t i = 0; i < queries_.size(); ++i) rounds_.finish(i, hits_[i], staged_ ? &exceeding_[i] : nullptr);
}

// Notes that queries read their probes begin..end.
void GroupSearch::mark_read(std::size_t begin, std::size_t end) {
    if (!second_) return;
    for (std::size_t i = 0; i < queries_.size(); ++i)
        for (std::size_t j = begin; j < end && !stopped_[i]; ++j)
            if (const std::uint32_t list = probes_.lists[i * probes_.width + j].list; list != Probes::none)
                read_.set(i * model_.partition->nlist() + list);
}

// Scans, list by list, what probes begin..end of each query ask for, except of queries that have stopped. `pairs` holds
// positions in probes_.lists, each of which stands for a query and one of its lists.
void GroupSearch::scan_probes(std::size_t begin, std::size_t end, std::uint32_t first_step) {
    std::vector<std::uint32_t> pairs;
    pairs.reserve(queries_.size() * (end - begin));
    for (std::size_t i = 0; i < queries_.size(); ++i)
        for (std::size_t j = i * probes_.width + begin; j < i * probes_.width + end; ++j)
            if (!stopped_[i] && probes_.lists[j].list != Probes::none) pairs.push_back(static_cast<std::uint32_t>(j));
    if (queries_.size() > 1) sort_by_list(pairs);
    for (std::size_t first = 0, last; first < pairs.size(); first = last) {
        const std::uint32_t list = probes_.lists[pairs[first]].list;
        for (last = first + 1; last < pairs.size() && probes_.lists[pairs[last]].list == list;) ++last;
        scan_list(list, {pairs.data() + first, last - first}, first_step);
    }
}

// Counting sort, which is stable.
void GroupSearch::sort_by_list(std::vector<std::uint32_t>& pairs) const {
    std::vector<std::uint32_t> next(model_.partition->nlist() + 1), sorted(pairs.size());
    for (const std::uint32_t pair : pairs) ++next[probes_.lists[pair].list + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    for (const std::uint32_t pair : pairs) sorted[next[probes_.lists[pair].list]++] = pair;
    pairs = std::move(sorted);
}

// Wide queries are scanned apart. The pairs of a long list take turns with it in parts whose tables, and what is found,
// stay in the cache.
void GroupSearch::scan_list(std::uint32_t list, std::span<std::uint32_t> pairs, std::uint32_t first_step) {
    if (model_.relative)
        for (const std::uint32_t pair : pairs) queries_.prepare_relative(query_of(pair), list);
    const auto narrow = static_cast<std::size_t>(
        std::stable_partition(pairs.begin(), pairs.end(),
                              [&](std::uint32_t pair) { return !queries_.is_wide(query_of(pair)); })
        - pairs.begin());
    const bool is_long = entries_in(list) > chunk_vectors;
    promises_wait_ = is_long && !model_.relative && !adds_lists() && !in_rounds_;
    const std::size_t together = staged_ && is_long ? queries_in_cache(*model_.codec) : pairs.size();
    for (const bool wide : {false, true}) {
        const std::span<const std::uint32_t> kind = wide ? pairs.subspan(narrow) : pairs.first(narrow);
        for (std::size_t first = 0; first < kind.size(); first += together)
            scan_pairs(list, kind.subspan(first, std::min(together, kind.size() - first)), first_step, wide);
    }
}

std::size_t GroupSearch::entries_in(std::uint32_t list) const {
    std::size_t n = 0;
    for (const auto& segment : scanned_.segments) {
        n += segment->list_size(list);
        if (const SecondEntries* second = segment->second(); second && second_) n += second->list_size(list);
    }
    return n;
}

void GroupSearch::scan_pairs(std::uint32_t list, std::span<const std::uint32_t> pairs, std::uint32_t first_step,
                             bool wide) {
    const bool filtered = params_.filter && !packed_;
    const Bitmap& allow = filtered ? params_.filter->list(snapshot_, list).allowed : scanned_.alive;
    std::uint32_t in_list = 0;  // rows of earlier segments: a filter's answer numbers the rows of a list
    for (std::size_t s = 0; s < scanned_.segments.size(); ++s) {
        const Segment& segment = *scanned_.segments[s];
        const std::uint32_t row = scanned_.first_rows[s] + segment.first_row(list), n = segment.list_size(list);
        Source own{segment, s, filtered ? in_list : row, row, nullptr, allow.size() > 0 ? &allow : nullptr, 0, n};
        if (filtered && n > 0) own.trim();
        scan_entries(own, list, pairs, first_step, wide);
        in_list += n;
        if (const SecondEntries* second = segment.second(); second && second_)
            scan_entries({*second, s, 0, scanned_.first_rows[s], second->rows.data() + second->first_row(list), nullptr,
                          0, second->list_size(list)},
                         list, pairs, first_step, wide);
    }
}

// Chunks depend only on the list, so that they are the same in all slices.
void GroupSearch::scan_entries(const Source& source, std::uint32_t list, std::span<const std::uint32_t> pairs,
                               std::uint32_t first_step, bool wide) {
    const CodeLayout layout = model_.codec->layout();
    const std::uint32_t end = source.end, first = source.entries.first_row(list);
    for (std::uint32_t begin = source.begin, step = first_step; begin < end;
         begin += step, step = std::min(2 * step, chunk_vectors)) {
        if (work_++ % slices_ != slice_) continue;
        poll(step * pairs.size() * layout.row_bytes());
        Chunk chunk{{},
                    source.entries.rest(layout.rest_bytes, first + begin),
                    source.segment,
                    source.first_row + (source.rows ? 0 : begin),
                    source.rows ? source.rows + begin : nullptr};
        kernels::Scan& scan = chunk.scan;
        scan.codes =
            source.entries.list_codes(list) + kernels::blocks_bytes(layout.element_bits, layout.elements, begin);
        scan.n = std::min(step, end - begin);
        scan.m = layout.elements;
        scan.first_row = source.scan_row + begin;
        const StoredFactors factors = source.entries.factors().from(first + begin);
        scan.a = factors.stage ? factors.stage : factors.a;
        scan.b = factors.b;
        scan.allow = source.allow ? source.allow->data() : nullptr;
        scan.levels = model_.codec->levels();
        scan_chunk(chunk, pairs, wide);
    }
}

void GroupSearch::scan_chunk(const Chunk& chunk, std::span<const std::uint32_t> pairs, bool wide) {
    if (staged_) chunks_.push_back(chunk);
    scan_queries_.resize(pairs.size());
    for (std::size_t p = 0; p < pairs.size(); ++p) scan_queries_[p] = scan_query(pairs[p], chunk.scan.n);
    kernels::Scan scan = chunk.scan;
    scan.queries = scan_queries_.data();
    scan.n_queries = static_cast<std::uint32_t>(pairs.size());
    if (adds_lists()) scan.b = nullptr;
    if (adds_in_scan())
        scan_with_lists(scan, pairs, wide);
    else
        run(scan, wide);
    for (std::size_t p = 0; p < pairs.size(); ++p) {
        const std::size_t i = query_of(pairs[p]);
        if (!entries_read_.empty()) entries_read_[i] += scan.n;
        if (chunk.rows) drop_others(chunk, i, scan_queries_[p]);
        if (staged_)
            keep_promises(pairs[p], scan_queries_[p]);
        else
            keep_hits(chunk, i, scan_queries_[p], {});
    }
    if (staged_ && !promises_wait_) chunks_.pop_back();
}

void GroupSearch::run(const kernels::Scan& scan, bool wide) const {
    if (wide)
        model_.codec->scan_wide(scan);
    else
        model_.codec->scan_kernel()(scan);
}

// Whether what depends on the lists of packed residual codes can be added as a factor b, which is then that of one
// query.
bool GroupSearch::adds_in_scan() const {
    return adds_lists() && !staged_ && !scanned_.segments.empty() && !scanned_.segments.front()->b();
}

void GroupSearch::scan_with_lists(kernels::Scan scan, std::span<const std::uint32_t> pairs, bool wide) {
    list_terms_.resize(scan.n);
    scan.b = list_terms_.data();
    scan.n_queries = 1;
    for (const std::uint32_t pair : pairs) {
        const std::size_t i = query_of(pair);
        const float constant = queries_.terms(i).constant;
        const float* coarse = list_coarse_.data() + i * model_.partition->nlist();
        const std::uint32_t* lists = packed_->lists.data() + scan.first_row;
        for (std::uint32_t v = 0; v < scan.n; ++v) list_terms_[v] = constant + coarse[lists[v]];
        run(scan, wide);
        ++scan.queries;
    }
}

kernels::ScanQuery GroupSearch::scan_query(std::uint32_t pair, std::uint32_t n) {
    const std::size_t i = query_of(pair);
    const QueryTerms& terms = queries_.terms(i);
    const Partition::Probe& probe = probes_.lists[pair];
    const float coarse = model_.residual && !model_.relative ? probe.coarse : 0.0f;
    kernels::ScanQuery query{queries_.table(i),
                             terms.scale,
                             terms.offset,
                             terms.constant + coarse,
                             hits_[i].threshold(),
                             hits_[i].tail(n),
                             0,
                             model_.b_scale(terms, probe)};
    if (adds_lists()) {
        query.constant = 0;
        query.b_scale = 1;
        if (!adds_in_scan()) query.threshold = -infinity;
    }
    return query;
}

// Adds hits, which are already in the tail of hits_[i].
void GroupSearch::keep_hits(const Chunk& chunk, std::size_t i, kernels::ScanQuery& found, std::span<Hit> exceeding) {
    if (adds_lists() && !adds_in_scan()) add_lists(found, i, chunk.scan, exceeding);
    const auto number = [&](Hit& hit) { hit.row = packed_ ? packed_->rows[chunk.row(hit)] : chunk.row(hit); };
    const std::span<Hit> hits(found.hits, found.count);
    std::for_each(hits.begin(), hits.end(), number);
    std::for_each(exceeding.begin(), exceeding.end(), number);
    if (pends(chunk))
        rounds_.keep(i, hits, exceeding, [&](std::uint32_t row) { return first_list(row); });
    else
        hits_[i].added(found.count);
}

// Staged hits in the last chunk.
void GroupSearch::keep_promises(std::uint32_t pair, const kernels::ScanQuery& found) {
    if (found.count == 0) return;
    const std::size_t i = query_of(pair);
    const auto chunk = static_cast<std::uint32_t>(chunks_.size() - 1);
    const std::size_t count = promises_[i].add({found.hits, found.count}, chunk, pair);
    refine({chunk, pair, {found.hits, count}});
    if (!promises_wait_ || promises_[i].waiting() > most_waiting) refine_waiting(i);
}

// Scores in full what may still be among the best.
void GroupSearch::refine(const Promises::Group& group) {
    const Chunk& chunk = chunks_[group.chunk];
    const std::size_t i = query_of(group.pair);
    kernels::Scan scan = chunk.scan;
    if (adds_lists()) scan.b = nullptr;
    kernels::ScanQuery query = scan_query(group.pair, static_cast<std::uint32_t>(group.hits.size()));
    for (const Hit& hit : group.hits)
        if (hit.score >= query.threshold) query.hits[query.count++] = hit;
    if (query.count == 0) return;
    std::vector<Hit>& exceeding = exceeding_[i];
    const std::size_t exceeded = exceeding.size();
    model_.codec->refine(scan, chunk.rest, queries_.row_query(i), query, 0, &exceeding);
    if (query.count > 0) keep_hits(chunk, i, query, std::span(exceeding).subspan(exceeded));
    if (pends(chunk)) exceeding.resize(exceeded);
    hits_[i].compact();
}

void GroupSearch::refine_waiting(std::size_t i) {
    promises_[i].each_waiting([&](const Promises::Group& group) { refine(group); });
}

// The first list of a vector of the snapshot.
std::uint32_t GroupSearch::first_list(std::uint32_t row) const {
    const std::size_t s = snapshot_.segment_of(row);
    return snapshot_.segments[s]->list_of(row - snapshot_.first_rows[s]);
}

// Drops entries in second lists of vectors whose first list query i reads, and of those that are removed or not
// allowed.
void GroupSearch::drop_others(const Chunk& chunk, std::size_t i, kernels::ScanQuery& found) const {
    const Segment& segment = *scanned_.segments[chunk.segment];
    const bool filtered = params_.filter && !packed_;
    std::size_t kept = 0;
    for (const Hit& hit : std::span(found.hits, found.count)) {
        const std::uint32_t row = chunk.row(hit), own = row - chunk.first_row, list = segment.list_of(own);
        if (reads(i, list)) continue;
        const bool allowed =
            filtered ? params_.filter->allows(snapshot_, chunk.segment, list, own) : scanned_.is_alive(row);
        if (allowed) found.hits[kept++] = hit;
    }
    found.count = kept;
}

// Packed residual codes are in one list; this adds the terms of their scores that depend on their former lists.
float GroupSearch::with_list(std::uint32_t row, std::size_t i, float score, const kernels::Scan& chunk) const {
    const std::uint32_t list = packed_->lists[row];
    const Partition::Probe probe{list, list_coarse_[i * model_.partition->nlist() + list]};
    if (chunk.b) score += model_.b_scale(queries_.terms(i), probe) * chunk.b[row - chunk.first_row];
    return score + (queries_.terms(i).constant + probe.coarse);
}

void GroupSearch::add_lists(kernels::ScanQuery& query, std::size_t i, const kernels::Scan& chunk,
                            std::span<Hit> exceeding) const {
    const float threshold = hits_[i].threshold();
    std::size_t kept = 0;
    for (Hit hit : std::span(query.hits, query.count)) {
        hit.score = with_list(hit.row, i, hit.score, chunk);
        if (hit.score >= threshold) query.hits[kept++] = hit;
    }
    query.count = kept;
    for (Hit& hit : exceeding) hit.score = with_list(hit.row, i, hit.score, chunk);
}

void GroupSearch::absorb(GroupSearch& other) {
    for (std::size_t i = 0; i < hits_.size(); ++i)
        for (const Hit& hit : other.hits_[i].kept()) hits_[i].push(hit);
    for (std::size_t i = 0; i < exceeding_.size(); ++i)
        exceeding_[i].insert(exceeding_[i].end(), other.exceeding_[i].begin(), other.exceeding_[i].end());
    for (std::size_t i = 0; i < entries_read_.size(); ++i) entries_read_[i] += other.entries_read_[i];
}

std::span<TopHits> GroupSearch::finish() {
    if (reranks_) rerank_hits();
    if (params_.keys) keep_keys();
    for (std::size_t i = 0; i < exceeding_.size() && !reranks_; ++i) restore(hits_[i].kept(), exceeding_[i]);
    return hits_;
}

void GroupSearch::rerank_hits() {
    MatrixView queries = queries_.entered();
    std::vector<float> own;
    if (model_.two_inputs) {
        queries = params_.rerank_queries.block(first_query_, queries.rows);
        own.resize(queries.size());
        model_.rerank_input.enter(queries, own.data());
        queries.data = own.data();
    }
    rerank(snapshot_, queries, params_.k, params_.min_score, hits_);
}

void GroupSearch::keep_keys() {
    for (TopHits& top : hits_) {
        const std::span<Hit> kept = top.kept();
        keys_.emplace_back(kept.begin(), kept.end());
        std::sort(keys_.back().begin(), keys_.back().end(), by_row);
    }
}

float GroupSearch::key(std::size_t i, std::uint32_t row) const {
    return std::lower_bound(keys_[i].begin(), keys_[i].end(), Hit{row, 0}, by_row)->score;
}

}  // namespace fewbits
