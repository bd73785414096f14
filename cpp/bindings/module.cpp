#include <stdexcept>

#include "bindings/arrays.h"

namespace {

constexpr const char* not_main = "fewbits: expected the main interpreter, got a subinterpreter";

bool in_main_interpreter() {
    return PyInterpreterState_Get() == PyInterpreterState_Main();
}

}  // namespace

#define PyInit__core init_in_main_interpreter  // renames the function that PYBIND11_MODULE defines
PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
    namespace bindings = fewbits::bindings;
    if (!in_main_interpreter()) throw std::runtime_error(not_main);  // an ImportError, like all exceptions here
    m.doc() = "The compiled core of fewbits; the public interface is the package fewbits.";
    m.attr("__version__") = FEWBITS_VERSION;
    bindings::register_errors(m);
    bindings::register_registry(m);
    bindings::register_locks(m);
    bindings::register_training(m);
    bindings::register_codecs(m);
    bindings::register_multivector(m);
    bindings::register_builder(m);
    bindings::register_filter(m);
    bindings::register_exact(m);
    bindings::register_files(m);
    bindings::register_engine(m);
    bindings::register_sparse(m);
}
#undef PyInit__core

// In a subinterpreter, pybind11 may deadlock before the code of a module could raise an error. CPython 3.13 and later
// call this function in the main interpreter, whichever interpreter imports the module.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
    if (in_main_interpreter()) return init_in_main_interpreter();
    PyErr_SetString(PyExc_ImportError, not_main);
    return nullptr;
}
