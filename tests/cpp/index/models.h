// Small handmade models, one per combination of parts, for the tests of the pipeline.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "codec/pq/train.h"
#include "index/engine.h"
#include "index/search.h"
#include "partition/kmeans.h"

namespace fewbits::test {

template <class T>
Array array_of(std::vector<T> values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    return {dtype_of<T>::value, std::as_bytes(std::span<const T>(*kept)), kept};
}

inline std::vector<float> random_floats(std::size_t n, std::uint64_t seed) {
    std::vector<float> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;  // of four uniform numbers: close enough to normal
        for (std::uint64_t j = 0; j < 4; ++j) sum += random_unit(seed, 4 * i + j) - 0.5;
        x[i] = static_cast<float>(sum);
    }
    return x;
}

inline std::unique_ptr<Engine> opened(const std::string& path, bool mapped, Verify verify = Verify::all) {
    return Engine::open(*IndexFile::open(path), mapped, verify);
}

inline void save(const Engine& engine, const std::string& path, const std::string& meta = "") {
    write_file(path, engine.as_parts(meta));
}

struct Choice {
    Metric metric;
    std::uint32_t nlist;  // 0: no partition
    std::string codec;    // float32, float16, scalar8, scalar4, staged, pq4, pq8, rabitq, digits, binary
    bool residual;
    std::string rerank;  // empty: none
    bool on_disk = false;
};

inline void add_codec(Parts& parts, const std::string& prefix, const std::string& kind, MatrixView x) {
    const auto d = static_cast<std::uint32_t>(x.cols);
    const auto set = [&](const char* name, std::uint64_t value) { parts.params[prefix + "." + name] = value; };
    if (kind.starts_with("float")) {
        set("kind", 1);
        set("bits", kind == "float32" ? 32 : 16);
    } else if (kind.starts_with("pq")) {
        const std::uint32_t m = (d + 1) / 2, bits = kind == "pq4" ? 4 : 8;
        set("kind", 3);
        set("bits", bits);
        set("m", m);
        parts.arrays[prefix + ".codebook"] = array_of(pq_train(x, m, bits, 4, 1, 1, nullptr));
    } else if (kind == "rabitq") {
        set("kind", 4);
        set("bits", 3);
        parts.arrays[prefix + ".mean"] = array_of(std::vector<float>(d, 0.01f));
    } else if (kind == "digits") {
        set("kind", 4);
        std::vector<std::uint8_t> digits((d + 3) / 4, 1);
        digits[0] = 3;
        parts.arrays[prefix + ".digits"] = array_of(digits);
        parts.arrays[prefix + ".mean"] = array_of(std::vector<float>(d, 0.01f));
        for (const char* name : {".step", ".value"})
            parts.arrays[prefix + name] = array_of(std::vector<float>(d, 0.5f));
    } else if (kind == "binary") {
        set("kind", 5);
        set("bits", 2);
        set("symmetric", 0);
        set("m", d);
    } else {
        set("kind", 2);
        set("bits", kind == "scalar8" ? 8 : 4);
        if (kind == "staged") set("staged", 1);
        parts.arrays[prefix + ".mean"] = array_of(std::vector<float>(d, 0.01f));
        parts.arrays[prefix + ".step"] = array_of(std::vector<float>(d, 0.5f));
        std::vector<std::uint8_t> levels;
        for (int i = 0; i < 8; ++i) levels.push_back(static_cast<std::uint8_t>(8 * i));
        for (int i = 7; i >= 0; --i) levels.push_back(static_cast<std::uint8_t>(127 - 8 * i));
        if (kind != "scalar8") parts.arrays[prefix + ".levels"] = array_of(levels);
    }
}

inline Parts make_parts(const Choice& choice, MatrixView x) {
    Parts parts;
    parts.params["dim"] = x.cols;
    parts.params["metric"] = static_cast<std::uint64_t>(choice.metric);
    parts.params["transform.kind"] = 0;
    parts.params["transform.out_dim"] = x.cols;
    parts.params["partition.kind"] = choice.nlist > 0;
    parts.params["partition.residual"] = choice.residual;
    if (choice.nlist > 0) {
        parts.params["partition.nlist"] = choice.nlist;
        parts.arrays["partition.centroids"] = array_of(
            kmeans(x, {.k = choice.nlist, .iterations = 4, .spherical = choice.metric != Metric::l2, .threads = 1}));
    }
    add_codec(parts, "codec", choice.codec, x);
    if (choice.rerank.empty()) {
        parts.params["rerank.kind"] = 0;
    } else {
        add_codec(parts, "rerank", choice.rerank, x);
        parts.params["rerank.on_disk"] = choice.on_disk;
    }
    return parts;
}

inline void add(Engine& engine, MatrixView x, const std::int64_t* ids = nullptr, std::size_t block = 100) {
    const auto builder = engine.builder(x.rows, "");
    for (std::size_t first = 0; first < x.rows; first += block)
        builder->append(x.block(first, std::min(block, x.rows - first)), ids ? ids + first : nullptr, 2);
    engine.publish(*builder);
}

struct Found {
    std::vector<std::int64_t> ids;
    std::vector<float> scores;
    bool operator==(const Found&) const = default;
};

inline Found find(const Engine& engine, MatrixView queries, const SearchParams& params) {
    Found found{std::vector<std::int64_t>(queries.rows * params.k), std::vector<float>(queries.rows * params.k)};
    search(*engine.snapshot(), queries, params, found.ids.data(), found.scores.data());
    return found;
}

}  // namespace fewbits::test
