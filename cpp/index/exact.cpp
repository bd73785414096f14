#include "index/exact.h"

#include <algorithm>
#include <vector>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "base/row_count.h"
#include "blocks/blocks.h"
#include "blocks/top_k.h"
#include "index/input_space.h"
#include "index/results.h"

namespace fewbits {
namespace {

constexpr std::size_t chunk_rows = 1024;

void search_group(MatrixView x, MatrixView queries, std::size_t k, Metric metric, std::int64_t first_id,
                  std::int64_t* ids, float* scores) {
    const bool cosine = metric == Metric::cosine;
    std::vector<float> normal_queries(cosine ? queries.size() : 0), normal_rows(cosine ? chunk_rows * x.cols : 0);
    if (cosine) {
        normalize_rows(queries, normal_queries.data());
        queries.data = normal_queries.data();
    }
    const auto kernel = metric == Metric::l2 ? kernels::active().l2_f32 : kernels::active().dot_f32;
    std::vector<TopHits> hits(queries.rows);
    for (TopHits& top : hits) top.reset(std::min(k, x.rows));
    std::vector<kernels::ScanQuery> scan_queries(queries.rows);
    for (std::size_t first = 0; first < x.rows; first += chunk_rows) {
        MatrixView chunk = x.block(first, std::min(chunk_rows, x.rows - first));
        if (cosine) {
            normalize_rows(chunk, normal_rows.data());
            chunk.data = normal_rows.data();
        }
        const std::vector<float> blocks = pack_floats(chunk);
        kernels::Scan scan{};
        scan.codes = reinterpret_cast<const std::uint8_t*>(blocks.data());
        scan.n = static_cast<std::uint32_t>(chunk.rows);
        scan.m = static_cast<std::uint32_t>(x.cols);
        scan.first_row = static_cast<std::uint32_t>(first);
        for (std::size_t i = 0; i < queries.rows; ++i)
            scan_queries[i] = {queries.row(i), 1, 0, 0, hits[i].threshold(), hits[i].tail(chunk.rows), 0};
        scan.queries = scan_queries.data();
        scan.n_queries = static_cast<std::uint32_t>(queries.rows);
        poll(chunk.size() * sizeof(float) * queries.rows);
        kernel(scan);
        for (std::size_t i = 0; i < queries.rows; ++i) hits[i].added(scan_queries[i].count);
    }
    for (std::size_t i = 0; i < queries.rows; ++i)
        write_results(hits[i], k, metric, x.cols, ids + i * k, scores + i * k,
                      [first_id](std::uint32_t row) { return first_id + row; });
}

}  // namespace

void exact_search(MatrixView x, MatrixView queries, std::size_t k, Metric metric, std::int64_t first_id,
                  unsigned threads, std::int64_t* ids, float* scores) {
    row_count(x.rows, "exact search");
    if (x.cols != queries.cols)
        fail("queries: got " + std::to_string(queries.cols) + " dimensions, expected " + std::to_string(x.cols));
    const std::size_t group =
        std::clamp<std::size_t>((queries.rows + resolve_threads(threads) - 1) / resolve_threads(threads), 1, 1024);
    parallel_for((queries.rows + group - 1) / group, threads, [&](std::size_t g, unsigned) {
        const std::size_t first = g * group;
        search_group(x, queries.block(first, std::min(group, queries.rows - first)), k, metric, first_id,
                     ids + first * k, scores + first * k);
    });
}

}  // namespace fewbits
