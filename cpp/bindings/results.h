// Ids and scores of searches, and their conversion to numpy.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/matrix.h"
#include "bindings/arrays.h"

namespace fewbits::bindings {

// Cosines, which rounding takes out of -1..1 by 1e-7; what pads results stays.
inline void keep_within_one(std::vector<float>& cosines) {
    for (float& cosine : cosines)
        if (std::isfinite(cosine)) cosine = std::clamp(cosine, -1.0f, 1.0f);
}

struct Results {
    std::vector<std::int64_t> ids;
    std::vector<float> scores;

    Results(std::size_t queries, std::size_t k) : ids(checked_mul(queries, k)), scores(ids.size()) {}
    py::tuple to_tuple(std::size_t queries, std::size_t k) {
        const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(queries), static_cast<py::ssize_t>(k)};
        return py::make_tuple(to_numpy(std::move(ids), shape), to_numpy(std::move(scores), shape));
    }
};

}  // namespace fewbits::bindings
