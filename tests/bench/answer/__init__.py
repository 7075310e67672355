"""Measures the time from a question to its answer, beside a bare job of Ray and an earlier version of Raylane."""
