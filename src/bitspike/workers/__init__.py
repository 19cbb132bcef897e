"""Runs side by side: in this process, in processes of this machine, or on the machines of a Ray cluster.

Work is a function and its arguments, and what it finds is in files: a run folder, or a trial's. So a worker that is
killed costs nothing but time: its work is given out again, and goes on from what is there.
"""

from bitspike.workers.pool import RETRIES, Work, Workers, workers
from bitspike.workers.threads import one_thread

__all__ = ["RETRIES", "Work", "Workers", "one_thread", "workers"]
