"""What usual and warm kernels cost a notebook, side by side: python -m grading.kernels.measure NOTEBOOK…"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from grading.kernels.provisioner import NAME, ONE

REPEATS = 3  # of a measurement


def timed(notebook, kernel):
    """One run of nbval: seconds of the process, of each phase of each cell, and its verdicts.

    A kernel's start is the first cell's setup, its end the last one's teardown."""
    options = ["--nbval", f"--nbval-kernel-name={kernel}", "--nbval-cell-timeout=120", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-vv", "--durations=0", *options, str(notebook)]
    env = os.environ | ONE | {"JUPYTER_PREFER_ENV_PATH": "1", "DAYTWO_PROGRESS": "off"}
    began = time.perf_counter()
    said = subprocess.run(command, env=env, capture_output=True, text=True).stdout
    wall = time.perf_counter() - began
    found = re.findall(r"^([\d.]+)s (setup|call|teardown) .*::(Cell \d+)", said, re.M)
    phases = {(phase, cell): float(seconds) for seconds, phase, cell in found}
    verdicts = re.findall(r"::(Cell \d+) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)", said)
    return {"wall": wall, "phases": phases, "verdicts": verdicts, "said": said}


def measure(*notebooks):
    """Run notebooks with usual and with warm kernels, print what they cost, and return the ratios of the overheads.

    A notebook's own seconds are those of its cells where the imports are there already (the warm run); its overhead is
    whatever else it takes from before its kernel starts until after that has ended. pytest's own start is no part.
    Both kinds run in turns, and every phase of every cell counts with its best time: others may use this machine."""
    from jupyter_client.manager import start_new_kernel

    began = time.perf_counter()
    manager, client = start_new_kernel(kernel_name=NAME)  # so that a template is there
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    print(f"first warm kernel after {time.perf_counter() - began:.2f} s")
    print(f"{'notebook':28} {'kernel':8} {'process':>8} {'notebook':>8} {'cells':>8} {'overhead':>8}")
    ratios, total = {}, {"python3": 0.0, NAME: 0.0}
    for notebook in notebooks:
        runs = {"python3": [], NAME: []}
        for kernel in (*runs,) * REPEATS:
            runs[kernel].append(timed(notebook, kernel))
            if runs[kernel][-1]["phases"].keys() != runs["python3"][0]["phases"].keys():
                sys.exit(f"{notebook} broke off with the kernel {kernel}:\n{runs[kernel][-1]['said'][-2000:]}")
        best = {
            kernel: {phase: min(run["phases"][phase] for run in own) for phase in own[0]["phases"]}
            for kernel, own in runs.items()
        }
        own = sum(seconds for (phase, _), seconds in best[NAME].items() if phase == "call")
        over = {kernel: sum(seconds.values()) - own for kernel, seconds in best.items()}
        for kernel, beyond in over.items():
            wall = min(run["wall"] for run in runs[kernel])
            numbers = (wall, own + beyond, own, beyond)
            print(f"{Path(notebook).name:28} {kernel:8}", *(f"{seconds:8.2f}" for seconds in numbers))
            total[kernel] += beyond
        ratios[str(notebook)] = over[NAME] / over["python3"]
        every = [run["verdicts"] for own in runs.values() for run in own]
        same = "same" if all(verdicts == every[0] for verdicts in every) else "DIFFERENT"
        print(f"{'':28} overhead, warm to usual: {ratios[str(notebook)]:.2f}; {same} verdicts on {len(every[0])} cells")
    said = ", ".join(f"{seconds:.1f} s {kernel}" for kernel, seconds in total.items())
    print(f"all: overhead {said}, warm to usual: {total[NAME] / total['python3']:.2f}")
    return ratios


if __name__ == "__main__":
    measure(*sys.argv[1:])
