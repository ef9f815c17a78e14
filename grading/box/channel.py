"""What a submission's processes say: read as data, line by line, bounded, with nothing in it but what is known."""

import contextlib
import json
import os
import select
import socket

HANDED = 8  # files that one part of a message may hand over


def messages(channel, late, longest, tick, handed=None):
    """(JSON object, length), one a line, until the other end is closed, says far too much, or is `late`.

    `late` is told whether nothing was there to read. The list `handed` takes the files that were handed over with it.
    """
    buffer = b""
    while True:
        ready, _, _ = select.select([channel], [], [], tick)
        if late(not ready):
            return
        if not ready:
            continue
        try:
            part, new, *_ = socket.recv_fds(channel, 1 << 20, HANDED if handed is not None else 0)
        except OSError:
            return
        if not part:
            return
        if handed is not None:
            handed += new
            for fd in handed[:-HANDED]:  # a flood of them: the first process needs files of its own
                os.close(fd)
            del handed[:-HANDED]
        *lines, buffer = (buffer + part).split(b"\n") if b"\n" in part else (buffer + part,)
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                message = json.loads(line)
                if isinstance(message, dict):
                    yield message, len(line)
        if len(buffer) > longest:
            return


def drain(handed):
    """Close files that nobody asked for."""
    while handed:
        os.close(handed.pop())


def close_all_but(*kept):
    """Leave nothing open that a parent had: sockets, pipes, files of others."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    low = 3
    for fd in sorted({*kept, 1 << 16}):
        os.closerange(low, fd)
        low = fd + 1


LEFT_OUT = {"output_type": "stream", "name": "stdout", "text": "… too much output: it was left out\n"}


def flat(said, levels=4):
    """A value as it was told, down to so many levels; what could not have been told honestly is left out."""
    if isinstance(said, dict):
        return {k: flat(v, levels - 1) for k, v in list(said.items())[:100]} if levels else {}
    if isinstance(said, list):
        return [flat(v, levels - 1) for v in said[:1_000]] if levels else []
    return said if isinstance(said, str | int | float) and said == said else None


def shallow(wire, levels=70):
    """Whether a value on the wire is nested no deeper than an honest one can be."""
    parts = wire if isinstance(wire, list) else wire.values() if isinstance(wire, dict) else ()
    return levels > 0 and all(shallow(part, levels - 1) for part in parts)


def sound(report):
    """A snapshot's report with nothing in it but what a report has, or None."""
    if not isinstance(report, dict) or not isinstance(report.get("facts"), list):
        return None
    facts = [fact for fact in report["facts"] if isinstance(fact, list) and len(fact) == 2 and type(fact[0]) is str]
    facts = [fact for fact in facts[:1_000] if shallow(fact[1])]
    error, where, seconds = report.get("error"), report.get("where"), report.get("seconds")
    return {
        "facts": facts,
        "error": error if isinstance(error, dict) and error.get("raised") and shallow(error) else None,
        "blank": report.get("blank") is True,
        "where": where[:400] if isinstance(where, str) else None,
        "seconds": seconds if isinstance(seconds, int | float) else 0,
    }
