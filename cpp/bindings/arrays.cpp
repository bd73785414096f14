#include "bindings/arrays.h"

#include <cstring>

namespace fewbits::bindings {
namespace {

struct NumpyType {
    DType dtype;
    const char* name;
};

constexpr NumpyType numpy_types[] = {{DType::u8, "uint8"},    {DType::i8, "int8"},    {DType::u16, "uint16"},
                                     {DType::f16, "float16"}, {DType::u32, "uint32"}, {DType::f32, "float32"},
                                     {DType::u64, "uint64"},  {DType::i64, "int64"}};

Array copy_array(const std::string& name, const py::array& source) {
    const auto contiguous = py::array::ensure(source, py::array::c_style);
    const auto dtype_text = py::str(source.dtype()).cast<std::string>();
    for (const auto& type : numpy_types) {
        if (dtype_text != type.name) continue;
        const auto bytes = static_cast<std::size_t>(contiguous.nbytes());
        auto kept = std::make_shared<std::vector<std::byte>>(bytes);
        if (bytes > 0) std::memcpy(kept->data(), contiguous.data(), bytes);
        return {type.dtype, *kept, kept};
    }
    fail("array '" + name + "': got dtype " + dtype_text
         + ", expected one of uint8 int8 uint16 float16 uint32 float32 uint64 int64");
}

}  // namespace

MatrixView matrix_view(const FloatArray& x) {
    if (x.ndim() != 2) fail("got an array of " + std::to_string(x.ndim()) + " dimensions, expected 2");
    return {x.data(), static_cast<std::size_t>(x.shape(0)), static_cast<std::size_t>(x.shape(1))};
}

Parts parts_from(const py::dict& params, const py::dict& arrays) {
    Parts parts;
    for (const auto& [name, value] : params) parts.params[name.cast<std::string>()] = value.cast<std::uint64_t>();
    for (const auto& [name, value] : arrays) {
        auto key = name.cast<std::string>();
        parts.arrays[key] = copy_array(key, value.cast<py::array>());
    }
    return parts;
}

py::dict params_to(const Parts& parts) {
    py::dict out;
    for (const auto& [name, value] : parts.params) out[py::str(name)] = value;
    return out;
}

py::dict arrays_to(const Parts& parts) {
    py::dict out;
    for (const auto& [name, array] : parts.arrays)
        for (const auto& type : numpy_types)
            if (type.dtype == array.dtype) {
                py::array copy(py::dtype(type.name),
                               static_cast<py::ssize_t>(array.bytes.size() / dtype_bytes(array.dtype)));
                if (!array.bytes.empty()) std::memcpy(copy.mutable_data(), array.bytes.data(), array.bytes.size());
                out[py::str(name)] = std::move(copy);
            }
    return out;
}

HeldBytes::HeldBytes(const py::buffer& object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_SIMPLE) != 0) throw py::error_already_set();
}

Metric metric_from(const std::string& name) {
    for (const MetricKind& row : metric_kinds)
        if (name == row.name) return static_cast<Metric>(row.kind);
    fail("metric: got '" + name + "', expected 'l2', 'ip' or 'cosine'");
}

void check_signals() {
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

bool is_interrupted() {
    const py::gil_scoped_acquire gil;
    if (PyOS_InterruptOccurred() == 0) return false;
    PyErr_SetInterrupt();  // the query above cleared it; the handlers need it
    return true;
}

Progress progress_from(py::object callback) {
    return [callback = std::move(callback)](double fraction) {
        const py::gil_scoped_acquire gil;
        check_signals();
        if (!callback.is_none()) callback(fraction);
    };
}

}  // namespace fewbits::bindings
