// The exceptions that a thread is handling, as the C++ runtime keeps them: its own version of this allocates them when
// the thread first throws, which is often because memory ran out, and then ends the process. Here every thread has them
// from its start. CMakeLists.txt adds this file where the C++ runtime is linked statically, and so takes it.
#include <cxxabi.h>

namespace __cxxabiv1 {

struct __cxa_eh_globals {  // the layout of the Itanium C++ ABI
    void* caught_exceptions;
    unsigned int uncaught_exceptions;
};

namespace {
__attribute__((tls_model("initial-exec"))) constinit thread_local __cxa_eh_globals state{};
}

extern "C" __cxa_eh_globals* __cxa_get_globals() noexcept {
    return &state;
}

extern "C" __cxa_eh_globals* __cxa_get_globals_fast() noexcept {
    return &state;
}

}  // namespace __cxxabiv1
