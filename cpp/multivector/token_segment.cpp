#include "multivector/token_segment.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/parallel.h"
#include "blocks/blocks.h"

namespace fewbits {
namespace {

constexpr std::uint64_t most_documents = 0xffffffff;
constexpr std::size_t documents_a_task = 8;

void check_lists(std::span<const std::uint64_t> lists) {
    if (lists.front() != 0) throw Error(ErrorKind::corrupt, "array 'lists': expected to start with 0");
    for (std::size_t i = 1; i < lists.size(); ++i)
        if (lists[i] <= lists[i - 1] || lists[i] - lists[i - 1] > 0xffffffffu)
            throw Error(ErrorKind::corrupt,
                        "array 'lists': expected at least 1 token in document " + std::to_string(i - 1));
}

std::size_t list_bytes(const CodeLayout& layout, std::size_t tokens) {
    return checked_add(kernels::blocks_bytes(layout.element_bits, layout.elements, tokens),
                       checked_mul(tokens, layout.rest_bytes));
}

// The rows of a document's codes as a segment holds them.
void pack_list(const CodeLayout& layout, const std::uint8_t* rows, std::size_t tokens, std::uint8_t* out) {
    const std::size_t stride = layout.row_bytes();
    for (std::size_t t = 0; t < tokens; t += kernels::block_size) {
        const auto vectors = static_cast<std::uint32_t>(std::min<std::size_t>(kernels::block_size, tokens - t));
        pack_block(rows + t * stride, stride, layout.element_bits, layout.elements, vectors, out);
        out += kernels::blocks_bytes(layout.element_bits, layout.elements, vectors);
    }
    for (std::size_t t = 0; t < tokens; ++t)
        out = std::copy_n(rows + t * stride + layout.block_part_bytes(), layout.rest_bytes, out);
}

}  // namespace

TokenSegment::TokenSegment(const Codec& codec, const Parts& parts, const std::string& prefix) try
    : parts_(parts.under(prefix)) {
    for (auto& [name, array] : parts_.arrays) array.bulk = name != "lists";
    const auto n = static_cast<std::size_t>(parts_.param("n", 0, most_documents));
    lists_ = parts_.array<std::uint64_t>("lists", n + 1);
    check_lists(lists_);
    const CodeLayout layout = codec.layout();
    code_offsets_.resize(n + 1);
    for (std::size_t i = 0; i < n; ++i)
        code_offsets_[i + 1] = checked_add(code_offsets_[i], list_bytes(layout, tokens(i)));
    codes_ = parts_.array<std::uint8_t>("codes", code_offsets_.back());
    a_ = parts_.array<float>("a", layout.has_a ? total_tokens() : 0);
    ids_ = parts_.array<std::int64_t>("ids", n);
    if (std::is_sorted(ids_.begin(), ids_.end())) return;
    by_id_.resize(n);
    std::iota(by_id_.begin(), by_id_.end(), 0u);
    std::sort(by_id_.begin(), by_id_.end(), [&](std::uint32_t x, std::uint32_t y) { return ids_[x] < ids_[y]; });
} catch (const Error& error) {
    throw Error(error.kind(), prefix + ": " + error.what());
}

std::ptrdiff_t TokenSegment::find(std::int64_t id) const {
    if (by_id_.empty()) {
        const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
        return at != ids_.end() && *at == id ? at - ids_.begin() : -1;
    }
    const auto at = std::lower_bound(by_id_.begin(), by_id_.end(), id, [&](std::uint32_t document, std::int64_t value) {
        return ids_[document] < value;
    });
    return at != by_id_.end() && ids_[*at] == id ? static_cast<std::ptrdiff_t>(*at) : -1;
}

TokenSegmentBuilder::TokenSegmentBuilder(std::shared_ptr<const Codec> codec, const std::string& directory)
    : codec_(std::move(codec)) {
    if (!directory.empty()) spill_ = std::make_unique<io::Spill>(directory, 1);
}

void TokenSegmentBuilder::put_codes(std::span<const std::uint8_t> codes) {
    if (spill_) {
        spill_->append(codes);
    } else {
        codes_.extend(code_bytes_ + codes.size());
        std::memcpy(codes_.row(code_bytes_), codes.data(), codes.size());
    }
    code_bytes_ += codes.size();
}

void TokenSegmentBuilder::append(const SetsView& documents, const std::int64_t* ids, unsigned threads) {
    check_sets(documents, "documents");
    if (documents.tokens.cols != codec_->dim())
        fail("documents: got " + std::to_string(documents.tokens.cols) + " dimensions, expected "
             + std::to_string(codec_->dim()));
    const CodeLayout layout = codec_->layout();
    const std::size_t row_bytes = layout.row_bytes();
    std::vector<std::size_t> at(documents.size() + 1);  // each document's place in the codes
    for (std::size_t i = 0; i < documents.size(); ++i) at[i + 1] = at[i] + list_bytes(layout, documents[i].rows);
    std::vector<std::uint8_t> codes(at.back());
    a_.extend(layout.has_a ? tokens_ + documents.tokens.rows : 0);
    const std::size_t tasks = (documents.size() + documents_a_task - 1) / documents_a_task;
    parallel_for(tasks, threads, [&](std::size_t task, unsigned) {
        const std::size_t end = std::min(documents.size(), (task + 1) * documents_a_task);
        std::vector<std::uint8_t> rows;
        for (std::size_t i = task * documents_a_task; i < end; ++i) {
            const MatrixView tokens = documents[i];
            rows.resize(tokens.rows * row_bytes);
            float* a = layout.has_a ? a_.as<float>() + tokens_ + documents.first(i) : nullptr;
            codec_->encode(tokens, nullptr, rows.data(), {a, nullptr, nullptr});
            pack_list(layout, rows.data(), tokens.rows, codes.data() + at[i]);
        }
    });
    put_codes(codes);
    ids_.extend(documents_ + documents.size());
    lists_.extend(documents_ + documents.size());
    for (std::size_t i = 0; i < documents.size(); ++i) {
        ids_.as<std::int64_t>()[documents_ + i] = ids[i];
        lists_.as<std::uint64_t>()[documents_ + i] = tokens_ + documents.first(i);
    }
    documents_ += documents.size();
    tokens_ += documents.tokens.rows;
}

void TokenSegmentBuilder::append(const TokenSegment& segment, std::span<const std::uint32_t> documents) {
    for (const std::uint32_t document : documents) {
        put_codes(segment.codes(document));
        const std::span<const float> factors = segment.factors(document);
        a_.extend(factors.empty() ? 0 : tokens_ + factors.size());
        std::copy(factors.begin(), factors.end(), a_.as<float>() + (factors.empty() ? 0 : tokens_));
        ids_.extend(documents_ + 1);
        lists_.extend(documents_ + 1);
        ids_.as<std::int64_t>()[documents_] = segment.ids()[document];
        lists_.as<std::uint64_t>()[documents_] = tokens_;
        tokens_ += segment.tokens(document);
        ++documents_;
    }
}

std::shared_ptr<const TokenSegment> TokenSegmentBuilder::finish() {
    Parts parts;
    parts.params["tokens.n"] = documents_;
    lists_.extend(documents_ + 1);
    lists_.as<std::uint64_t>()[documents_] = tokens_;
    const std::size_t factors = codec_->layout().has_a ? tokens_ * sizeof(float) : 0;
    const auto keep = [&parts](const char* name, Array array) {
        if (!array.bytes.empty()) parts.arrays[std::string("tokens.") + name] = std::move(array);
    };
    keep("lists", lists_.take(DType::u64, (documents_ + 1) * sizeof(std::uint64_t)));
    keep("codes", spill_ ? spill_->map() : codes_.take(DType::u8, code_bytes_));
    keep("a", a_.take(DType::f32, factors));
    keep("ids", ids_.take(DType::i64, documents_ * sizeof(std::int64_t)));
    return std::make_shared<TokenSegment>(*codec_, parts, "tokens");
}

}  // namespace fewbits
