# SPDX-License-Identifier: Apache-2.0
"""Merges lists of instruction forms into src/cpu/isa/oracles_table.inc: isa_oracles.py DIRECTORY TABLE.

The files of DIRECTORY are named by oracle ("host", "qemu.7"): a form a line, or a count and a form, as `vtsim run --forms` writes them. Marks of an oracle without a
file stay.
"""
import re
import sys
from pathlib import Path

BITS = {"host": 1, "unicorn": 2, "qemu": 4, "kvm": 8, "bochs": 16}


def main():
    directory, table = Path(sys.argv[1]), Path(sys.argv[2])
    marks, seen = {}, set()
    for file in sorted(directory.iterdir()):
        oracle = file.name.split(".")[0]
        if oracle not in BITS:
            sys.exit(f"{file}: the name begins with none of {', '.join(BITS)}")
        seen.add(oracle)
        for line in file.read_text().splitlines():
            form = re.sub(r"^\d+ ", "", line)
            marks[form] = marks.get(form, 0) | BITS[oracle]
    kept = sum(bit for oracle, bit in BITS.items() if oracle not in seen)
    for form, bits in re.findall(r'\{"(.*)", (\d+)\}', table.read_text()):
        if int(bits) & kept:
            marks[form] = marks.get(form, 0) | int(bits) & kept
    rows = "".join(f'    {{"{form}", {marks[form]}}},\n' for form in sorted(marks))
    table.write_text("// Written by scripts/isa-oracles: bits of oracles.cpp.\n" + rows)


main()
