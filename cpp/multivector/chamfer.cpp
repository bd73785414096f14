#include "multivector/chamfer.h"

#include <deque>
#include <limits>
#include <string>

#include "core/blocks.h"
#include "core/parallel.h"

namespace fewbits {

ChamferQuery::ChamferQuery(const Codec& codec, MatrixView tokens) : codec_(codec) {
    const std::size_t stride = (codec.table_bytes() + 7) / 8 * 8;  // every table is aligned as the vector is
    tables_.resize(tokens.rows * stride);
    for (std::size_t t = 0; t < tokens.rows; ++t) {
        std::uint8_t* table = tables_.data() + t * stride;
        const QueryTerms terms = codec.prepare_max(tokens.row(t), table);
        // + 0: a constant of -0 would make the sign of a zero maximum arbitrary.
        tokens_.push_back({table, terms.scale, terms.offset, terms.constant + 0.0f,
                           -std::numeric_limits<float>::infinity(), nullptr, 0});
    }
}

float ChamferQuery::score(const std::uint8_t* codes, const float* a, std::uint32_t n, Scratch& scratch) const {
    scratch = tokens_;
    kernels::Scan scan{};
    scan.codes = codes;
    scan.n = n;
    scan.m = codec_.layout().elements;
    scan.a = a;
    scan.levels = codec_.levels();
    scan.queries = scratch.data();
    scan.n_queries = static_cast<std::uint32_t>(scratch.size());
    codec_.max_kernel()(scan);
    float sum = 0;
    for (const kernels::ScanQuery& token : scratch) sum += token.threshold;
    return sum;
}

void chamfer(const SetsView& queries, const SetsView& documents, float* out, unsigned threads) {
    check_sets(queries, "queries");
    check_sets(documents, "documents");
    if (queries.tokens.cols != documents.tokens.cols)
        fail("queries: got " + std::to_string(queries.tokens.cols) + " dimensions, expected the documents' "
             + std::to_string(documents.tokens.cols));
    Parts parts;
    parts.params = {{"floats.kind", 1}, {"floats.bits", 32}};
    const auto codec =
        make_codec(parts, "floats", static_cast<std::uint32_t>(documents.tokens.cols), Metric::ip, false);
    std::deque<ChamferQuery> prepared;
    for (std::size_t q = 0; q < queries.size(); ++q) prepared.emplace_back(*codec, queries[q]);
    std::vector<ChamferQuery::Scratch> scratch(resolve_threads(threads));
    parallel_for(documents.size(), threads, [&](std::size_t d, unsigned worker) {
        const std::vector<float> blocks = pack_floats(documents[d]);
        const auto* codes = reinterpret_cast<const std::uint8_t*>(blocks.data());
        const auto tokens = static_cast<std::uint32_t>(documents[d].rows);
        for (std::size_t q = 0; q < queries.size(); ++q)
            out[q * documents.size() + d] = prepared[q].score(codes, nullptr, tokens, scratch[worker]);
    });
}

}  // namespace fewbits
