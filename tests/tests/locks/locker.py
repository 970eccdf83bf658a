"""A process that locks a file as it is told on standard input, a line each, and answers on standard output."""

import errno
import fcntl
import os
import signal
import struct
import sys

FLOCK = "hhqqi4x"
KINDS = {"R": fcntl.F_RDLCK, "W": fcntl.F_WRLCK, "U": fcntl.F_UNLCK}
MODES = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}
FLOCKS = {"R": fcntl.LOCK_SH, "W": fcntl.LOCK_EX, "U": fcntl.LOCK_UN}


class Cancelled(Exception):
    pass


def cancel(*_):
    if waiting:
        raise Cancelled


def record(kind, start, length):
    return struct.pack(FLOCK, KINDS[kind], os.SEEK_SET, int(start), int(length), 0)


def run(words):
    global waiting
    name, arguments = words[0], words[1:]
    if name == "open":
        files.append(os.open(names[-1], MODES[arguments[0]]))
    elif name == "close":
        os.close(files[int(arguments[0]) - 1])
    elif name == "reset":
        for fd in files:
            try:
                os.close(fd)
            except OSError:
                pass
        files.clear()
        names[:] = [sys.argv[1] + "/" + arguments[0]]
    elif name == "flock":
        fd, kind, wait = arguments
        how = FLOCKS[kind] | (0 if wait == "1" else fcntl.LOCK_NB)
        waiting = wait == "1"
        fcntl.flock(files[int(fd) - 1], how)
    elif name == "set":
        fd, kind, start, length, wait = arguments
        command = fcntl.F_SETLKW if wait == "1" else fcntl.F_SETLK
        waiting = wait == "1"
        fcntl.fcntl(files[int(fd) - 1], command, record(kind, start, length))
    elif name == "get":
        fd, kind, start, length = arguments
        found = fcntl.fcntl(files[int(fd) - 1], fcntl.F_GETLK, record(kind, start, length))
        kind, _, start, length, pid = struct.unpack(FLOCK, found)
        if kind == fcntl.F_UNLCK:
            return "none"
        letter = {number: letter for letter, number in KINDS.items()}[kind]
        end = start + length - 1 if length else "max"
        return f"{pid} {letter} {start} {end}"
    elif name == "unlink":
        os.unlink(names[-1])
    elif name == "rename":
        os.rename(names[-1], names[-1] + "x")
        names.append(names[-1] + "x")
    elif name == "pid":
        return str(os.getpid())
    return "ok"


waiting = False
files = []
names = [sys.argv[1]]
signal.signal(signal.SIGUSR1, cancel)
for line in sys.stdin:
    if line.strip() == "exit":
        break
    try:
        reply = run(line.split())
    except Cancelled:
        reply = "EINTR"
    except OSError as e:
        deadlock = e.errno == errno.EDEADLK  # it has two names
        reply = "EDEADLK" if deadlock else errno.errorcode.get(e.errno, str(e.errno))
    waiting = False
    print(reply, flush=True)
