// Every instruction set, best first: FEWBITS_ISA(name, whether `cpu` supports it). cpp/isa.cmake lists the folder and
// flags of each. Included several times, so it has no include guard.
FEWBITS_ISA(avx512vbmi, cpu.vbmi)
FEWBITS_ISA(avx512vnni, cpu.vnni)
FEWBITS_ISA(avx512, cpu.avx512)
FEWBITS_ISA(avx2, cpu.avx2)
FEWBITS_ISA(neondot, cpu.dotprod)
FEWBITS_ISA(neon, cpu.neon)
FEWBITS_ISA(scalar, true)

#undef FEWBITS_ISA
