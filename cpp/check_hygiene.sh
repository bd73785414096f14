#!/bin/sh
# usage: check_hygiene.sh OBJECT...
# A file compiled for an instruction set must give the linker nothing but its table: were an inline function of a shared
# header to leave it as a weak symbol, the linker could pick that copy for the whole program, and CPUs without the set
# would crash. So each object of an instruction set (target fewbits_isa_*) exports one symbol, has no weak ones and runs nothing at
# start-up; and no other object touches what the plain architecture lacks: wider registers, dot products.
# NM and OBJDUMP name the tools for the objects' architecture.
set -eu
nm=${NM:-nm}
objdump=${OBJDUMP:-objdump}
status=0
tables=0

complain() {
    echo "hygiene: $1" >&2
    status=1
}

for object in "$@"; do
    isa=$(echo "$object" | sed -n 's|.*fewbits_isa_\([a-z0-9]*\)\.dir/.*|\1|p')
    if [ -n "$isa" ]; then
        tables=$((tables + 1))
        exported=$("$nm" -C --defined-only --extern-only "$object" | sed 's/^[0-9a-f]* *//')
        [ "$(echo "$exported" | cut -d' ' -f2)" = "fewbits::kernels::${isa}_kernels" ] ||
            complain "$object exports, instead of ${isa}_kernels alone: $exported"
        weak=$("$nm" -C "$object" | grep ' [VvWwu] ' || true)
        [ -z "$weak" ] || complain "$object has weak symbols: $weak"
        if "$objdump" -h "$object" | grep -qE '\.(init_array|ctors)'; then
            complain "$object has a static initialiser"
        fi
    fi
    if [ -z "$isa" ] || [ "$isa" = scalar ] || [ "$isa" = neon ]; then
        if "$objdump" -d --no-show-raw-insn "$object" | grep -qE '%[yz]mm[0-9]|[[:space:]][su]dot[[:space:]]'; then
            complain "$object uses AVX registers or dot products but is not of an instruction set that has them"
        fi
    fi
done

[ "$tables" -ge 1 ] || complain "saw no kernel table"
[ "$status" -eq 0 ] && echo "hygiene: $tables kernel tables, $# objects, clean"
exit "$status"
