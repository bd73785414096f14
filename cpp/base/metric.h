// Within the core every score is a similarity: larger is better. l2 is the negated squared distance. Cosine is the
// inner product of rows that were normalised on input (index/), so codecs only see l2 and ip.
#pragma once

#include <cstdint>

namespace fewbits {

enum class Metric : std::uint32_t { l2 = 0, ip = 1, cosine = 2 };

struct MetricKind {
    std::uint64_t kind;  // param "metric"
    const char* name;
};
inline constexpr MetricKind metric_kinds[] = {{0, "l2"}, {1, "ip"}, {2, "cosine"}};

// The metric that codecs and partitions use.
constexpr Metric inner_metric(Metric metric) {
    return metric == Metric::l2 ? Metric::l2 : Metric::ip;
}

}  // namespace fewbits
