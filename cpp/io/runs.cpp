#include "io/runs.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace fewbits::io {
namespace {

constexpr std::size_t width = sizeof(std::uint64_t);

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t word) {
    std::uint64_t value = 0;
    const std::size_t at = word * width;
    if (at < bytes.size()) std::memcpy(&value, bytes.data() + at, std::min(width, bytes.size() - at));
    return value;
}

struct Runs {
    std::uint64_t bytes = 0;
    std::vector<std::uint64_t> words;
    std::vector<std::uint32_t> counts;
};

// Checks that the runs have as many words as the bytes: `encoded` is then safe to follow.
Runs parse(std::span<const std::byte> encoded) {
    Runs runs;
    runs.bytes = word_at(encoded, 0);
    constexpr std::size_t head = 2 * width, run = width + sizeof(std::uint32_t);  // and 4 bytes of padding for odd n
    const std::uint64_t n = encoded.size() < head ? 0 : (encoded.size() - head) / run;
    if (encoded.size() != head + n * run + n % 2 * sizeof(std::uint32_t) || word_at(encoded, 1) != n)
        corrupt("runs of words: the number of runs is not that of the section");
    runs.words.resize(n);
    runs.counts.resize(n);
    if (n > 0) {
        std::memcpy(runs.words.data(), encoded.data() + head, n * width);
        std::memcpy(runs.counts.data(), encoded.data() + head + n * width, n * sizeof(std::uint32_t));
    }
    std::uint64_t words = 0;
    for (const std::uint32_t count : runs.counts) words += count;
    if (words != runs.bytes / width + (runs.bytes % width != 0))
        corrupt("runs of words: they are not as long as the array");
    if (n % 2 == 1 && word_at(encoded.last(width), 0) >> 32 != 0) corrupt("runs of words: the padding is not zero");
    return runs;
}

}  // namespace

std::vector<std::byte> encode_runs(std::span<const std::byte> bytes, std::span<const std::byte> before) {
    std::vector<std::uint64_t> head{bytes.size(), 0};
    std::vector<std::uint32_t> counts;
    for (std::size_t word = 0; word * width < bytes.size(); ++word) {
        const std::uint64_t value = word_at(bytes, word) ^ word_at(before, word);
        if (!counts.empty() && head.back() == value && counts.back() < std::numeric_limits<std::uint32_t>::max()) {
            ++counts.back();
        } else {
            head.push_back(value);
            counts.push_back(1);
        }
    }
    head[1] = counts.size();
    if (counts.size() % 2 == 1) counts.push_back(0);
    std::vector<std::byte> encoded(head.size() * width + counts.size() * sizeof(std::uint32_t));
    std::memcpy(encoded.data(), head.data(), head.size() * width);
    if (!counts.empty())
        std::memcpy(encoded.data() + head.size() * width, counts.data(), counts.size() * sizeof(std::uint32_t));
    return encoded;
}

std::uint64_t decoded_bytes(std::span<const std::byte> encoded) {
    return parse(encoded).bytes;
}

void xor_runs(std::span<const std::byte> encoded, std::span<std::byte> out) {
    const Runs runs = parse(encoded);
    require(runs.bytes <= out.size(), "runs of words: no room for the array");
    std::size_t at = 0;
    for (std::size_t i = 0; i < runs.words.size(); ++i) {
        const std::size_t end = std::min<std::uint64_t>(runs.bytes, at + std::uint64_t{runs.counts[i]} * width);
        for (; runs.words[i] != 0 && at < end; at += width) {
            const std::size_t n = std::min(width, end - at);
            std::uint64_t value = 0;
            std::memcpy(&value, out.data() + at, n);
            value ^= runs.words[i];
            std::memcpy(out.data() + at, &value, n);
        }
        at = end;
    }
}

}  // namespace fewbits::io
