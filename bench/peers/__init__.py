"""The queues that are compared, a module each: the job, `fill(folder, count)` to queue the jobs 0 to count - 1, and,
for a library without a worker of its own, the worker's loop. `sides.py` says what they are and how they are started.

They run with the folder in BENCH_FOLDER and, where a server is needed, its URL in BENCH_URL.
"""
