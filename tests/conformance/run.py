#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the images of a conformance suite on vtsim, case by case, and writes docs/conformance.md (docs/conformance.md says where the images come from).

    run.py --images DIR [--program vtsim] [--document FILE] [-j N] [CASE...]
    run.py --list

Without CASE all of cases.toml. Ends with 0 when all that ran passed, 1 when one failed, 77 when nothing ran, 2 when it was called wrongly.
"""

import argparse
import concurrent.futures
import dataclasses
import fnmatch
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATUS_PASS, STATUS_FAIL, STATUS_SKIP = 1, 3, 77          # of vtsim, when the image writes 0, 1 or 38 to port 0xf4
EXIT_FAILED, EXIT_MISUSE, EXIT_SKIPPED = 1, 2, 77


@dataclasses.dataclass
class Case:
    """A row of cases.toml; the comments there explain the columns."""

    name: str
    image: str
    arguments: str = ""
    architecture: str = "x86_64"
    cpus: int = 1
    memory: str = "128M"
    settings: list = dataclasses.field(default_factory=list)
    modes: list = dataclasses.field(default_factory=lambda: ["functional"])
    environment: str = ""
    xpasses: int = 0
    prints: str = ""
    skips: str = ""
    absent: str = ""

    def command(self, mode, images):
        """What stands behind the program's name."""
        file = f"{images}/{self.architecture}/{self.image}.flat"
        words = ["run", file, "--cmdline", " ".join(f"{self.image}.flat {self.arguments}".split()), "--memory", self.memory]
        if self.cpus != 1:
            words += ["--cpus", str(self.cpus)]
        if mode != "functional":
            words += ["--mode", mode]
        for setting in self.settings:
            words += ["--set", setting]
        if self.environment:
            words += ["--module", f"tests/conformance/{self.environment}"]
        return words


@dataclasses.dataclass
class Result:
    case: Case
    mode: str
    outcome: str                          # pass, fail or skip
    why: str = ""
    passed: int | None = None
    failed: int | None = None
    skipped: int | None = None


def load_cases():
    table = tomllib.loads((HERE / "cases.toml").read_text())
    known = {field.name for field in dataclasses.fields(Case)}
    cases = []
    for group in table["group"]:
        shared = {key: value for key, value in group.items() if key != "case"}
        for row in group["case"]:
            columns = shared | row
            if unknown := columns.keys() - known:
                raise SystemExit(f"cases.toml: {row.get('name', '?')}: unknown column {', '.join(sorted(unknown))}")
            cases.append(Case(**columns))
    return cases


def read_summary(output):
    """Numbers of the line 'SUMMARY: N tests[, K unexpected failures][, K expected failures][, K skipped]', or None."""
    line = re.search(r"^SUMMARY: (\d+) tests(.*)$", output, re.MULTILINE)
    if line is None:
        return None

    def number(what):
        found = re.search(rf"(\d+) {what}", line[2])
        return int(found[1]) if found else 0

    failed, skipped = number("unexpected failures"), number("skipped")
    return int(line[1]) - failed - skipped, failed, skipped


def judge(case, mode, status, output, log):
    result = Result(case, mode, "fail")
    xpasses = len(re.findall(r"^XPASS", output, re.MULTILINE))
    if summary := read_summary(output):
        result.passed, result.failed, result.skipped = summary
        # The image counts a check as a failure that succeeds although it was meant for the fault of a hypervisor.
        result.passed, result.failed = result.passed + xpasses, result.failed - xpasses
        status = STATUS_PASS if xpasses == case.xpasses and result.failed == 0 and status == STATUS_FAIL else status
    failure = re.search(r"^\s*FAIL.*$", output, re.MULTILINE)
    if failure is not None:
        result.why = failure[0].strip()
    elif status == STATUS_SKIP and summary is not None and result.passed == 0:
        result.outcome, result.why = ("skip", case.skips) if case.skips else ("fail", "skipped itself, and cases.toml gives no reason")
    elif status != STATUS_PASS:
        last = (log.strip() or output.strip()).splitlines()
        result.why = f"ended with status {status}: {last[-1] if last else 'no output'}"
    elif case.skips:
        result.why = "passes, and cases.toml says that it skips itself"
    elif case.prints and re.search(case.prints, output, re.MULTILINE) is None:
        result.why = f"did not print {case.prints!r}"
    elif not case.prints and not result.passed:
        result.why = "no sub-test passed"
    elif result.failed:
        result.why = f"{result.failed} sub-tests failed"
    else:
        result.outcome = "pass"
    return result


