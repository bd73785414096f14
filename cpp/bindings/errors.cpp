// The core's error kinds as Python exceptions: ValueError, OSError, CorruptIndexError, FormatVersionError.
#include <exception>

#include "base/error.h"
#include "bindings/arrays.h"

namespace fewbits::bindings {
namespace {

PyObject* base_error = nullptr;
PyObject* corrupt_error = nullptr;
PyObject* version_error = nullptr;

PyObject* new_exception(py::module_& m, const char* name, const char* doc, const py::tuple& bases) {
    const std::string full = std::string("fewbits.errors.") + name;
    PyObject* type = PyErr_NewExceptionWithDoc(full.c_str(), doc, bases.ptr(), nullptr);
    if (type == nullptr) throw py::error_already_set();
    m.add_object(name, py::reinterpret_borrow<py::object>(type));
    return type;
}

// Paths in messages are bytes: invalid UTF-8 is escaped, so that any stream can print the message.
py::object message_of(const Error& error) {
    const std::string text = error.what();
    return py::reinterpret_steal<py::object>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "backslashreplace"));
}

void raise(const Error& error) {
    const py::object message = message_of(error);
    if (!message) return;  // an exception is set
    switch (error.kind()) {
        case ErrorKind::invalid_argument:
            PyErr_SetObject(PyExc_ValueError, message.ptr());
            break;
        case ErrorKind::corrupt:
            PyErr_SetObject(corrupt_error, message.ptr());
            break;
        case ErrorKind::version:
            PyErr_SetObject(version_error, message.ptr());
            break;
        case ErrorKind::io:
            PyErr_SetObject(PyExc_OSError, py::make_tuple(error.error_number(), message).ptr());
            break;
    }
}

}  // namespace

void register_errors(py::module_& m) {
    base_error = new_exception(m, "FewbitsError", "Base class of the errors that are specific to fewbits.",
                               py::make_tuple(py::reinterpret_borrow<py::object>(PyExc_Exception)));
    const py::tuple bases = py::make_tuple(py::reinterpret_borrow<py::object>(base_error),
                                           py::reinterpret_borrow<py::object>(PyExc_ValueError));
    corrupt_error = new_exception(m, "CorruptIndexError",
                                  "The file, or the parts of an index, are corrupt or inconsistent.", bases);
    version_error =
        new_exception(m, "FormatVersionError", "The file has a format that this version cannot read.", bases);
    py::register_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const Error& error) {
            raise(error);
        } catch (const Pending&) {
            if (PyErr_CheckSignals() == 0) PyErr_SetNone(PyExc_KeyboardInterrupt);
        }
    });
}

}  // namespace fewbits::bindings
