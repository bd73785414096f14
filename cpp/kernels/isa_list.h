// Every instruction set once, best first: FEWBITS_ISA(name, whether `cpu` runs it). cpp/isa.cmake has the folder and
// the flags of each. Included as often as needed, so it has no include guard.
FEWBITS_ISA(avx512vbmi, cpu.vbmi)
FEWBITS_ISA(avx512vnni, cpu.vnni)
FEWBITS_ISA(avx512, cpu.avx512)
FEWBITS_ISA(avx2, cpu.avx2)
FEWBITS_ISA(scalar, true)

#undef FEWBITS_ISA
