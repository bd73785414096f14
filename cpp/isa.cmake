# The only place that names an instruction set flag. Each row of isa_list.h has one here: the folder of cpp/kernels that it
# is compiled from, the processors that it is for, and its flags, which are exactly what kernels/cpu.cpp asks the CPU for.
# Everything else is compiled for the plain architecture. Makes the objects `kernel_tables`.
# Kernels throw nothing, and -fno-exceptions keeps the compiler from leaving a (weak) reference to its handler in them.
set(kernel_flags -fno-exceptions -fno-stack-protector -U_FORTIFY_SOURCE)
set(avx2_flags -mavx2 -mfma -mf16c -mpopcnt -mlzcnt -mbmi -mbmi2)
# GCC's partial redundancy elimination makes loop counters outlive the step that replaces them, and then accumulators too:
# two register copies per accumulator and spills in the scans of eight queries.
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd
    $<$<CXX_COMPILER_ID:GNU>:-fno-tree-pre>)
# GCC's scheduling before register allocation keeps more values alive than there are registers: it spills accumulators.
set(neon_flags $<$<CXX_COMPILER_ID:GNU>:-fno-schedule-insns>)
set(x86_64 "x86_64|AMD64|amd64")
set(arm64 "aarch64|ARM64|arm64")

set(FEWBITS_ISAS avx2 avx512 avx512vnni avx512vbmi neon neondot CACHE STRING "Instruction sets to build beside plain C++")

# One object per set; dispatch.cpp learns from FEWBITS_BUILT_<isa> whether this build has it.
function(fewbits_isa isa folder processors)
    set(built 0)
    if(isa IN_LIST FEWBITS_ISAS AND CMAKE_SYSTEM_PROCESSOR MATCHES "^(${processors})$")
        set(built 1)
        add_library(fewbits_isa_${isa} OBJECT cpp/kernels/${folder}/table.cpp)
        target_link_libraries(fewbits_isa_${isa} PRIVATE fewbits_flags)
        target_compile_definitions(fewbits_isa_${isa} PRIVATE FEWBITS_ISA_NAME=${isa})
        target_compile_options(fewbits_isa_${isa} PRIVATE $<$<CONFIG:Emulated>:-O3> ${kernel_flags} ${ARGN})
        set(kernel_tables ${kernel_tables} $<TARGET_OBJECTS:fewbits_isa_${isa}> PARENT_SCOPE)
    endif()
    set_property(SOURCE ${CMAKE_SOURCE_DIR}/cpp/kernels/dispatch.cpp APPEND PROPERTY
                 COMPILE_DEFINITIONS FEWBITS_BUILT_${isa}=${built})
endfunction()

list(APPEND FEWBITS_ISAS scalar)
# The specification is compared with what is fast, so it must not become fast by itself.
fewbits_isa(scalar scalar ".*" -fno-tree-vectorize -fno-tree-slp-vectorize)
fewbits_isa(avx2 avx2 "${x86_64}" ${avx2_flags})
fewbits_isa(avx512 avx512 "${x86_64}" ${avx512_flags})
fewbits_isa(avx512vnni avx512 "${x86_64}" ${avx512_flags} -mavx512vnni)
fewbits_isa(avx512vbmi avx512 "${x86_64}" ${avx512_flags} -mavx512vnni -mavx512vbmi)
fewbits_isa(neon neon "${arm64}" ${neon_flags} -march=armv8-a)
fewbits_isa(neondot neon "${arm64}" ${neon_flags} -march=armv8.2-a+dotprod -DFEWBITS_DOTPROD)
