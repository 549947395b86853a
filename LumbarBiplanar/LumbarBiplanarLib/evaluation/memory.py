"""How much memory a process needed at most during a piece of work."""

from __future__ import annotations

from pathlib import Path

_RESET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_PEAK = "5"  # what clear_refs takes to forget the peak so far (proc_pid_clear_refs(5))


def forget_peak() -> bool:
    """Let ``peak_mb`` count from now on; False where the system has no such thing (it needs Linux's /proc)."""
    try:
        _RESET.write_text(_PEAK)
    except OSError:
        return False
    return True


def peak_mb() -> float | None:
    """Return the largest resident memory of this process since ``forget_peak``, in 10^6 bytes, or None if unknown."""
    try:
        status = _STATUS.read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None
