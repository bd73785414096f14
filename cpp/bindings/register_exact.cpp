// Exact search for ground truth, and checks of rows.
#include <limits>

#include "base/rows.h"
#include "bindings/results.h"
#include "index/exact.h"
#include "index/input_space.h"

namespace fewbits::bindings {
namespace {

py::tuple search_exactly(const FloatArray& x, const FloatArray& queries, std::size_t k, const std::string& metric,
                         std::int64_t first_id, unsigned threads) {
    const MatrixView base = matrix_view(x), view = matrix_view(queries);
    const Metric meaning = metric_from(metric);
    Results results(view.rows, k);
    {
        const Unlocked unlocked;
        exact_search(base, view, k, meaning, first_id, threads, results.ids.data(), results.scores.data());
        if (meaning == Metric::cosine) keep_within_one(results.scores);
    }
    return results.to_tuple(view.rows, k);
}

py::ssize_t bad_row(const FloatArray& x, bool nonzero, double longest) {
    constexpr std::size_t few = 1 << 14;  // floats, which take less time than another thread may keep the GIL
    const MatrixView view = matrix_view(x);
    if (view.size() <= few) return first_bad_row(view, {nonzero, longest});
    const Unlocked unlocked;
    return first_bad_row(view, {nonzero, longest});
}

py::array_t<float> normalized(const FloatArray& x) {
    const MatrixView view = matrix_view(x);
    std::vector<float> out;
    {
        const Unlocked unlocked;
        out.resize(view.size());
        normalize_rows(view, out.data());
    }
    return to_numpy(std::move(out), {x.shape(0), x.shape(1)});
}

}  // namespace

void register_exact(py::module_& m) {
    using namespace py::literals;
    m.def("exact_search", &search_exactly, "x"_a.noconvert(), "queries"_a.noconvert(), "k"_a, "metric"_a, py::kw_only(),
          "first_id"_a = 0, "threads"_a = 0);
    m.def("first_bad_row", &bad_row, "x"_a.noconvert(), "nonzero"_a = false,
          "longest"_a = std::numeric_limits<double>::infinity());
    m.def("normalize_rows", &normalized, "x"_a.noconvert());
}

}  // namespace fewbits::bindings
