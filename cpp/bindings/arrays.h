// Conversions between numpy and the core. Float input must be C-contiguous float32 (python/fewbits/input converts to
// it); anything else is rejected with what was got and what was expected.
#pragma once

#include <optional>
#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/interrupt.h"
#include "base/matrix.h"
#include "base/metric.h"
#include "base/parallel.h"
#include "base/parts.h"

namespace fewbits::bindings {

namespace py = pybind11;

using FloatArray = py::array_t<float, py::array::c_style>;
using IdArray = py::array_t<std::int64_t, py::array::c_style>;
using Numbers = std::optional<py::array_t<std::uint32_t, py::array::c_style>>;

template <class T>
std::span<const T> span_or_none(const std::optional<py::array_t<T, py::array::c_style>>& values) {
    if (!values) return {};
    return {values->data(), static_cast<std::size_t>(values->size())};
}

MatrixView matrix_view(const FloatArray& x);
Parts parts_from(const py::dict& params, const py::dict& arrays);  // copies
py::dict params_to(const Parts& parts);
py::dict arrays_to(const Parts& parts);  // copies
Metric metric_from(const std::string& name);

// Reports to `callback` (unless None) with the GIL held, and throws the exception of a pending Ctrl-C.
Progress progress_from(py::object callback);

void check_signals();   // runs Python's handlers of pending signals; throws what they raise, e.g. KeyboardInterrupt
bool is_interrupted();  // whether a Ctrl-C is pending

// Long work in this scope runs without the GIL, and can be interrupted by Ctrl-C.
class Unlocked {
    py::gil_scoped_release released_;
    Interrupt interrupt_{check_signals, is_interrupted};
};

// The same for work that can be repeated: if a signal arrives under a lock, handles it outside and repeats the work.
template <class Work>
void unlocked(const Work& work) {
    for (;;) {
        try {
            const Unlocked released;
            return work();
        } catch (const Pending&) {
            check_signals();
        }
    }
}

// The bytes of an object with a contiguous buffer, such as bytes or a memoryview of bytes. Construction and destruction
// need the GIL.
class HeldBytes {
public:
    explicit HeldBytes(const py::buffer& object);
    HeldBytes(const HeldBytes&) = delete;
    HeldBytes& operator=(const HeldBytes&) = delete;
    ~HeldBytes() { PyBuffer_Release(&view_); }
    std::span<const std::byte> span() const {
        return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
    }

private:
    Py_buffer view_{};
};

// Moves a vector into a numpy array that owns it, or copies it if it is so small that this is faster.
template <class T>
py::array_t<T> to_numpy(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
    constexpr std::size_t few = 256;
    if (values.size() <= few) return py::array_t<T>(std::move(shape), values.data());
    auto* kept = new std::vector<T>(std::move(values));
    const py::capsule owner(kept, [](void* p) { delete static_cast<std::vector<T>*>(p); });
    return py::array_t<T>(std::move(shape), kept->data(), owner);
}

void register_errors(py::module_& m);
void register_registry(py::module_& m);
void register_locks(py::module_& m);
void register_training(py::module_& m);
void register_codecs(py::module_& m);
void register_builder(py::module_& m);
void register_filter(py::module_& m);
void register_exact(py::module_& m);
void register_files(py::module_& m);
void register_engine(py::module_& m);
void register_multivector(py::module_& m);
void register_sparse(py::module_& m);

}  // namespace fewbits::bindings
