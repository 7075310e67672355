"""One lane of one worker: it claims jobs, holds their leases, runs their attempts, and writes the outcomes."""
