// Filters of searches.
#include "bindings/arrays.h"
#include "index/filter.h"

namespace fewbits::bindings {
namespace {

py::tuple given(const Filter& filter) {
    const Filter::Given from = filter.given();
    const auto copy = [](const auto values) {
        return to_numpy(std::vector(values.begin(), values.end()), {static_cast<py::ssize_t>(values.size())});
    };
    switch (from.kind) {
        case Filter::Given::Kind::mask:
            return py::make_tuple("mask", copy(from.mask));
        case Filter::Given::Kind::allowed:
            return py::make_tuple("allowed", copy(from.ids));
        case Filter::Given::Kind::denied:
            return py::make_tuple("denied", copy(from.ids));
        case Filter::Given::Kind::labels:
            return py::make_tuple("labels", copy(from.ids));
        case Filter::Given::Kind::predicate:
            break;
    }
    return py::make_tuple("predicate", py::none());
}

}  // namespace

void register_filter(py::module_& m) {
    using namespace py::literals;
    py::class_<Filter>(m, "Filter")
        .def_static(
            "mask",
            [](const py::array_t<std::uint8_t, py::array::c_style>& mask) {
                const std::span<const std::uint8_t> bytes{mask.data(), static_cast<std::size_t>(mask.size())};
                const Unlocked unlocked;
                return Filter::of_mask(bytes);
            },
            "mask"_a.noconvert())
        .def_static(
            "ids",
            [](const IdArray& ids, bool allow) {
                const std::span<const std::int64_t> numbers{ids.data(), static_cast<std::size_t>(ids.size())};
                const Unlocked unlocked;
                return Filter::of_ids(numbers, allow);
            },
            "ids"_a.noconvert(), py::kw_only(), "allow"_a)
        .def_static(
            "labels",
            [](const IdArray& labels) {
                const std::span<const std::int64_t> numbers{labels.data(), static_cast<std::size_t>(labels.size())};
                const Unlocked unlocked;
                return Filter::of_labels(numbers);
            },
            "labels"_a.noconvert())
        .def_static(
            "predicate",
            [](std::uintptr_t address) {
                require(address != 0, "filter: expected the address of a compiled function, got 0");
                return Filter::of_predicate(reinterpret_cast<Filter::Predicate>(address));
            },
            "address"_a)
        .def("given", &given);
}

}  // namespace fewbits::bindings
