# The only place that names an instruction set flag. Each entry is a file of cpp/kernels and the flags it is compiled
# with; dispatch.cpp asks the CPU for exactly these features before it hands the file's table out, and learns which
# files exist through FEWBITS_HAVE_<ISA>. Everything else is compiled for the plain architecture.
# Kernels throw nothing, and -fno-exceptions keeps the compiler from leaving a (weak) reference to its handler in them.
set(kernel_flags -fno-exceptions -fno-stack-protector -U_FORTIFY_SOURCE)
set(avx2_flags -mavx2 -mfma -mf16c -mpopcnt -mlzcnt -mbmi -mbmi2)
# GCC's partial redundancy elimination makes loop counters outlive the step that replaces them, and then accumulators too:
# two register copies an accumulator and spills in the scans of eight queries.
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd
    $<$<CXX_COMPILER_ID:GNU>:-fno-tree-pre>)

set(FEWBITS_ISAS avx2 avx512 avx512vnni avx512vbmi CACHE STRING "Instruction sets to build beside plain C++")

function(fewbits_isa isa)
    set(file ${CMAKE_SOURCE_DIR}/cpp/kernels/${isa}.cpp)
    if(NOT file IN_LIST sources)
        return()
    endif()
    if(NOT isa IN_LIST FEWBITS_ISAS OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
        list(REMOVE_ITEM sources ${file})
        set(sources ${sources} PARENT_SCOPE)
        return()
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${kernel_flags};${ARGN}")
    string(TOUPPER ${isa} name)
    set_property(SOURCE ${CMAKE_SOURCE_DIR}/cpp/kernels/dispatch.cpp APPEND PROPERTY
                 COMPILE_DEFINITIONS FEWBITS_HAVE_${name})
endfunction()

fewbits_isa(avx2 ${avx2_flags})
fewbits_isa(avx512 ${avx512_flags})
fewbits_isa(avx512vnni ${avx512_flags} -mavx512vnni)
fewbits_isa(avx512vbmi ${avx512_flags} -mavx512vnni -mavx512vbmi)

# The specification is compared with what is fast, so it must not become fast by itself.
set_source_files_properties(${CMAKE_SOURCE_DIR}/cpp/kernels/scalar.cpp PROPERTIES
                            COMPILE_OPTIONS "${kernel_flags};-fno-tree-vectorize;-fno-tree-slp-vectorize")
