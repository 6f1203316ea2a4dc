"""Script: runs a command as a whole process and prints what it took, as JSON.

Arguments: FILE-FOR-ITS-OUTPUT COMMAND...

A program of its own, and a small one: until the new process runs its own program, its largest resident
set is counted as that of the process it came from.
"""

import os
import sys
import time

log, *command = sys.argv[1:]
file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
into_log = [(os.POSIX_SPAWN_DUP2, file, 1), (os.POSIX_SPAWN_DUP2, file, 2)]
started = time.perf_counter()
child = os.posix_spawn(command[0], command, os.environ, file_actions=into_log)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - started
peak = usage.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
code = os.waitstatus_to_exitcode(status)
print(
    f'{{"wall": {wall}, "cpu": {usage.ru_utime + usage.ru_stime}, "peak": {peak}, "code": {code}}}'
)
