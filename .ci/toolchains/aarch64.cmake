# 64-bit ARM with Debian's g++-aarch64-linux-gnu, tests under qemu-user. Build type Emulated: emulation costs more than
# optimisation gains, except for kernels (cpp/isa.cmake).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
set(CMAKE_BUILD_TYPE Emulated)
set(CMAKE_CXX_FLAGS_EMULATED "-O1 -DNDEBUG")
