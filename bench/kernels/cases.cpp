#include "cases.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "base/random.h"

namespace fewbits::bench {
namespace {

using kernels::Kernels;
using kernels::Rows;
using kernels::Scan;
using kernels::ScanQuery;
using kernels::Tile;

constexpr std::uint32_t dim = 128;
constexpr float out_of_reach = 1e9F;  // a threshold
constexpr std::size_t numbers = 8192;

// Where the data lie, and how many there are.
struct Place {
    const char* name;
    std::size_t bytes;
    std::uint32_t queries, rows, points, centroids;  // in a run
    bool from_memory;
};
constexpr Place places[] = {
    {"memory", std::size_t{256} << 20, 1, 4096, 512, 256, true},  // exceeds the last-level cache
    {"cache", std::size_t{96} << 10, 32, 4096, 512, 256, false},  // fits any L2 cache
    {"steps", std::size_t{8} << 10, 32, 128, 24, 32, false},      // short enough for single-stepping
};

struct ScanKind {
    const char* name;
    void (*(*kernel)(const Kernels&))(const Scan&);
    std::uint32_t element_bits;
    std::uint32_t quad;         // elements per four dimensions
    std::uint32_t table_bytes;  // per dimension
    Operation operation;
};
constexpr ScanKind scan_kinds[] = {
    {"scan4", [](const Kernels& k) { return k.scan4; }, 4, 4, 16, Operation::lookup16},
    {"scan8", [](const Kernels& k) { return k.scan8; }, 8, 4, 256, Operation::lookup256},
    {"dot4", [](const Kernels& k) { return k.dot4; }, 4, 4, 1, Operation::mac8},
    {"dot8", [](const Kernels& k) { return k.dot8; }, 8, 4, 1, Operation::mac8},
    {"dot_bits2", [](const Kernels& k) { return k.dot_bits[2]; }, 4, 2, 1, Operation::mac8},
    {"dot_digits", [](const Kernels& k) { return k.dot_digits; }, 4, 2, 1, Operation::mac8},
    {"dot_bits7", [](const Kernels& k) { return k.dot_bits[7]; }, 4, 7, 1, Operation::mac8},
    {"dot_f32", [](const Kernels& k) { return k.dot_f32; }, 32, 4, 4, Operation::fma},
    {"dot_f16", [](const Kernels& k) { return k.dot_f16; }, 16, 4, 4, Operation::fma},
    {"l2_f32", [](const Kernels& k) { return k.l2_f32; }, 32, 4, 4, Operation::fma},
    {"l2_f16", [](const Kernels& k) { return k.l2_f16; }, 16, 4, 4, Operation::fma},
    {"max_dot4", [](const Kernels& k) { return k.max_dot4; }, 4, 4, 1, Operation::mac8},
    {"max_dot8", [](const Kernels& k) { return k.max_dot8; }, 8, 4, 1, Operation::mac8},
    {"max_dot_f32", [](const Kernels& k) { return k.max_dot_f32; }, 32, 4, 4, Operation::fma},
    {"max_dot_f16", [](const Kernels& k) { return k.max_dot_f16; }, 16, 4, 4, Operation::fma},
};

struct RowKind {
    const char* name;
    void (*Kernels::*kernel)(const Rows&);
    std::uint32_t bits;  // per dimension
    Operation operation;
};
constexpr RowKind row_kinds[] = {
    {"rows_dot_f32", &Kernels::rows_dot_f32, 32, Operation::fma},
    {"rows_dot_f16", &Kernels::rows_dot_f16, 16, Operation::fma},
    {"rows_l2_f32", &Kernels::rows_l2_f32, 32, Operation::fma},
    {"rows_l2_f16", &Kernels::rows_l2_f16, 16, Operation::fma},
    {"rows_dot4", &Kernels::rows_dot4, 4, Operation::mac16},
    {"rows_dot8", &Kernels::rows_dot8, 8, Operation::mac16},
};
constexpr std::uint32_t planes_bits = 4;

template <class T>
using Buffer = std::shared_ptr<std::vector<T>>;

template <class T>
Buffer<T> zeros(std::size_t n) {
    return std::make_shared<std::vector<T>>(n);
}

Buffer<float> floats(std::size_t n) {
    auto x = zeros<float>(n);
    for (std::size_t i = 0; i < n; ++i) (*x)[i] = static_cast<float>(2 * random_unit(n, i) - 1);
    return x;
}

// Bytes of elements of `element_bits`: floats or halves in (-1, 1), or codes, for which any bytes are valid.
Buffer<std::uint8_t> codes(std::uint32_t element_bits, std::size_t bytes) {
    auto out = zeros<std::uint8_t>(bytes);
    if (element_bits < 16) {
        for (std::size_t i = 0; i < bytes; ++i) (*out)[i] = static_cast<std::uint8_t>(random_bits(bytes, i));
    } else if (element_bits == 32) {
        auto* x = reinterpret_cast<float*>(out->data());
        for (std::size_t i = 0; i < bytes / 4; ++i) x[i] = static_cast<float>(2 * random_unit(bytes, i) - 1);
    } else {  // the bits of halves below 1: sign, any exponent up to 14, mantissa
        auto* x = reinterpret_cast<std::uint16_t*>(out->data());
        for (std::size_t i = 0; i < bytes / 2; ++i)
            x[i] = static_cast<std::uint16_t>(random_below(bytes, i, 15 << 10) | (i % 2 << 15));
    }
    return out;
}

Case scan_case(const Kernels& set, const ScanKind& kind, const Place& place) {
    const std::uint32_t queries = place.queries;
    const std::uint32_t m = dim / 4 * kind.quad;
    const std::size_t vector_bytes = std::size_t{m} * kind.element_bits / 8;
    const auto n = static_cast<std::uint32_t>(std::max<std::size_t>(place.bytes / vector_bytes / 32, 1) * 32);
    const auto data = codes(kind.element_bits, n * vector_bytes);
    const auto levels = zeros<std::uint8_t>(dim);
    if (kind.quad == 4)
        for (std::size_t i = 0; i < 16; ++i) (*levels)[i] = static_cast<std::uint8_t>(8 * i);
    else
        (*levels)[dim / 16] = 1;  // of dot_digits: a quarter of the digits are high ones
    const auto tables = codes(kind.element_bits >= 16 ? 32 : 8, std::size_t{queries} * dim * kind.table_bytes);
    if (kind.operation == Operation::mac8)
        for (auto& entry : *tables) entry = static_cast<std::uint8_t>(entry % 255 - 127);
    const auto list = zeros<ScanQuery>(queries);
    // No vector reaches the threshold; in a search, few do after its start.
    for (std::uint32_t q = 0; q < queries; ++q)
        (*list)[q] = {tables->data() + std::size_t{q} * dim * kind.table_bytes, 1, 0, 0, out_of_reach, nullptr, 0};
    Case out;
    out.items = double(n) * queries;
    out.bytes = out.items * double(vector_bytes);
    out.from_memory = place.from_memory;
    out.operation = kind.operation;
    out.operations = out.items * dim;
    out.run = [=, &set, kept = tables] {  // keeps the tables that the queries point into
        const Scan scan{data->data(), n, m, 0, nullptr, nullptr, nullptr, levels->data(), list->data(), queries};
        kind.kernel(set)(scan);
    };
    return out;
}

// Rows anywhere in memory, or all rows of a small array in order.
Buffer<std::uint32_t> listed_rows(std::size_t n, std::size_t count) {
    auto list = zeros<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) (*list)[i] = static_cast<std::uint32_t>(random_below(n, i, n));
    return list;
}

Case rows_case(const Kernels& set, const RowKind& kind, const Place& place) {
    const std::uint32_t listed = place.rows;
    const std::size_t stride = dim * kind.bits / 8;
    const std::size_t n = place.bytes / stride;
    const auto data = codes(kind.bits, n * stride);
    const auto rows = listed_rows(n, listed);
    const auto levels = zeros<std::uint8_t>(16);
    const auto query = floats(dim);
    const auto integer_query = zeros<std::int16_t>(dim);
    for (std::size_t j = 0; j < dim; ++j) (*integer_query)[j] = static_cast<std::int16_t>((*query)[j] * 2047);
    const auto results = zeros<float>(std::max(listed, dim));
    Case out;
    out.items = listed;
    out.bytes = out.items * double(stride);
    out.from_memory = place.from_memory;
    out.operation = kind.operation;
    out.operations = out.items * dim;
    out.run = [=, &set] {
        const void* side =
            kind.bits >= 16 ? static_cast<const void*>(query->data()) : static_cast<const void*>(integer_query->data());
        (set.*kind.kernel)({data->data(), stride, rows->data(), listed, dim, levels->data(), side, results->data()});
    };
    return out;
}

Case planes_case(const Kernels& set, const Place& place) {
    const std::uint32_t listed = place.rows;
    const std::size_t plane = dim / 8, stride = (planes_bits - 1) * plane;
    const std::size_t n = place.bytes / stride;
    const auto data = codes(8, n * stride), high = codes(8, listed * plane), levels = codes(8, 16);
    const auto rows = listed_rows(n, listed);
    const auto query = zeros<std::int16_t>(dim);
    for (std::size_t j = 0; j < dim; ++j) (*query)[j] = static_cast<std::int16_t>(random_below(1, j, 4095)) - 2047;
    const auto results = zeros<std::int32_t>(listed);
    Case out;
    out.items = listed;
    out.bytes = out.items * double(stride + plane);
    out.from_memory = place.from_memory;
    out.operation = Operation::mac16;
    out.operations = out.items * dim;
    out.run = [=, &set] {
        set.rows_planes(
            {data->data(), stride, rows->data(), listed, dim, levels->data(), query->data(), results->data()},
            high->data(), plane, planes_bits);
    };
    return out;
}

Case tile_case(const Kernels& set, bool best, const Place& place) {
    const std::uint32_t points = place.points, centroids = place.centroids;
    const auto x = floats(std::size_t{points} * dim), blocks = floats(std::size_t{centroids} * dim);
    const auto bias = floats(centroids), results = zeros<float>(std::size_t{points} * centroids);
    const auto nearest = zeros<std::uint32_t>(points);
    Case out;
    out.items = double(points) * centroids;
    out.bytes = double(points + centroids) * dim * 4;
    out.operation = Operation::fma;
    out.operations = out.items * dim;
    out.run = [=, &set] {
        const Tile tile{x->data(), dim, points, dim, blocks->data(), centroids, bias->data()};
        if (best)
            set.tile_best(tile, nearest->data(), results->data());
        else
            set.tile_dot(tile, results->data(), centroids);
    };
    return out;
}

// Fixed points against the tokens of a set, as LEMUR's encodings of documents are made.
Case products_case(const Kernels& set, const Place& place) {
    const std::uint32_t points = place.points, groups = place.centroids / 8;
    const auto x = codes(8, std::size_t{points} * dim), tokens = codes(8, std::size_t{groups} * 8 * dim);
    for (auto& entry : *tokens) entry &= 127;
    const auto bias = zeros<std::int16_t>(points), best = zeros<std::int16_t>(points);
    Case out;
    out.items = double(points) * groups * 8;
    out.bytes = double(points + groups * 8) * dim;
    out.operation = Operation::mac8;
    out.operations = out.items * dim;
    out.run = [=, &set] {
        const auto* fixed = reinterpret_cast<const std::int8_t*>(x->data());
        set.max_products({fixed, points, dim, bias->data(), tokens->data(), groups, best->data()});
    };
    return out;
}

// `numbers` floats as input, and `run`, which processes them.
Case numbers_case(std::size_t bytes_of_each, std::function<void()> run) {
    Case out;
    out.items = numbers;
    out.bytes = double(numbers * bytes_of_each);
    out.run = std::move(run);
    return out;
}

Case other_case(const Kernels& set, const std::string& name, const Place& place) {
    if (name == "tile_dot" || name == "tile_best") return tile_case(set, name == "tile_best", place);
    if (name == "max_products") return products_case(set, place);
    const auto x = floats(numbers), y = zeros<float>(numbers);
    const auto halves = zeros<std::uint16_t>(numbers);
    const auto bytes = codes(8, numbers);
    if (name == "signed_hadamard") {
        const auto signs = floats(dim);
        for (float& s : *signs) s = s < 0 ? -1.0F : 1.0F;
        return numbers_case(4, [=, &set] {
            set.signed_hadamard({x->data(), numbers / dim, dim, dim, signs->data(), dim, 1, y->data(), dim});
        });
    }
    if (name == "add_to_buckets") {
        const auto bucket = listed_rows(numbers / dim, numbers / dim);
        return numbers_case(
            4, [=, &set] { set.add_to_buckets({x->data(), numbers / dim, dim, dim, bucket->data(), y->data()}); });
    }
    if (name == "hadamard")  // not scaled, so the input is zeros: it would overflow otherwise
        return numbers_case(4, [=, &set] {
            for (std::size_t i = 0; i < numbers; i += dim) set.hadamard(y->data() + i, dim);
        });
    if (name == "f32_to_f16") return numbers_case(6, [=, &set] { set.f32_to_f16(x->data(), numbers, halves->data()); });
    if (name == "f16_to_f32") return numbers_case(6, [=, &set] { set.f16_to_f32(halves->data(), numbers, y->data()); });
    if (name == "extract4")
        return numbers_case(1, [=, &set] {
            for (std::uint32_t v = 0; v < 32; ++v)
                set.extract4(bytes->data(), 32, numbers / 32, v, reinterpret_cast<std::uint8_t*>(y->data()));
        });
    if (name == "encode_uniform")
        return numbers_case(5, [=, &set] { set.encode_uniform(x->data(), numbers, 8, -8, 7, bytes->data()); });
    if (name == "encode_levels") {
        const auto edges = zeros<float>(15);
        for (std::size_t i = 0; i < 15; ++i) (*edges)[i] = static_cast<float>(i) / 7.5F - 1;
        return numbers_case(5, [=, &set] { set.encode_levels(x->data(), numbers, edges->data(), 15, bytes->data()); });
    }
    throw std::invalid_argument("no kernel '" + name + "'");
}

Case case_of(const Kernels& set, const std::string& kernel, const Place& place) {
    for (const auto& kind : scan_kinds)
        if (kernel == kind.name) return scan_case(set, kind, place);
    for (const auto& kind : row_kinds)
        if (kernel == kind.name) return rows_case(set, kind, place);
    if (kernel == "rows_planes") return planes_case(set, place);
    return other_case(set, kernel, place);
}

// Kernels that neither scan nor sum along rows.
std::vector<std::string> other_names() {
    std::vector<std::string> names = {
#define FEWBITS_KERNEL(name, ...) #name,
#include "kernels/kernel_list.h"
    };
    std::erase_if(names, [](const std::string& name) {
        const auto times = [&](const auto& kind) { return std::string_view(kind.name).starts_with(name); };
        return name == "rows_planes" || std::ranges::any_of(scan_kinds, times) || std::ranges::any_of(row_kinds, times);
    });
    return names;
}

}  // namespace

std::vector<std::string> case_names() {
    std::vector<std::string> names;
    for (const auto& kind : scan_kinds) {
        names.push_back(std::string(kind.name) + " memory x1");
        names.push_back(std::string(kind.name) + " cache x" + std::to_string(places[1].queries));
    }
    for (const auto& kind : row_kinds)
        for (const char* where : {" memory", " cache"}) names.push_back(kind.name + std::string(where));
    for (const char* where : {" memory", " cache"}) names.push_back(std::string("rows_planes") + where);
    for (const std::string& name : other_names()) names.push_back(name + " cache");
    return names;
}

Case make_case(const Kernels& set, const std::string& name) {
    const std::size_t space = name.find(' ');
    for (const Place& place : places)
        if (space != std::string::npos && std::string_view(name).substr(space + 1).starts_with(place.name)) {
            Case out = case_of(set, name.substr(0, space), place);
            out.name = name;
            return out;
        }
    throw std::invalid_argument("no case '" + name + "'");
}

}  // namespace fewbits::bench
