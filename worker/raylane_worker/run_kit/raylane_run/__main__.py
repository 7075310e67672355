"""Runs `main.py` as `python -m raylane_run`."""

from .launcher import end, run_main

if __name__ == "__main__":
    run_main()
    end()
