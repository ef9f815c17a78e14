"""What all exercises of a notebook stand on, and whether an answer has shaken it: then the others go on without it."""

import os
import resource
import signal
import sys
import threading
import time
import warnings

MODULES = {"ast", "base64", "builtins", "collections", "contextlib", "copy", "datetime", "decimal", "enum", "functools"}
MODULES |= {"io", "itertools", "json", "json.decoder", "json.encoder", "linecache", "math", "numbers", "operator", "os"}
MODULES |= {"random", "re", "resource", "select", "signal", "socket", "statistics", "string", "threading", "time"}
MODULES |= {"traceback", "types", "numpy", "numpy.linalg", "numpy.random", "pandas", "scipy.stats", "sklearn.base"}
MODULES |= {"sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics", "sklearn.model_selection"}
OWN = ("daytwo", "daytwo_data", "grading")


class Ground:
    """How things are before the first cell of a student's runs: functions, classes and methods, and some settings."""

    def __init__(self, shell):
        self.shell = shell
        self.modules = {n: m for n, m in sys.modules.items() if n in MODULES or n.split(".")[0] in OWN}
        places = [*self.modules.values(), shell, *type(shell).__mro__[:2]]
        for name, module in self.modules.items():
            if name in ("pandas", "json.encoder", "json.decoder") or name.split(".")[0] in OWN:
                places += [value for value in vars(module).values() if type(value) is type]
        self.places = [(vars(place), {k: v for k, v in vars(place).items() if callable(v)}) for place in places]
        self.settings, self.threads = self.set(), threading.active_count()

    def set(self):
        """Settings of the process that change how other exercises run."""
        return (
            os.getcwd(),
            sys.gettrace(),
            sys.getprofile(),
            sys.getrecursionlimit(),
            sys.getswitchinterval(),
            signal.getsignal(signal.SIGALRM),
            signal.getitimer(signal.ITIMER_REAL)[0] > 0,
            resource.getrlimit(resource.RLIMIT_AS),
            [f for f in warnings.filters if f[0] == "error"],
            sys.modules["numpy"].geterr(),
            list(map(id, self.shell.ast_transformers)),
            list(map(id, self.shell.input_transformers_cleanup + self.shell.input_transformers_post)),
            {name: list(map(id, calls)) for name, calls in self.shell.events.callbacks.items()},
        )

    def shaken(self):
        """Whether something is not as it was."""
        try:
            return (
                any(sys.modules.get(name) is not module for name, module in self.modules.items())
                or any(now.get(k) is not v for now, then in self.places for k, v in then.items())
                or self.set() != self.settings
                or self.busy()
            )
        except BaseException:  # whatever it is, it was not so before
            return True

    def busy(self):
        """Whether a thread that was left behind is at work."""
        if threading.active_count() <= self.threads:
            return False
        before = time.process_time()
        time.sleep(0.05)
        return time.process_time() - before > 0.02
