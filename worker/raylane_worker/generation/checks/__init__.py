"""The static checks that code must pass before it may run. See docs/decisions/0004.

- `script` parses a script. `compiles` and `structure` check it as a whole, `paths` and `locations` what it reads.
- `names` decides what a script may use, by the lists in `allowed`: with `attributes`, `calls`, `classes`, `fields`,
  `conversions`, `formats` and `functions`. `annotations` tells types from values, `variables` tells scopes apart, and
  `bindings` what a name may hold at any time (decision 22).
- `flow` follows the statements in their order to know datasets and their columns, and `columns` reports those that are
  missing: with `evaluate`, `scope`, `values`, `datasets`, `readers`, `changes` and `found` (decision 23).
- `operators` and `cluster` know what fails on Ray, or is wrong there; `marks` finds its expressions (decision 27).
"""
