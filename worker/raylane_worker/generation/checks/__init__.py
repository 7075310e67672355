"""The static checks that code must pass before it may run. See docs/decisions/0004.

- `script` parses a script. `compiles` and `structure` check it as a whole: that it is Python, starts Ray at most once,
  and gives an answer.
- `reading` checks what it reads, with `locations` and `other_readers`; `answering` what it gives to the kit; `literals`
  that no text is a credential (decisions 24 and 38).
- `names` decides what a script may use, by the lists in `allowed`: with `attributes`, `calls`, `classes`, `fields`,
  `conversions`, `formats` and `functions`. `annotations` tells types from values, `variables` tells scopes apart, and
  `bindings` what a name may hold at any time (decision 22).
- `flow` follows the statements in their order to know datasets, frames and their columns, and `columns` reports those
  that are missing: with `evaluate`, `scope`, `values`, `datasets`, `frames`, `changes` and `found` (decisions 23, 38).
- `operators` and `cluster` know what fails on Ray, or is wrong there; `marks` finds its expressions (decision 27).
"""
