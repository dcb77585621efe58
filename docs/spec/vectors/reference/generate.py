#!/usr/bin/env python3
"""Writes the test vectors next to this folder, or with --check compares them to what is there."""

import argparse
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import certificates
import derivations
import formats
import frames
import logs
import masked
import merkle
import proofs
import rosters
import schedules
import self_masks
import selftest
import statements
import sums
import witnesses
from case import Group

FOLDER = pathlib.Path(__file__).resolve().parent.parent


MODULES = [formats, frames, certificates, statements, derivations, sums, schedules, merkle, logs]
MODULES += [self_masks, rosters, proofs, masked, witnesses]


def groups():
    for module in MODULES:
        for make in module.GROUPS:
            yield make()


def render(group: Group):
    return json.dumps(group.document(), indent=1, ensure_ascii=True) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail on any difference")
    check = arguments.parse_args().check
    selftest.run()
    merkle.selftest()
    accepted = refused = 0
    different, made = [], set()
    for group in groups():
        path = FOLDER / f"{group.name}.json"
        text = render(group)
        made.add(path.name)
        if not path.exists() or path.read_text() != text:
            different.append(path.name)
        if not check:
            path.write_text(text)
        for vector in group.vectors:
            accepted += vector["expected"] == "accepted"
            refused += vector["expected"] == "refused"
    different += sorted(p.name for p in FOLDER.glob("*.json") if p.name not in made)
    print(f"{len(made)} groups, {accepted} accepted, {refused} refused")
    if different:
        print(("different: " if check else "changed or left over: ") + ", ".join(different))
    return 1 if check and different else 0


if __name__ == "__main__":
    sys.exit(main())
