# 64-bit Windows with Debian's g++-mingw-w64-x86-64. GCC does not align the stack for AVX there, so kernels with AVX are
# left out: this is to compile, not to run.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_BUILD_TYPE Debug)
set(FEWBITS_ISAS scalar)
