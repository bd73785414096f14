// Ids and scores of searches, and their conversion to numpy.
#pragma once

#include <algorithm>
#include <vector>

#include "base/matrix.h"
#include "bindings/arrays.h"

namespace fewbits::bindings {

struct Results {
    std::vector<std::int64_t> ids;
    std::vector<float> scores;

    Results(std::size_t queries, std::size_t k) : ids(checked_mul(queries, k)), scores(ids.size()) {}
    // Clamps cosines, which rounding can move out of -1..1 by 1e-7.
    void keep_within_one() {
        for (std::size_t i = 0; i < ids.size(); ++i)
            if (ids[i] >= 0) scores[i] = std::clamp(scores[i], -1.0f, 1.0f);
    }
    py::tuple to_tuple(std::size_t queries, std::size_t k) {
        const std::vector<py::ssize_t> shape{static_cast<py::ssize_t>(queries), static_cast<py::ssize_t>(k)};
        return py::make_tuple(to_numpy(std::move(ids), shape), to_numpy(std::move(scores), shape));
    }
};

}  // namespace fewbits::bindings
