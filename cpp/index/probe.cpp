#include "index/probe.h"

#include <algorithm>
#include <cmath>

#include "core/topk.h"

namespace fewbits {
namespace {

using Probe = Partition::Probe;

constexpr double least_packed = 4096;  // vectors that take no longer to scan than to think about
constexpr double most_packed = 1;      // times what a search without filter reads: each costs less than one in a list

// How much more is read where the lists nearest to a query hold nothing that is allowed: what is lies far off, where
// the order of the lists says less about the order of their vectors. These two are measured: bench/filters.py.
constexpr double far_growth = 5;
constexpr double slower = 0.65;  // read are share^(slower - 1) times as many vectors, of which that share is allowed

// Vectors that a search without filter reads.
double read_unfiltered(const Snapshot& snapshot, std::uint32_t nprobe) {
    const std::uint32_t nlist = snapshot.model->partition->nlist();
    return double{1.0} * std::min(nprobe, nlist) * snapshot.n() / nlist;
}

// All lists, the nearest to one query first, sorted as far as is asked for.
class Ranking {
public:
    void reset(const float* scores, std::uint32_t nlist) {
        lists_.clear();
        for (std::uint32_t list = 0; list < nlist; ++list) lists_.push_back({list, scores[list]});
        sorted_ = 0;
    }
    std::size_t size() const { return lists_.size(); }
    const Hit& operator[](std::size_t j) {
        if (j >= sorted_) {
            const std::size_t end = std::min(lists_.size(), std::max(2 * sorted_, j + 16));
            std::partial_sort(at(sorted_), at(end), lists_.end(), BetterHit{});
            sorted_ = end;
        }
        return lists_[j];
    }

private:
    std::vector<Hit>::iterator at(std::size_t j) { return lists_.begin() + static_cast<std::ptrdiff_t>(j); }

    std::vector<Hit> lists_;
    std::size_t sorted_ = 0;
};

// Of the nprobe lists nearest to a query: how much less is allowed than of all, 0 (no less) to 1 (nothing is, of a
// small share of all).
double farness(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, Ranking& ranking) {
    const double share = filter.expected() / snapshot.n();
    double allowed = 0, all = 1;
    for (std::size_t j = 0; j < nprobe; ++j) {
        const RowFilter::List& list = filter.list(snapshot, ranking[j].row);
        allowed += list.n_allowed;
        all += static_cast<double>(list.allowed.size());
    }
    return std::max(0.0, 1 - allowed / all / share) * (1 - share);
}

// The k best of a share s reach as far as the k / s best of all; what it takes to find these grows more slowly than
// that.
double least_allowed(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe, double far) {
    const double share = filter.expected() / snapshot.n();
    return (1 + far_growth * far) * std::pow(share, slower) * read_unfiltered(snapshot, nprobe);
}

}  // namespace

bool scans_packed(const Snapshot& snapshot, const RowFilter& filter, std::uint32_t nprobe) {
    const double most =
        std::min(std::max(least_packed, most_packed * read_unfiltered(snapshot, nprobe)), 0.25 * snapshot.n());
    return filter.expected() <= most;
}

Probes choose_lists(const Model& model, MatrixView queries, std::uint32_t nprobe) {
    Probes probes;
    probes.width = nprobe;
    probes.lists.assign(queries.rows * nprobe, {0, 0});
    if (!model.partition->flat()) model.partition->nearest(queries, nprobe, probes.lists.data());
    return probes;
}

Probes choose_lists(const Snapshot& snapshot, MatrixView queries, std::uint32_t nprobe, const RowFilter& filter,
                    std::size_t wanted) {
    const Partition& partition = *snapshot.model->partition;
    if (partition.flat()) return choose_lists(*snapshot.model, queries, 1);
    std::vector<float> scores(queries.rows * partition.nlist());
    partition.scores(queries, scores.data());
    std::vector<std::vector<Probe>> chosen(queries.rows);
    Ranking ranking;
    Probes probes;
    for (std::size_t i = 0; i < queries.rows; ++i) {
        ranking.reset(scores.data() + i * partition.nlist(), partition.nlist());
        const double far = farness(snapshot, filter, nprobe, ranking);
        const double least = std::max(least_allowed(snapshot, filter, nprobe, far), 2.0 * static_cast<double>(wanted));
        double seen = 0;
        for (std::size_t j = 0; j < ranking.size() && (chosen[i].size() < nprobe || seen < least); ++j) {
            const Hit& list = ranking[j];
            const std::uint32_t allowed = filter.list(snapshot, list.row).n_allowed;
            if (allowed > 0) chosen[i].push_back({list.row, partition.coarse(list)});
            seen += allowed;
        }
        probes.width = std::max(probes.width, chosen[i].size());
    }
    probes.lists.assign(queries.rows * probes.width, {Probes::none, 0});
    for (std::size_t i = 0; i < queries.rows; ++i)
        std::copy(chosen[i].begin(), chosen[i].end(),
                  probes.lists.begin() + static_cast<std::ptrdiff_t>(i * probes.width));
    return probes;
}

}  // namespace fewbits
