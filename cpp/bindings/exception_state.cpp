// The C++ runtime's record of the exceptions that a thread is handling. Its own version allocates the record when a
// thread first throws, which is often because memory has run out, and then terminates the process. Here every thread
// has the record from its start. CMakeLists.txt adds this file if the C++ runtime is linked statically, so that the
// runtime uses this version.
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
