#include "multivector/chamfer.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <string>

#include "base/interrupt.h"
#include "base/parallel.h"
#include "blocks/blocks.h"
#include "codec/float/float.h"

namespace fewbits {

ChamferQuery::ChamferQuery(const Codec& codec, MatrixView tokens) : codec_(codec) {
    const bool maxima = codec.max_kernel() != nullptr;
    const std::size_t stride = (codec.table_bytes() + 7) / 8 * 8;  // keeps all tables aligned
    const std::size_t row_query = codec.layout().rest_bytes > 0 ? codec.row_query_bytes() : 0;
    tables_.resize(tokens.rows * stride);
    row_queries_.resize(tokens.rows * row_query);
    for (std::size_t t = 0; t < tokens.rows; ++t) {
        std::uint8_t* table = tables_.data() + t * stride;
        const float* token = tokens.row(t);
        const QueryTerms terms = maxima ? codec.prepare_max(token, table) : codec.prepare(token, table);
        // + 0: a constant of -0 would make the sign of a zero maximum arbitrary.
        tokens_.push_back({table, terms.scale, terms.offset, terms.constant + 0.0f,
                           -std::numeric_limits<float>::infinity(), nullptr, 0, 1});
        if (row_query > 0) codec.prepare_rows(token, row_queries_.data() + t * row_query);
    }
}

float ChamferQuery::score(const CodeSet& document, Scratch& scratch) const {
    poll(codec_.layout().row_bytes() * document.n * tokens_.size());
    scratch.tokens = tokens_;
    if (codec_.max_kernel() == nullptr) {
        find_maxima(document, scratch);
    } else {
        kernels::Scan scan{};
        scan.codes = document.codes;
        scan.n = document.n;
        scan.m = codec_.layout().elements;
        scan.a = document.a;
        scan.levels = codec_.levels();
        scan.queries = scratch.tokens.data();
        scan.n_queries = static_cast<std::uint32_t>(scratch.tokens.size());
        codec_.max_kernel()(scan);
    }
    float sum = 0;
    for (const kernels::ScanQuery& token : scratch.tokens) sum += token.threshold;
    return sum;
}

// Scans for hits, one block at a time. The maximum so far is the threshold, so hits soon become rare.
void ChamferQuery::find_maxima(const CodeSet& document, Scratch& scratch) const {
    const CodeLayout layout = codec_.layout();
    const std::size_t row_query = row_queries_.size() / tokens_.size();
    const std::uint8_t* rest = document.codes + kernels::blocks_bytes(layout.element_bits, layout.elements, document.n);
    scratch.hits.resize(tokens_.size() * kernels::block_size);
    kernels::Scan scan{};
    scan.m = layout.elements;
    scan.levels = codec_.levels();
    scan.queries = scratch.tokens.data();
    scan.n_queries = static_cast<std::uint32_t>(tokens_.size());
    for (std::uint32_t first = 0; first < document.n; first += kernels::block_size) {
        scan.codes = document.codes + kernels::blocks_bytes(layout.element_bits, layout.elements, first);
        scan.n = std::min(kernels::block_size, document.n - first);
        scan.a = document.a ? document.a + first : nullptr;
        for (std::size_t t = 0; t < tokens_.size(); ++t) {
            scratch.tokens[t].hits = scratch.hits.data() + t * kernels::block_size;
            scratch.tokens[t].count = 0;
        }
        codec_.scan_kernel()(scan);
        const RowCodes rows{rest + std::size_t{first} * layout.rest_bytes, layout.rest_bytes, scan.a, nullptr};
        for (std::size_t t = 0; t < tokens_.size(); ++t) {
            kernels::ScanQuery& token = scratch.tokens[t];
            if (row_query > 0 && token.count > 0)
                codec_.refine(scan, rows, row_queries_.data() + t * row_query, token, 0, nullptr);
            for (std::size_t h = 0; h < token.count; ++h)
                token.threshold = std::max(token.threshold, token.hits[h].score);
        }
    }
}

void chamfer(const SetsView& queries, const SetsView& documents, float* out, unsigned threads) {
    check_sets(queries, "queries");
    check_sets(documents, "documents");
    if (queries.tokens.cols != documents.tokens.cols)
        fail("queries: got " + std::to_string(queries.tokens.cols) + " dimensions, expected the documents' "
             + std::to_string(documents.tokens.cols));
    Parts parts;
    parts.params = {{"floats.bits", 32}};
    const codec::FloatCodec codec(parts, "floats", static_cast<std::uint32_t>(documents.tokens.cols), Metric::ip,
                                  false);
    std::deque<ChamferQuery> prepared;
    for (std::size_t q = 0; q < queries.size(); ++q) prepared.emplace_back(codec, queries[q]);
    threads = resolve_threads(threads);
    std::vector<ChamferQuery::Scratch> scratch(threads);
    parallel_for(documents.size(), threads, [&](std::size_t d, unsigned worker) {
        const std::vector<float> blocks = pack_floats(documents[d]);
        const auto* codes = reinterpret_cast<const std::uint8_t*>(blocks.data());
        const auto tokens = static_cast<std::uint32_t>(documents[d].rows);
        for (std::size_t q = 0; q < queries.size(); ++q)
            out[q * documents.size() + d] = prepared[q].score({codes, nullptr, tokens}, scratch[worker]);
    });
}

}  // namespace fewbits
