// Stand-ins for the parts of Abseil and of the generated protobuf class that Google's fixed_dimensional_encoding.cc
// uses, so that it compiles without them: bench/google_fde.py includes this in place of all their headers.
#pragma once

#include <cstdint>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace absl {

struct Status {
    std::string message;
};

inline Status InvalidArgumentError(std::string message) {
    return {std::move(message)};
}
inline Status InternalError(std::string message) {
    return {std::move(message)};
}

template <class T>
struct StatusOr {
    StatusOr(T given) : value(std::move(given)), ok(true) {}
    StatusOr(const Status&) : ok(false) {}

    T value;
    bool ok;
};

template <class... Parts>
std::string StrCat(const Parts&... parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

template <class T>
using Span = std::span<T>;

}  // namespace absl

namespace graph_mining {

struct FixedDimensionalEncodingConfig {
    enum EncodingType { DEFAULT_SUM, AVERAGE };
    enum ProjectionType { DEFAULT_IDENTITY, AMS_SKETCH };

    std::int32_t dimension() const { return dim; }
    std::int32_t num_repetitions() const { return repetitions; }
    std::int32_t num_simhash_projections() const { return bits; }
    std::int32_t seed() const { return 1; }
    EncodingType encoding_type() const { return is_document ? AVERAGE : DEFAULT_SUM; }
    std::int32_t projection_dimension() const { return projected; }
    ProjectionType projection_type() const { return AMS_SKETCH; }
    bool fill_empty_partitions() const { return is_document; }
    bool has_final_projection_dimension() const { return false; }
    std::int32_t final_projection_dimension() const { return 0; }

    std::int32_t dim, repetitions, bits, projected;
    bool is_document;
};

}  // namespace graph_mining
