"""The rules that code must keep before it may run, by subject. `verify` applies them all."""
