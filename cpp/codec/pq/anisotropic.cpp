#include "codec/pq/anisotropic.h"

#include "codec/lanes.h"

namespace fewbits::codec {
namespace {

constexpr std::size_t max_rounds = 10;

// The costs of a subspace's codewords; `rest` is the part of the target that the other subspaces do not cover.
struct Subspace {
    const float* errors;
    const float* along;
    float weight;
    float rest;

    float cost(std::size_t code) const {
        const float missing = rest - along[code];
        return errors[code] + weight * (missing * missing);
    }
    // The lowest cost, by the same operations in lanes; k is a multiple of their number.
    float lowest(std::size_t k) const {
        Lanes low = all_lanes(cost(0));
        for (std::size_t code = 0; code < k; code += lanes) {
            const Lanes missing = all_lanes(rest) - load_lanes(along + code);
            low = lesser(load_lanes(errors + code) + all_lanes(weight) * (missing * missing), low);
        }
        return least_lane(low);
    }
};

}  // namespace

void descend(const AnisotropicCosts& costs, std::size_t m, std::size_t k, std::uint8_t* codes) {
    float missing = costs.target;
    for (std::size_t s = 0; s < m; ++s) missing -= costs.along[s * k + codes[s]];
    std::size_t unchanged = 0;  // visits since the last change; after m, none is possible
    for (std::size_t visit = 0; visit < max_rounds * m && unchanged < m; ++visit, ++unchanged) {
        const std::size_t s = visit % m;
        const float* along = costs.along + s * k;
        const Subspace subspace{costs.errors + s * k, along, costs.weight, missing + along[codes[s]]};
        const float lowest = subspace.lowest(k);
        if (!(lowest < subspace.cost(codes[s]))) continue;
        std::size_t code = 0;
        while (subspace.cost(code) != lowest) ++code;
        codes[s] = static_cast<std::uint8_t>(code);
        missing = subspace.rest - along[code];
        unchanged = 0;
    }
}

}  // namespace fewbits::codec
