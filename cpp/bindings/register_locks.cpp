// Turns for Python: `with turns.take("add"): ...`, or without `with` if a turn has to end by a store (see
// python/fewbits/index/state.py). Waiting releases the GIL and can be interrupted by Ctrl-C.
#include <stdexcept>

#include "base/locks.h"
#include "bindings/arrays.h"

namespace fewbits::bindings {
namespace {

constexpr double seconds_between_signals = 0.1;

std::unique_ptr<Turns::Turn> take(Turns& turns, const std::string& action) {
    if (turns.is_mine())
        throw std::runtime_error(action
                                 + ": this thread is already changing the index; a progress callable (or other code "
                                   "that runs during a change) may search the index, but not change it");
    for (;;) {
        std::unique_ptr<Turns::Turn> turn;
        {
            const py::gil_scoped_release unlocked;
            turn = turns.take(seconds_between_signals);
        }
        if (turn) return turn;
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
}

}  // namespace

void register_locks(py::module_& m) {
    using namespace py::literals;
    py::class_<Turns::Turn>(m, "Turn")
        .def("end", &Turns::Turn::end)
        .def(
            "__enter__", [](Turns::Turn& turn) -> Turns::Turn& { return turn; }, py::return_value_policy::reference)
        .def("__exit__", [](Turns::Turn& turn, const py::args&) { turn.end(); });
    py::class_<Turns>(m, "Turns").def(py::init<>()).def("take", &take, "action"_a);
}

}  // namespace fewbits::bindings
