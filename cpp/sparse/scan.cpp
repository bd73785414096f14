#include "sparse/scan.h"

#include <algorithm>

#include "base/interrupt.h"

namespace fewbits::sparse {
namespace {

constexpr std::size_t row_cost = 64;  // of a jump to a row, in postings added meanwhile

}  // namespace

Scan::Scan(const Snapshot& snapshot, const Query& query, const Bitmap& allowed, Scratch& scratch)
    : snapshot_(snapshot), query_(query), allowed_(allowed), scratch_(scratch) {
    scratch_.sums.resize(window_rows);
    scratch_.weights.resize(snapshot.scales->size());
    for (const Query::Term& term : query_.terms) scratch_.weights[term.term] = term.weight;
    gather();
}

Scan::~Scan() {
    for (const Query::Term& term : query_.terms) scratch_.weights[term.term] = 0;
}

// The blocks of all terms, window by window.
void Scan::gather() {
    for (std::size_t s = 0; s < snapshot_.segments.size(); ++s) {
        const Postings& postings = snapshot_.segments[s]->postings();
        std::vector<std::span<const Postings::Block>> lists;
        std::vector<std::size_t> next(postings.windows() + 1);
        for (const Query::Term& term : query_.terms) {
            lists.push_back(postings.blocks(term.term));
            for (const Postings::Block& block : lists.back()) ++next[block.window + 1];
        }
        next[0] = entries_.size();
        for (std::size_t w = 0; w < postings.windows(); ++w) next[w + 1] += next[w];
        entries_.resize(next.back());
        const std::size_t known = windows_.size();
        for (std::uint32_t w = 0; w < postings.windows(); ++w) windows_.push_back({s, w, next[w], next[w + 1], 0});
        for (std::size_t t = 0; t < lists.size(); ++t)
            for (const Postings::Block& block : lists[t]) {
                const Entry entry{&block, query_.terms[t].weight};
                entries_[next[block.window]++] = entry;
                windows_[known + block.window].bound += entry.bound();
            }
    }
    std::sort(windows_.begin(), windows_.end(), [](const Window& x, const Window& y) {
        return x.bound != y.bound ? x.bound > y.bound : std::pair(x.segment, x.number) < std::pair(y.segment, y.number);
    });
}

void Scan::run(TopSums& top) {
    for (const Window& window : windows_) {
        if (window.bound < top.threshold()) return;
        scan(window, top);
        top.select();
    }
}

void Scan::scan(const Window& window, TopSums& top) {
    const Segment& segment = *snapshot_.segments[window.segment];
    const std::span<Entry> entries = std::span(entries_).subspan(window.first, window.last - window.first);
    std::sort(entries.begin(), entries.end(), [](const Entry& x, const Entry& y) { return x.bound() > y.bound(); });
    const std::uint32_t first = window.number * window_rows, rows = std::min(window_rows, segment.n() - first);
    std::uint64_t rest = window.bound;  // what the lists that are not added yet can add
    std::size_t added = 0;
    for (; added < entries.size() && rest >= top.threshold(); ++added) {
        add(segment.postings(), entries[added]);
        rest -= entries[added].bound();
    }
    const std::uint64_t least = top.threshold() > rest ? top.threshold() - rest : 1;
    select(segment.postings(), entries.first(added), rows, least);
    const std::uint32_t global = snapshot_.first_rows[window.segment] + first;
    std::erase_if(candidates_, [&](const Candidate& each) { return !allowed_.test(global + each.row); });
    if (added < entries.size()) complete(segment, first, rows, entries.subspan(added));
    for (const Candidate& each : candidates_) top.push(each.sum, global + each.row);
}

void Scan::add(const Postings& postings, const Entry& entry) {
    const std::uint16_t* rows = postings.rows(*entry.block);
    const std::uint8_t* codes = postings.codes(*entry.block);
    std::uint32_t* sums = scratch_.sums.data();
    for (std::size_t i = 0; i < entry.block->n; ++i) sums[rows[i]] += entry.weight * codes[i];
    poll(8 * std::size_t{entry.block->n});
}

// The rows of sums of at least `least`; all sums become zero.
void Scan::select(const Postings& postings, std::span<const Entry> added, std::uint32_t rows, std::uint64_t least) {
    candidates_.clear();
    std::uint32_t* sums = scratch_.sums.data();
    std::size_t touched = 0;
    for (const Entry& entry : added) touched += entry.block->n;
    if (touched < rows / 4) {
        for (const Entry& entry : added) {
            const std::uint16_t* own = postings.rows(*entry.block);
            for (std::size_t i = 0; i < entry.block->n; ++i) {
                const std::uint32_t sum = sums[own[i]];
                sums[own[i]] = 0;
                if (sum >= least) candidates_.push_back({own[i], sum});  // once: the sum is zero from then on
            }
        }
        return;
    }
    for (std::uint32_t row = 0; row < rows; ++row)
        if (sums[row] >= least) candidates_.push_back({row, sums[row]});
    std::fill_n(sums, rows, 0u);
}

// Adds what the rest of the lists say of the candidates: from the rows themselves, or from the lists if that is less.
void Scan::complete(const Segment& segment, std::uint32_t first_row, std::uint32_t rows, std::span<const Entry> rest) {
    const std::size_t per_row = segment.rows().size() / std::max(segment.n(), 1u);
    std::size_t postings = 0;
    for (const Entry& entry : rest) postings += entry.block->n;
    if (candidates_.size() * (row_cost + per_row) < postings) {
        for (Candidate& each : candidates_) each.sum = segment.rows().dot(first_row + each.row, scratch_.weights);
        return;
    }
    if (candidates_.empty()) return;
    for (const Candidate& each : candidates_) scratch_.sums[each.row] = each.sum;
    for (const Entry& entry : rest) add(segment.postings(), entry);
    for (Candidate& each : candidates_) each.sum = scratch_.sums[each.row];
    std::fill_n(scratch_.sums.data(), rows, 0u);
}

}  // namespace fewbits::sparse