def run(case, mode, program, images, timeout):
    if case.absent:
        return Result(case, mode, "skip", case.absent)
    image = images / case.architecture / f"{case.image}.flat"
    if not image.is_file():
        return Result(case, mode, "fail", f"{case.architecture}/{case.image}.flat is not in the folder of images")
    command = [str(program), *case.command(mode, images), "--quiet"]
    try:
        done = subprocess.run(command, cwd=HERE.parents[1], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return Result(case, mode, "fail", f"not at its end after {timeout} seconds")
    output = done.stdout.decode(errors="replace").replace("\r\n", "\n")
    return judge(case, mode, done.returncode, output, done.stderr.decode(errors="replace"))


def plural(number, what):
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def tell(result):
    numbers = "" if result.passed is None else f" ({result.passed} passed, {result.failed} failed, {result.skipped} skipped)"
    print(f"{result.outcome:4} {result.case.name}, {result.mode}{numbers}{': ' if result.why else ''}{result.why}", flush=True)


def row(result):
    def cell(number):
        return "" if number is None else str(number)

    command = f"`vtsim {shlex.join(result.case.command(result.mode, 'IMAGES'))}`"
    last = result.why if result.outcome == "skip" else command if result.outcome == "pass" else f"{result.why}; {command}"
    return f"| {result.case.name} | {result.mode} | {result.outcome} | {cell(result.passed)} | {cell(result.failed)} | {cell(result.skipped)} | {last} |"


def document(results):
    count = {outcome: sum(result.outcome == outcome for result in results) for outcome in ("pass", "fail", "skip")}
    subtests = sum(result.passed or 0 for result in results)
    text = (HERE / "introduction.md").read_text()
    text += f"\n## Results\n\n{plural(len(results), 'run')}: {count['pass']} passed, {count['fail']} failed, {count['skip']} skipped. "
    text += f"{plural(subtests, 'sub-test')} passed. The numbers are those of the image's SUMMARY line, where it prints one.\n\n"
    text += "| case | mode | result | passed | failed | skipped | command, or why not |\n|---|---|---|---|---|---|---|\n"
    return text + "".join(row(result) + "\n" for result in results)


def main():
    parser = argparse.ArgumentParser(description="Runs conformance images on vtsim.", epilog="Ends with 0: all passed, 1: one failed, 77: nothing ran, 2: wrong call.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="names, with wildcards; default: all")
    parser.add_argument("--images", default=os.environ.get("VTSIM_CONFORMANCE_IMAGES", ""), help="folder with x86_64/*.flat and i386/*.flat (default: $VTSIM_CONFORMANCE_IMAGES)")
    parser.add_argument("--program", type=Path, default=HERE.parents[1] / "build/release/vtsim", help="the vtsim to run (default: %(default)s)")
    parser.add_argument("--document", type=Path, metavar="FILE", help="write the results there, as docs/conformance.md")
    parser.add_argument("--timeout", type=int, default=3600, metavar="SECONDS", help="for one run (default: %(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="runs at the same time (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and end")
    options = parser.parse_args()

    cases = load_cases()
    if options.list:
        print("\n".join(case.name for case in cases))
        return 0
    if options.cases:
        for pattern in options.cases:
            if not any(fnmatch.fnmatchcase(case.name, pattern) for case in cases):
                parser.error(f"no case is called {pattern!r}; --list prints all")
        cases = [case for case in cases if any(fnmatch.fnmatchcase(case.name, pattern) for pattern in options.cases)]
    if not options.images:
        print("SKIPPED: no conformance images. They are not part of vtsim: docs/conformance.md says how to build them. Then set the environment variable or the "
              "CMake variable VTSIM_CONFORMANCE_IMAGES to their folder.")
        return EXIT_SKIPPED
    images = Path(options.images).resolve()
    if not images.is_dir():
        parser.error(f"{options.images}: no such folder of images")
    if not options.program.is_file():
        parser.error(f"{options.program}: no such program; build vtsim first, or name it with --program")

    program = options.program.resolve()
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run, case, mode, program, images, options.timeout) for case in cases for mode in case.modes]
        for each in runs:
            results.append(each.result())
            tell(results[-1])
    if options.document:
        options.document.write_text(document(results))
    if any(result.outcome == "fail" for result in results):
        return EXIT_FAILED
    return 0 if any(result.outcome == "pass" for result in results) else EXIT_SKIPPED


if __name__ == "__main__":
    sys.exit(main())
